"""Smaller trees by their structure: blocks inlined, nodes cut out or bypassed, inputs merged, outputs dropped.

Every function returns a new tree, which need not check: the search tries it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import count

from stackc.reduction.tree import Plain, SpecTree, TreeBlock, TreeBody, TreeNode, TreeOperand, plain_shape
from stackc.reduction.tree_types import TreeTypes


def cut(tree: SpecTree, types: TreeTypes, kept: Collection[str]) -> SpecTree:
    """Keep only these nodes of the spec; a value that they read from another node becomes an input of its type.

    Where `types`, those of the tree, do not have it, the input is like the first one. Values that nothing reads any
    more become outputs. New inputs and outputs have the names of their nodes, with a number where those are taken.
    """
    remaining = _without_references(tree.body.nodes, kept)
    outputs = _outputs_of(remaining, tree)
    taken = {*tree.inputs, *remaining, *outputs, *tree.blocks}

    inputs, nodes, names = dict(tree.inputs), {}, {}
    for id, node in remaining.items():
        operands = []
        for operand in node.operands:
            value = operand.source, operand.out
            if operand.source in kept or operand.source in tree.inputs:
                operands.append(operand)
                continue
            if value not in names:
                names[value] = _free_name("_".join(filter(None, value)), taken)
                taken.add(names[value])
                inputs[names[value]] = _input_like(tree, types, operand)
            operands.append(TreeOperand(names[value], port=operand.port))
        nodes[id] = replace(node, operands=tuple(operands))
    return prune(replace(tree, inputs=inputs, body=TreeBody(nodes, outputs)))


def _outputs_of(nodes: Mapping[str, TreeNode], tree: SpecTree) -> dict[str, str]:
    """Return the outputs of the tree that come from these nodes, and one for every node that nothing reads."""
    outputs = {name: source for name, source in tree.body.outputs.items() if source.partition(".")[0] in nodes}
    read = {operand.source for node in nodes.values() for operand in node.operands}
    read |= {source.partition(".")[0] for source in outputs.values()}
    for id in nodes:
        if id not in read:
            outputs[_free_name(id, {*outputs, *tree.inputs})] = id
    return outputs


def _free_name(name: str, taken: Collection[str]) -> str:
    """Return the name, with the first number from 2 on that makes it another one than those that are taken."""
    return next(free for number in count(1) if (free := name if number == 1 else f"{name}_{number}") not in taken)


def _input_like(tree: SpecTree, types: TreeTypes, operand: TreeOperand) -> Mapping[str, Plain]:
    """Return the declaration of an input with the type of a value at the top of the spec."""
    type_ = types.values.get((operand.source, operand.out))
    if type_ is None:
        return next(iter(tree.inputs.values()))
    return {"dtype": type_.dtype, "shape": plain_shape(type_)}


def _without_references(nodes: Mapping[str, TreeNode], kept: Collection[str]) -> dict[str, TreeNode]:
    """Return the nodes that are kept. Of those that shared the module of one that goes, the first gets its own."""
    heirs: dict[str, str] = {}  # owners that go, and who has their module now
    remaining = {}
    for id, node in nodes.items():
        if id not in kept:
            continue

        # the first heir becomes the owner, the others share its module
        fields = dict(node.fields)
        owner = fields.get("same_as")
        if isinstance(owner, str) and owner not in kept and owner in nodes:
            if owner in heirs:
                fields["same_as"] = heirs[owner]
            else:
                heirs[owner] = id
                node, fields = replace(node, op=nodes[owner].op), dict(nodes[owner].fields)

        # ties with what goes are gone
        tie = fields.pop("tie", None)
        if isinstance(tie, dict):
            ties = {name: path for name, path in tie.items() if str(path).partition(".")[0] in kept}
            fields |= {"tie": ties} if ties else {}

        remaining[id] = replace(node, fields=fields)
    return remaining


# -- single nodes


def bypasses(tree: SpecTree) -> Iterator[SpecTree]:
    """Yield the trees in which one node is left out and one of its operands takes its place, the first node last."""
    for block in (None, *tree.blocks):
        body = tree.blocks[block].body if block else tree.body
        for id, node in reversed(list(body.nodes.items())):
            for operand in dict.fromkeys(TreeOperand(each.source, each.out) for each in node.operands):
                yield _with_body(tree, block, _bypassed(body, id, operand))


def fewer_operands(tree: SpecTree) -> Iterator[SpecTree]:
    """Yield the trees without one arrow, as into an optional port; a node keeps one."""
    for block in (None, *tree.blocks):
        body = tree.blocks[block].body if block else tree.body
        for id, node in body.nodes.items():
            for operand in node.operands if len(node.operands) > 1 else ():
                rest = tuple(other for other in node.operands if other is not operand)
                changed = replace(body, nodes={**body.nodes, id: replace(node, operands=rest)})
                yield _with_body(tree, block, changed)


def _bypassed(body: TreeBody, id: str, instead: TreeOperand) -> TreeBody:
    value = f"{instead.source}.{instead.out}" if instead.out else instead.source
    outputs = {name: value if source.partition(".")[0] == id else source for name, source in body.outputs.items()}
    nodes = {}
    for other, node in _without_references(body.nodes, [key for key in body.nodes if key != id]).items():
        operands = (replace(instead, port=each.port) if each.source == id else each for each in node.operands)
        nodes[other] = replace(node, operands=tuple(operands))
    return TreeBody(nodes, outputs)


def _with_body(tree: SpecTree, block: str | None, body: TreeBody) -> SpecTree:
    if block is None:
        return prune(replace(tree, body=body))
    return prune(replace(tree, blocks={**tree.blocks, block: replace(tree.blocks[block], body=body)}))


# -- inputs and outputs


def merged_inputs(tree: SpecTree) -> Iterator[SpecTree]:
    """Yield the tree with one input for all inputs of one type, and those in which one takes the place of another."""
    first: dict[str, str] = {}
    same = {}
    for name, decl in tree.inputs.items():
        type_ = repr((decl.get("dtype"), decl.get("shape")))
        if first.setdefault(type_, name) != name:
            same[name] = first[type_]
    if len(same) > 1:
        yield _renamed_inputs(tree, same)
    for name, other in same.items():
        yield _renamed_inputs(tree, {name: other})


def _renamed_inputs(tree: SpecTree, names: Mapping[str, str]) -> SpecTree:
    nodes = {
        id: replace(node, operands=tuple(replace(o, source=names.get(o.source, o.source)) for o in node.operands))
        for id, node in tree.body.nodes.items()
    }
    outputs = {name: names.get(source, source) for name, source in tree.body.outputs.items()}
    return prune(replace(tree, body=TreeBody(nodes, outputs)))


def fewer_outputs(tree: SpecTree) -> Iterator[SpecTree]:
    """Yield the trees with a single output, and those with one output less."""
    outputs = tree.body.outputs
    if len(outputs) > 2:
        for name, source in outputs.items():
            yield prune(replace(tree, body=replace(tree.body, outputs={name: source})))
    if len(outputs) > 1:
        for name in outputs:
            rest = {other: source for other, source in outputs.items() if other != name}
            yield prune(replace(tree, body=replace(tree.body, outputs=rest)))


# -- what is not used


def prune(tree: SpecTree) -> SpecTree:
    """Return the tree without nodes, inputs, blocks and dims that no output depends on."""
    while (smaller := _pruned(tree)) != tree:
        tree = smaller
    return tree


def _pruned(tree: SpecTree) -> SpecTree:
    body = _reachable(tree.body)
    blocks = {name: replace(block, body=_reachable(block.body)) for name, block in tree.blocks.items()}
    called = set().union(*map(_called, (body, *(block.body for block in blocks.values()))))
    blocks = {name: block for name, block in blocks.items() if name in called}
    narrowed = {name: _with_used_inputs(block) for name, block in blocks.items()}
    body = _without_ports(body, blocks, narrowed)
    narrowed = {n: replace(b, body=_without_ports(b.body, blocks, narrowed)) for n, b in narrowed.items()}

    used = _used_names(body)
    inputs = _with_known_bounds({name: decl for name, decl in tree.inputs.items() if name in used})
    nodes = [node.fields for each in (body, *(b.body for b in narrowed.values())) for node in each.nodes.values()]
    said = [inputs, nodes, *(block.params for block in narrowed.values())]
    words = {name: _words([said, tree.dims, _without(tree.params, name)]) for name in tree.params}
    params = {name: value for name, value in tree.params.items() if name in words[name]}
    shapes = _words([[decl["shape"] for decl in inputs.values()], params])
    dims = {name: contract for name, contract in tree.dims.items() if name in shapes}
    nonfinite = {name: kinds for name, kinds in tree.nonfinite.items() if name in body.outputs}
    return SpecTree(tree.name, dims, inputs, body, narrowed, params, nonfinite)


def _called(body: TreeBody) -> set[str]:
    """Return the names of the blocks that a body may call: its ops, and those of its stacks."""
    return {node.op for node in body.nodes.values()}.union(*(_words(n.fields.get("of")) for n in body.nodes.values()))


def _with_known_bounds(inputs: Mapping[str, Mapping[str, Plain]]) -> dict[str, Mapping[str, Plain]]:
    """Return the inputs; one that stays below a dim loses this bound where no input has the dim as its size."""
    sizes = _words([decl["shape"] for decl in inputs.values()])
    return {
        name: {key: value for key, value in decl.items() if key != "below" or _words(value) <= sizes}
        for name, decl in inputs.items()
    }


def _words(said: object) -> set[str]:
    """Return every word of the values of a spec, those of expressions too."""
    return set(re.findall(r"[^\W\d]\w*", repr(said)))


def _without(values: Mapping[str, Plain], name: str) -> dict[str, Plain]:
    return {other: value for other, value in values.items() if other != name}


def _reachable(body: TreeBody) -> TreeBody:
    """Return the body with the nodes that an output depends on."""
    waiting = [source.partition(".")[0] for source in body.outputs.values()]
    reached: set[str] = set()
    while waiting:
        id = waiting.pop()
        if id in body.nodes and id not in reached:
            reached.add(id)
            waiting += [operand.source for operand in body.nodes[id].operands]
    return replace(body, nodes=_without_references(body.nodes, reached))


def _used_names(body: TreeBody) -> set[str]:
    sources = {operand.source for node in body.nodes.values() for operand in node.operands}
    return sources | {source.partition(".")[0] for source in body.outputs.values()}


def _with_used_inputs(block: TreeBlock) -> TreeBlock:
    used = _used_names(block.body)
    return replace(block, inputs=tuple(name for name in block.inputs if name.removesuffix("?") in used))


def _without_ports(body: TreeBody, before: Mapping[str, TreeBlock], after: Mapping[str, TreeBlock]) -> TreeBody:
    """Return the body without the arrows to inputs that blocks no longer have."""
    nodes = {}
    for id, node in body.nodes.items():
        if node.op in after and before[node.op].inputs != after[node.op].inputs:
            named = [replace(o, port=o.port or before[node.op].ports[0]) for o in node.operands]
            node = replace(node, operands=tuple(o for o in named if o.port in after[node.op].ports))
        nodes[id] = node
    return replace(body, nodes=nodes)
