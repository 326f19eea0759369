"""Blocks inlined: a call of a block is replaced by the nodes inside, so that each can be edited by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from stackc.reduction.structure import prune
from stackc.reduction.tree import Plain, SpecTree, TreeBlock, TreeBody, TreeNode, TreeOperand


def inline_all(tree: SpecTree) -> SpecTree:
    """Return the tree without the blocks that can be inlined."""
    while calls := block_calls(tree):
        tree = inline(tree, calls)
    return tree


def block_calls(tree: SpecTree) -> dict[str, str]:
    """Return the calls of blocks at the top of the spec, by node, with the block; calls of the same module too.

    Calls of blocks with params are left out: what they are bound to is not in the block.
    """
    bare = {name for name, block in tree.blocks.items() if not block.params and block.inputs == block.ports}
    ops = {id: node.op for id, node in tree.body.nodes.items() if node.op in bare}
    for id, node in tree.body.nodes.items():
        if (owner := node.fields.get("same_as")) in ops:
            ops[id] = ops[str(owner)]
    return ops


def inline(tree: SpecTree, calls: Mapping[str, str]) -> SpecTree:
    """Return the tree with these calls (node → block) replaced by the nodes of their blocks.

    Requires that calls which share a module go together.
    """
    taken = {*tree.inputs, *tree.body.nodes}
    inlined = {id: _Inlined.of(id, tree.body.nodes[id], tree.blocks[op], taken) for id, op in calls.items()}

    nodes: dict[str, TreeNode] = {}
    for id, node in tree.body.nodes.items():
        if id in inlined:
            nodes |= inlined[id].nodes(inlined)
        else:
            nodes[id] = _with_tie(node, {}, inlined)
    nodes = {id: replace(node, operands=tuple(_resolved(o, inlined) for o in node.operands))
             for id, node in nodes.items()}  # fmt: skip

    outputs = {}
    for name, source in tree.body.outputs.items():
        id, _, out = source.partition(".")
        value = _resolved(TreeOperand(id, out), inlined)
        outputs[name] = f"{value.source}.{value.out}" if value.out else value.source
    return prune(replace(tree, body=TreeBody(nodes, outputs)))


@dataclass(frozen=True)
class _Inlined:
    """One call that is inlined: `ids` maps the nodes of the block to their new ids."""

    call: TreeNode
    block: TreeBlock
    ids: Mapping[str, str]

    @staticmethod
    def of(id: str, call: TreeNode, block: TreeBlock, taken: set[str]) -> _Inlined:
        """Choose ids that are not `taken`, and take them."""
        ids = {}
        for inner in block.body.nodes:
            name = f"{id}_{inner}"
            while name in taken:
                name += "_"
            taken.add(name)
            ids[inner] = name
        return _Inlined(call, block, ids)

    def nodes(self, inlined: Mapping[str, _Inlined]) -> dict[str, TreeNode]:
        """Return the nodes of the block under their new ids, with the ties and reparametrizations of the call."""
        owner = inlined.get(str(self.call.fields.get("same_as")))
        nodes = {}
        for inner, node in self.block.body.nodes.items():
            operands = [moved for operand in node.operands for moved in self.operands(operand)]
            origin = f"{self.call.origin}.{inner}"
            if owner is not None:
                same = owner.ids[str(node.fields.get("same_as", inner))]
                nodes[self.ids[inner]] = TreeNode("", {"same_as": same}, tuple(operands), origin)
                continue
            fields = dict(node.fields) | self.fields_for(inner, node)
            if "same_as" in fields:
                fields["same_as"] = self.ids[str(fields["same_as"])]
            moved = TreeNode(node.op, fields, tuple(operands), origin)
            nodes[self.ids[inner]] = _with_tie(moved, self.ids, {})
        return nodes

    def fields_for(self, inner: str, node: TreeNode) -> dict[str, Plain]:
        """Return what the call says about parameters of an inner node: `mlp.weight` is `weight` there."""
        fields: dict[str, Plain] = {}
        for key in ("tie", "reparam"):
            said = self.call.fields.get(key)
            if isinstance(said, dict):
                own = {n.partition(".")[2]: v for n, v in said.items() if n.partition(".")[0] == inner}
                before = node.fields.get(key)
                fields |= {key: {**before, **own} if isinstance(before, dict) else own} if own else {}
        return fields

    def operands(self, operand: TreeOperand) -> list[TreeOperand]:
        """Return an arrow inside the block as arrows at the top; none if it comes from an input that is open."""
        if operand.source in self.ids:
            return [replace(operand, source=self.ids[operand.source])]
        first = self.block.ports[0]
        outer = [each for each in self.call.operands if (each.port or first) == operand.source]
        return [replace(each, port=operand.port) for each in outer]

    def value(self, out: str) -> TreeOperand:
        """Return the value at the top that an output of the call stands for."""
        source = self.block.body.outputs[out] if out else next(iter(self.block.body.outputs.values()))
        id, _, inner = source.partition(".")
        return self.operands(TreeOperand(id, inner))[0]


def _resolved(operand: TreeOperand, inlined: Mapping[str, _Inlined]) -> TreeOperand:
    """Return an operand at the top that reads an inlined call, as one that reads the node inside."""
    while operand.source in inlined:
        operand = replace(inlined[operand.source].value(operand.out), port=operand.port)
    return operand


def _with_tie(node: TreeNode, ids: Mapping[str, str], inlined: Mapping[str, _Inlined]) -> TreeNode:
    """Return a node with the paths of its ties as they are after inlining; `ids` are those of its own block."""
    tie = node.fields.get("tie")
    if not isinstance(tie, dict):
        return node
    moved = {}
    for name, path in tie.items():
        id, _, rest = str(path).partition(".")
        if id in inlined:
            inner, _, rest = rest.partition(".")
            id = inlined[id].ids[inner]
        moved[name] = f"{ids.get(id, id)}.{rest}"
    return replace(node, fields={**node.fields, "tie": moved})
