"""A flat model with the blocks of its spec as ONNX local functions, and back: `--functions`.

`fold_functions`, step 6 of the export, makes a function of every block and stack and one node of each call of it, so
that a viewer shows the hierarchy of the drawing. Calls that do the same share one function; weights enter as its
inputs, since a function has none of its own. Inside, names and stamps are relative to the call's path, so that they do
not differ from call to call. `unfold_functions` puts the bodies back: nodes, names and stamps are those of the flat
model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeAlias

import onnx

from stackc.export.objects import opset_imports
from stackc.export.template import PATH, SOURCE
from stackc.onnx_format.nodes import reads, renamed

DOMAIN = "stackc.blocks"
CONSTANT = "constant/"
"""How the linker's names of constants begin; weights have other names."""

NumberedNode: TypeAlias = tuple[int, onnx.NodeProto]
"""A node with its index in the flat model."""


@dataclass(frozen=True, slots=True)
class BlockCall:
    """A call of a block or stack: its name, its line in the spec, and the port of each value that enters."""

    name: str
    source: str
    ports: Mapping[str, str]


def fold_functions(
    model: onnx.ModelProto, block_calls: Mapping[str, BlockCall], exposed: Mapping[str, str]
) -> onnx.ModelProto:
    """Return the model with one node for every block call, by path, and the functions that these nodes call.

    `exposed` leads from the outputs of the model to their values, which are named by path. The nodes of a block call
    must be adjacent. An Identity that only gives an output of the model its name stays in the model.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name.startswith(CONSTANT)}
    folding = _Folding(block_calls, exposed, _opset(model), _last_reads(model.graph), constants)

    # The linker appends the Identities of outputs after all other nodes.
    outputs = {value.name for value in model.graph.output}
    numbered = enumerate(model.graph.node)
    inner = [(index, node) for index, node in numbered if node.name.removesuffix("/Identity") not in outputs]
    nodes = [*folding.fold_body(inner, ""), *model.graph.node[len(inner) :]]

    # Constants and declarations of values inside functions leave the graph.
    used = {name for node in nodes for name in (*reads(node), *node.output)}
    folded = onnx.ModelProto()
    folded.CopyFrom(model)
    del folded.graph.node[:], folded.graph.initializer[:], folded.graph.value_info[:], folded.opset_import[:]
    folded.graph.node.extend(nodes)
    folded.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in used)
    folded.graph.value_info.extend(value for value in model.graph.value_info if value.name in used)

    folded.functions.extend(folding.functions.values())
    all_nodes = [node for body in (folded.graph, *folded.functions) for node in body.node]
    folded.opset_import.extend(opset_imports(all_nodes, folding.opset))
    return folded


def unfold_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without functions; an equal one if it has none."""
    functions = {function.name: function for function in model.functions if function.domain == DOMAIN}
    flat = onnx.ModelProto()
    flat.CopyFrom(model)
    del flat.functions[:], flat.graph.node[:], flat.opset_import[:]
    flat.graph.node.extend(_unfold(model.graph.node, functions))

    constants = {node.name: node for function in functions.values() for node in function.node if _is_constant(node)}
    present = {tensor.name for tensor in flat.graph.initializer}
    flat.graph.initializer.extend(node.attribute[0].t for name, node in constants.items() if name not in present)
    flat.opset_import.extend(opset_imports(flat.graph.node, _opset(model)))
    return flat


def _unfold(nodes: Iterable[onnx.NodeProto], functions: Mapping[str, onnx.FunctionProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        if node.domain != DOMAIN:
            yield node
            continue

        function, prefix = functions[node.op_type], f"{node.name}."
        body = [inner for inner in function.node if not _is_constant(inner)]
        names = dict(zip([*function.input, *function.output], [*node.input, *node.output], strict=True))
        names |= {name: name for inner in body for name in reads(inner) if name.startswith(CONSTANT)}
        yield from _unfold([_move(inner, names, prefix.__add__) for inner in body], functions)


def _is_constant(node: onnx.NodeProto) -> bool:
    """Return whether a node of a function holds an initializer of the flat model."""
    return node.op_type == "Constant" and node.name.startswith(CONSTANT)


def _move(node: onnx.NodeProto, names: Mapping[str, str], change_path: Callable[[str], str]) -> onnx.NodeProto:
    """Return the node under another path: its name and stamp change, and its values unless `names` has a name."""
    copy = renamed(node, lambda name: names.get(name) or change_path(name))
    copy.name = change_path(node.name)
    for entry in node.metadata_props:
        value = change_path(entry.value) if entry.key == PATH else entry.value
        copy.metadata_props.add(key=entry.key, value=value)
    return copy


@dataclass
class _Folding:
    """Collects functions, by name and body. `last_reads` has the index of the last node that reads each value."""

    block_calls: Mapping[str, BlockCall]
    exposed: Mapping[str, str]
    opset: int
    last_reads: Mapping[str, float]
    constants: Mapping[str, onnx.TensorProto]
    functions: dict[tuple[str, bytes], onnx.FunctionProto] = field(default_factory=dict)

    def fold_body(self, nodes: Sequence[NumberedNode], prefix: str) -> list[onnx.NodeProto]:
        """Return the nodes with those of every block call right below `prefix` replaced by one."""
        folded: list[onnx.NodeProto] = []
        for path, group in groupby(nodes, lambda numbered: self.child_call(prefix, numbered[1])):
            members = list(group)
            folded += [node for _, node in members] if path is None else [self.call_node(path, members)]
        return folded

    def child_call(self, prefix: str, node: onnx.NodeProto) -> str | None:
        """Return the path of the block call right below `prefix` that a node is part of; None if there is none."""
        path = next(entry.value for entry in node.metadata_props if entry.key == PATH)
        child = prefix + path.removeprefix(prefix).partition(".")[0]
        return child if child in self.block_calls else None

    def call_node(self, path: str, members: Sequence[NumberedNode]) -> onnx.NodeProto:
        """Return the node that replaces the nodes of a block call."""
        block_call, last = self.block_calls[path], members[-1][0]
        body = self.fold_body(members, f"{path}.")

        # Inputs are the ports that are read, in order, then the weights; outputs are the values read after the call.
        computed = dict.fromkeys(name for node in body for name in node.output if name)
        read = dict.fromkeys(name for node in body for name in reads(node))
        ports = [name for name in block_call.ports if name in read]
        inputs = [n for n in dict.fromkeys([*ports, *read]) if n not in computed and n not in self.constants]
        outputs = [name for name in computed if self.last_reads.get(name, -1) > last]

        node = onnx.NodeProto(name=path, domain=DOMAIN, input=inputs, output=outputs)
        node.op_type = self.function(path, body, inputs, outputs).name
        for key, value in ((PATH, path), (SOURCE, block_call.source)):
            node.metadata_props.add(key=key, value=value)
        return node

    def function(
        self, path: str, body: Sequence[onnx.NodeProto], inputs: Sequence[str], outputs: Sequence[str]
    ) -> onnx.FunctionProto:
        """Return the function of a block call, that of an earlier call if the two are the same."""
        prefix = f"{path}."
        names = self.local_names(path, body, inputs)
        function = onnx.FunctionProto(domain=DOMAIN, opset_import=opset_imports(body, self.opset))
        function.input.extend(names[name] for name in inputs)
        function.output.extend(names[name] for name in outputs)
        function.node.extend(self.constant_node(name) for name in self.constants if name in names)
        function.node.extend(_move(node, names, lambda name: name.removeprefix(prefix)) for node in body)

        # The first function of a block has the block's name, others a number as well.
        block = self.block_calls[path].name
        key = block, function.SerializeToString(deterministic=True)
        if key not in self.functions:
            number = sum(name == block for name, _ in self.functions)
            function.name = f"{block}_{number + 1}" if number else block
            self.functions[key] = function
        return self.functions[key]

    def local_names(self, path: str, body: Sequence[onnx.NodeProto], inputs: Sequence[str]) -> dict[str, str]:
        """Return the names of values inside: inputs by port or parameter, values computed there by path."""
        prefix = f"{path}."
        computed = (name for node in body for name in node.output if name)
        names = {name: self.exposed.get(name, name).removeprefix(prefix) for name in computed}
        names |= {name: name for node in body for name in reads(node) if name in self.constants}

        taken = set(names.values())
        for name in inputs:
            local = wanted = self.block_calls[path].ports.get(name) or self.parameter(name, prefix)
            number = 1
            while local in taken:
                number += 1
                local = f"{wanted}_{number}"
            taken.add(local)
            names[name] = local
        return names

    def constant_node(self, name: str) -> onnx.NodeProto:
        """Return a constant as a node, under its own name."""
        node = onnx.NodeProto(op_type="Constant", name=name, output=[name])
        node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(self.constants[name])
        return node

    def parameter(self, name: str, prefix: str) -> str:
        """Return the path of a weight inside the block call, or inside the call that owns it."""
        if name.startswith(prefix):
            return name.removeprefix(prefix)
        parts = name.split(".")
        owners = [".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]
        owner = next((owner for owner in owners if owner in self.block_calls), "")
        return name.removeprefix(f"{owner}.")


def _opset(model: onnx.ModelProto) -> int:
    version: int = next(o.version for o in model.opset_import if not o.domain)
    return version


def _last_reads(graph: onnx.GraphProto) -> dict[str, float]:
    """Return the index of the last node that reads each value; an output of the model is read after all of them."""
    last: dict[str, float] = {name: index for index, node in enumerate(graph.node) for name in reads(node)}
    return last | dict.fromkeys((value.name for value in graph.output), math.inf)
