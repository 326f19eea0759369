"""Regions → PyTorch source: the straight-line `forward` of each, as one would write it by hand."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Sequence

from stackc.components.base import Port
from stackc.graph.model import Inlet, Node, Region, Wire


def class_name(region: Region) -> str:
    """The region's name as that of a class: `encoder layer` becomes EncoderLayer."""
    words = re.split(r"[\W_]+", region.name)
    name = "".join(word[:1].upper() + word[1:] for word in words if word)
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"Region{name}"


def emit_class(region: Region, name: str) -> str:
    """A class whose `forward` runs the region on submodules called by their ids.

    Stacks are ModuleDicts, whose submodules are numbered; everything else is a Module with attributes.
    """
    names = _Names(region)
    base = "nn.ModuleDict" if region.kind == "stack" else "nn.Module"
    arguments = ", ".join(["self", *(names.local(Wire(port)) for port in region.inputs)])
    lines = [f"class {name}({base}):", f"    def forward({arguments}):"]
    lines += [f"        {_statement(region, node, names)}" for node in region.nodes.values()]
    returned = ", ".join(names.local(wire) for wire in region.outputs.values())
    return "\n".join([*lines, f"        return {returned}", ""])


def _statement(region: Region, node: Node, names: _Names) -> str:
    outputs = node.body.outputs if isinstance(node.body, Region) else dict.fromkeys(node.body.outputs)
    targets = ", ".join(names.local(Wire(node.id, number)) for number in range(len(outputs)))
    if isinstance(node.body, Region):
        by_port = {inlet.port: inlet for inlet in node.inlets}
        arguments = [_value(by_port[port], names) for port in node.body.inputs]
    else:
        arguments = _arguments(node.inlets, node.body.ports, names)
    return f"{targets} = {_callee(region, node)}({', '.join(arguments)})"


def _arguments(inlets: Sequence[Inlet], ports: Sequence[Port], names: _Names) -> list[str]:
    """Values in port order; optional ones by name, so that open ones before them need not be written."""
    optional = {port.name for port in ports if port.optional}
    return [
        f"{inlet.port}={_value(inlet, names)}" if inlet.port in optional else _value(inlet, names)
        for inlet in inlets
        if inlet.wire
    ]


def _value(inlet: Inlet, names: _Names) -> str:
    assert inlet.wire is not None, "only connected inlets are passed"
    return names.local(inlet.wire)


def _callee(region: Region, node: Node) -> str:
    id = node.id
    while region.nodes[id].same_as:
        id = region.nodes[id].same_as or id
    if region.kind == "stack":
        return f"self[{id!r}]"
    return f"self.{id}" if _is_identifier(id) else f"getattr(self, {id!r})"


def _is_identifier(text: str) -> bool:
    """Whether Python reads the text as the very name: it folds look-alike letters (NFKC) in identifiers."""
    return text.isidentifier() and not keyword.iskeyword(text) and unicodedata.normalize("NFKC", text) == text


class _Names:
    """Local variables for the values of a region: the node's id where Python can bear it, no two alike."""

    def __init__(self, region: Region) -> None:
        self._locals: dict[Wire, str] = {}
        taken = {"self", "nn", "getattr"}
        for wire in [*(Wire(name) for name in region.inputs), *_made(region)]:
            wanted = wire.node if wire.output == 0 else f"{wire.node}_{wire.output}"
            text = unicodedata.normalize("NFKC", re.sub(r"\W", "_", wanted))
            text = f"h{text}" if text[:1].isdigit() else text
            while text in taken or not text.isidentifier() or keyword.iskeyword(text):
                text += "_"
            taken.add(text)
            self._locals[wire] = text

    def local(self, wire: Wire) -> str:
        """The variable that holds a value."""
        return self._locals[wire]


def _made(region: Region) -> list[Wire]:
    return [Wire(node.id, number) for node in region.nodes.values() for number in range(len(node.body.outputs))]
