"""A flat model with the blocks of its spec as ONNX local functions, and back: `--functions`.

`fold_functions` makes a function of every block and stack, and one node of each place where it is at work, so that a viewer shows
the hierarchy of the drawing. Places that do the same share one function; weights enter as its inputs, since a function
has none of its own. Inside, names and stamps are relative to the place, so that nothing in it differs from place to
place. `unfold_functions` puts the bodies back: nodes, names and stamps are those of the flat model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import onnx

from stackc.export.objects import opset_imports
from stackc.export.template import PATH, SOURCE
from stackc.onnx_format.nodes import reads, renamed

DOMAIN = "stackc.blocks"
CONSTANT = "constant/"  # what the linker calls a constant that is no weight


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A block or stack at work: its name, the line that puts it there, and the port of each value that enters."""

    name: str
    source: str
    ports: Mapping[str, str]


def fold_functions(
    model: onnx.ModelProto, places: Mapping[str, FunctionCall], exposed: Mapping[str, str]
) -> onnx.ModelProto:
    """The model with a node for every place, by path, and the functions that these call.

    `exposed` leads from the outputs of the model to the values that they are, named by path. The nodes of a place have
    to stand together. An Identity that only gives an output of the model its name is left to the model.
    """
    outputs = {value.name for value in model.graph.output}
    constants = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name.startswith(CONSTANT)}
    folding = _Folding(places, exposed, _opset(model), _last_reads(model.graph), constants)
    inner = [
        (at, node) for at, node in enumerate(model.graph.node) if node.name.removesuffix("/Identity") not in outputs
    ]
    made = [*folding.body(inner, ""), *model.graph.node[len(inner) :]]
    known = {name for node in made for name in (*reads(node), *node.output)}
    folded = onnx.ModelProto()
    folded.CopyFrom(model)
    del folded.graph.node[:], folded.graph.initializer[:], folded.graph.value_info[:], folded.opset_import[:]
    folded.graph.node.extend(made)
    folded.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in known)
    folded.graph.value_info.extend(value for value in model.graph.value_info if value.name in known)
    folded.functions.extend(folding.functions.values())
    nodes = [node for body in (folded.graph, *folded.functions) for node in body.node]
    folded.opset_import.extend(opset_imports(nodes, folding.opset))
    return folded


def unfold_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without functions; the same one where it has none."""
    functions = {function.name: function for function in model.functions if function.domain == DOMAIN}
    flat = onnx.ModelProto()
    flat.CopyFrom(model)
    del flat.functions[:], flat.graph.node[:], flat.opset_import[:]
    flat.graph.node.extend(_unfolded(model.graph.node, functions))
    constants = {node.name: node for function in functions.values() for node in function.node if _is_constant(node)}
    known = {tensor.name for tensor in flat.graph.initializer}
    flat.graph.initializer.extend(node.attribute[0].t for name, node in constants.items() if name not in known)
    flat.opset_import.extend(opset_imports(flat.graph.node, _opset(model)))
    return flat


def _unfolded(nodes: Iterable[onnx.NodeProto], functions: Mapping[str, onnx.FunctionProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        if node.domain != DOMAIN:
            yield node
            continue
        function, outer = functions[node.op_type], f"{node.name}."
        parts = [part for part in function.node if not _is_constant(part)]
        names = dict(zip([*function.input, *function.output], [*node.input, *node.output], strict=True))
        names |= {name: name for part in parts for name in reads(part) if name.startswith(CONSTANT)}
        yield from _unfolded([_moved(part, names, outer.__add__) for part in parts], functions)


def _is_constant(node: onnx.NodeProto) -> bool:
    """Whether a node of a function holds what is an initializer of the flat model."""
    return node.op_type == "Constant" and node.name.startswith(CONSTANT)


def _moved(node: onnx.NodeProto, names: Mapping[str, str], move: Callable[[str], str]) -> onnx.NodeProto:
    """The node elsewhere: its values under other names, moved where they have none, its own name and path moved."""
    copy = renamed(node, lambda name: names.get(name) or move(name))
    copy.name = move(node.name)
    for entry in node.metadata_props:
        copy.metadata_props.add(key=entry.key, value=move(entry.value) if entry.key == PATH else entry.value)
    return copy


@dataclass
class _Folding:
    """The functions made so far, by what they do; `last` is the last node that reads a value."""

    places: Mapping[str, FunctionCall]
    exposed: Mapping[str, str]
    opset: int
    last: Mapping[str, float]
    constants: Mapping[str, onnx.TensorProto]
    functions: dict[tuple[str, bytes], onnx.FunctionProto] = field(default_factory=dict)

    def body(self, nodes: Sequence[Numbered], outer: str) -> list[onnx.NodeProto]:
        """Nodes with their numbers in the model, those of every place right below `outer` as one."""
        made: list[onnx.NodeProto] = []
        for path, group in groupby(nodes, lambda numbered: self.below(outer, numbered[1])):
            members = list(group)
            made += [node for _, node in members] if path is None else [self.call(path, members)]
        return made

    def below(self, outer: str, node: onnx.NodeProto) -> str | None:
        """The path of the place right below `outer` that a node is part of; None for a node of `outer` itself."""
        path = next(entry.value for entry in node.metadata_props if entry.key == PATH)
        child = outer + path.removeprefix(outer).partition(".")[0]
        return child if child in self.places else None

    def call(self, path: str, members: Sequence[Numbered]) -> onnx.NodeProto:
        """The one node that stands for the nodes of a place."""
        place, last = self.places[path], members[-1][0]
        inside = self.body(members, f"{path}.")
        made = dict.fromkeys(name for node in inside for name in node.output if name)
        read = dict.fromkeys(name for node in inside for name in reads(node))
        ports = [name for name in place.ports if name in read]
        entering = [n for n in dict.fromkeys([*ports, *read]) if n not in made and n not in self.constants]
        leaving = [name for name in made if self.last.get(name, -1) > last]
        node = onnx.NodeProto(name=path, domain=DOMAIN, input=entering, output=leaving)
        node.op_type = self.function(path, inside, entering, leaving).name
        for key, value in ((PATH, path), (SOURCE, place.source)):
            node.metadata_props.add(key=key, value=value)
        return node

    def function(
        self, path: str, inside: Sequence[onnx.NodeProto], entering: Sequence[str], leaving: Sequence[str]
    ) -> onnx.FunctionProto:
        """The function of a place, that of an earlier one where it is the same."""
        inner = f"{path}."
        names = self.local_names(path, inside, entering)
        made = onnx.FunctionProto(domain=DOMAIN, opset_import=opset_imports(inside, self.opset))
        made.input.extend(names[name] for name in entering)
        made.output.extend(names[name] for name in leaving)
        made.node.extend(self.constant(name) for name in self.constants if name in names)
        made.node.extend(_moved(node, names, lambda name: name.removeprefix(inner)) for node in inside)
        title = self.places[path].name
        key = title, made.SerializeToString(deterministic=True)
        if key not in self.functions:
            number = sum(name == title for name, _ in self.functions)
            made.name = f"{title}_{number + 1}" if number else title
            self.functions[key] = made
        return self.functions[key]

    def local_names(self, path: str, inside: Sequence[onnx.NodeProto], entering: Sequence[str]) -> dict[str, str]:
        """What values are called inside: those that enter by port or parameter, those made there by their paths."""
        inner = f"{path}."
        made = (name for node in inside for name in node.output if name)
        names = {name: self.exposed.get(name, name).removeprefix(inner) for name in made}
        names |= {name: name for node in inside for name in reads(node) if name in self.constants}
        taken = set(names.values())
        for name in entering:
            local = wanted = self.places[path].ports.get(name) or self.parameter(name, inner)
            number = 1
            while local in taken:
                number += 1
                local = f"{wanted}_{number}"
            taken.add(local)
            names[name] = local
        return names

    def constant(self, name: str) -> onnx.NodeProto:
        """A constant as a node, under its own name."""
        node = onnx.NodeProto(op_type="Constant", name=name, output=[name])
        node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(self.constants[name])
        return node

    def parameter(self, name: str, inner: str) -> str:
        """A weight by its path inside of the place; that of another place by its path in there."""
        if name.startswith(inner):
            return name.removeprefix(inner)
        parts = name.split(".")
        owners = [".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]
        owner = next((owner for owner in owners if owner in self.places), "")
        return name.removeprefix(f"{owner}.")


Numbered = tuple[int, onnx.NodeProto]


def _opset(model: onnx.ModelProto) -> int:
    version: int = next(o.version for o in model.opset_import if not o.domain)
    return version


def _last_reads(graph: onnx.GraphProto) -> dict[str, float]:
    """The number of the last node that reads each value; an output of the model is read after all of them."""
    last: dict[str, float] = {name: at for at, node in enumerate(graph.node) for name in reads(node)}
    return last | dict.fromkeys((value.name for value in graph.output), math.inf)
