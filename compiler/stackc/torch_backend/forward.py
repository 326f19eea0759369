"""Regions → the straight-line `forward` of each, as one would write it by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stackc.components.base import Component, Port
from stackc.components.size_expressions import Variable
from stackc.ir.model import Node, Operand, Region, ValueRef
from stackc.ir.typed import TypedRegion
from stackc.torch_backend.names import Locals, quoted, submodule, variable


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A line of a forward; `wire` is the value that it makes, `source` the one that it is made of first."""

    code: str
    wire: ValueRef | None = None
    source: ValueRef | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """The forward of a region: its arguments, its lines, and what it returns."""

    arguments: tuple[str, ...]
    lines: tuple[CodeLine, ...]
    returned: tuple[str, ...]


def emit_forward(region: Region, *, by_hand: TypedRegion | None = None) -> Forward:
    """The region at work on submodules under the ids of its nodes.

    `by_hand`, the region with its types, writes out what one writes no module for, a sum as `a + b`. Without it every
    component is the call of a module, at which the proof can watch it.
    """
    return _Emitter(region, Locals(region), by_hand).forward()


def class_source(region: Region, name: str) -> str:
    """A class that runs the region on submodules which are added to it under the ids of its nodes."""
    base, forward = base_of(region), emit_forward(region)
    lines = [f"class {name}({base}):", f"    def forward({', '.join(('self', *forward.arguments))}):"]
    lines += [f"        {line.code}" for line in forward.lines]
    return "\n".join([*lines, f"        return {', '.join(forward.returned)}", ""])


def base_of(region: Region) -> str:
    """What its class is derived from: the members of a stack have numbers, which are no attributes."""
    return "nn.ModuleDict" if region.kind == "stack" else "nn.Module"


def is_written_out(node: Node) -> bool:
    """Whether a node is an expression where a forward is written by hand, and no module."""
    values = ["x" for inlet in node.inlets if inlet.wire]
    return isinstance(node.body, Component) and node.body.expression(*values) is not None


def is_series(region: Region) -> bool:
    """Whether a region is members of a stack one after another and nothing else, each fed alike: a loop over a list."""
    if region.kind != "stack" or list(region.outputs) != ["y"] or not region.inputs:
        return False
    carried, first = ValueRef(region.inputs[0]), next(iter(region.nodes.values()))
    for index, node in enumerate(region.nodes.values()):
        alike = [inlet.port for inlet in node.inlets] == [inlet.port for inlet in first.inlets]
        closed = [(inlet.port, inlet.wire) for inlet in node.inlets[1:]]
        fed = alike and closed == [(inlet.port, inlet.wire) for inlet in first.inlets[1:]]
        called = not (isinstance(node.body, Region) and is_series(node.body))  # a list is no module to call
        plain = called and node.id == str(index) and not node.same_as and len(node.body.outputs) == 1
        if not fed or not plain or node.inlets[0].wire != carried or is_written_out(node):
            return False
        carried = ValueRef(node.id)
    return all(inlet.wire != ValueRef(region.inputs[0]) for inlet in first.inlets[1:]) and not _differs(region)


def _differs(region: Region) -> bool:
    """Whether the members are called in different ways, and no loop can call them all."""
    ports = {
        tuple(node.body.inputs) if isinstance(node.body, Region) else type(node.body).op
        for node in region.nodes.values()
    }
    return len(ports) > 1


@dataclass(frozen=True)
class _Emitter:
    region: Region
    names: Locals
    by_hand: TypedRegion | None

    def forward(self) -> Forward:
        lines = [line for node in self.region.nodes.values() for line in self.lines(node)]
        returned = tuple(self.names[wire] for wire in self.region.outputs.values())
        return Forward(tuple(self.names[ValueRef(port)] for port in self.region.inputs), tuple(lines), returned)

    def lines(self, node: Node) -> list[CodeLine]:
        made, source = ValueRef(node.id), next((inlet.wire for inlet in node.inlets if inlet.wire), None)
        if isinstance(node.body, Region) and is_series(node.body):
            return self.loop(node, node.body, source)
        targets = self.targets(node)
        return [CodeLine(f"{', '.join(targets)} = {self.value(node)}", made if len(targets) == 1 else None, source)]

    def loop(self, node: Node, stack: Region, source: ValueRef | None) -> list[CodeLine]:
        """The members of a stack one after another, each on what the one before it has made."""
        first = next(iter(stack.nodes.values()))
        carried, member = self.names[ValueRef(node.id)], variable(first.op.rpartition("#")[2], set(self.names.taken))
        entering = {inlet.port: inlet.wire for inlet in node.inlets}
        inlets = [Operand(i.port, entering[i.wire.node] if i.wire else None, i.span) for i in first.inlets]
        arguments = [carried, *self.arguments(first, inlets)[1:]]
        return [
            CodeLine(f"{carried} = {self.names[source] if source else None}"),
            CodeLine(f"for {member} in {self.callee(node)}:", ValueRef(node.id), source),
            CodeLine(f"    {carried} = {member}({', '.join(arguments)})"),
        ]

    def targets(self, node: Node) -> list[str]:
        """The variables that take what a node makes; those of several that nobody reads need no name."""
        wires = [ValueRef(node.id, number) for number in range(len(node.body.outputs))]
        read = {inlet.wire for other in self.region.nodes.values() for inlet in other.inlets}
        read |= set(self.region.outputs.values())
        return [self.names[wire] if wire in read else "_" for wire in wires]

    def value(self, node: Node) -> str:
        """What a node makes: the call of its submodule, or by hand an expression."""
        arguments = self.arguments(node, node.inlets)
        if self.by_hand and isinstance(node.body, Component):
            typed = self.by_hand
            wires = [inlet.wire for inlet in node.inlets if inlet.wire]
            values = [Variable.of(self.names[wire], typed.type_of(wire)) for wire in wires]
            expression = node.body.expression(*values)
            if expression is not None:
                return expression
        return f"{self.callee(node)}({', '.join(arguments)})"

    def arguments(self, node: Node, inlets: Sequence[Operand]) -> list[str]:
        """What a node is called with, in the order of its ports."""
        if isinstance(node.body, Region):
            by_port = {inlet.port: inlet for inlet in inlets}
            return [self.entering(by_port[port]) for port in node.body.inputs]
        return self.of_component(inlets, node.body.ports)

    def of_component(self, inlets: Sequence[Operand], ports: Sequence[Port]) -> list[str]:
        """Values in port order; optional ones by name, so that open ones before them need not be written."""
        optional = {port.name for port in ports if port.optional}
        return [
            f"{inlet.port}={self.entering(inlet)}" if inlet.port in optional else self.entering(inlet)
            for inlet in inlets
            if inlet.wire
        ]

    def entering(self, inlet: Operand) -> str:
        assert inlet.wire is not None, "only connected inlets are passed"
        return self.names[inlet.wire]

    def callee(self, node: Node) -> str:
        id = owner_of(self.region, node).id
        return f"self[{quoted(id)}]" if self.region.kind == "stack" else submodule(id)


def owner_of(region: Region, node: Node) -> Node:
    """The node whose module a node calls: itself, unless it is the same as another one."""
    while node.same_as:
        node = region.nodes[node.same_as]
    return node
