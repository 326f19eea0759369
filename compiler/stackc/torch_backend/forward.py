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
    """A line of a forward; `ref` is the value that it makes, `source` the one that it is made of first."""

    code: str
    value: ValueRef | None = None
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
    values = ["x" for operand in node.operands if operand.value]
    return isinstance(node.body, Component) and node.body.expression(*values) is not None


def is_series(region: Region) -> bool:
    """Whether a region is members of a stack one after another and nothing else, each fed alike: a loop over a list."""
    if region.kind != "stack" or list(region.outputs) != ["y"] or not region.inputs:
        return False
    carried, first = ValueRef(region.inputs[0]), next(iter(region.nodes.values()))
    for index, node in enumerate(region.nodes.values()):
        alike = [operand.port for operand in node.operands] == [operand.port for operand in first.operands]
        closed = [(operand.port, operand.value) for operand in node.operands[1:]]
        fed = alike and closed == [(operand.port, operand.value) for operand in first.operands[1:]]
        called = not (isinstance(node.body, Region) and is_series(node.body))  # a list is no module to call
        plain = called and node.id == str(index) and not node.same_as and len(node.body.outputs) == 1
        if not fed or not plain or node.operands[0].value != carried or is_written_out(node):
            return False
        carried = ValueRef(node.id)
    return all(operand.value != ValueRef(region.inputs[0]) for operand in first.operands[1:]) and not _differs(region)


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
        returned = tuple(self.names[ref] for ref in self.region.outputs.values())
        return Forward(tuple(self.names[ValueRef(port)] for port in self.region.inputs), tuple(lines), returned)

    def lines(self, node: Node) -> list[CodeLine]:
        made, source = ValueRef(node.id), next((operand.value for operand in node.operands if operand.value), None)
        if isinstance(node.body, Region) and is_series(node.body):
            return self.loop(node, node.body, source)
        targets = self.targets(node)
        return [CodeLine(f"{', '.join(targets)} = {self.value(node)}", made if len(targets) == 1 else None, source)]

    def loop(self, node: Node, stack: Region, source: ValueRef | None) -> list[CodeLine]:
        """The members of a stack one after another, each on what the one before it has made."""
        first = next(iter(stack.nodes.values()))
        carried, member = self.names[ValueRef(node.id)], variable(first.op.rpartition("#")[2], set(self.names.taken))
        entering = {operand.port: operand.value for operand in node.operands}
        operands = [Operand(i.port, entering[i.value.node] if i.value else None, i.span) for i in first.operands]
        arguments = [carried, *self.arguments(first, operands)[1:]]
        return [
            CodeLine(f"{carried} = {self.names[source] if source else None}"),
            CodeLine(f"for {member} in {self.callee(node)}:", ValueRef(node.id), source),
            CodeLine(f"    {carried} = {member}({', '.join(arguments)})"),
        ]

    def targets(self, node: Node) -> list[str]:
        """The variables that take what a node makes; those of several that nobody reads need no name."""
        refs = [ValueRef(node.id, number) for number in range(len(node.body.outputs))]
        read = {operand.value for other in self.region.nodes.values() for operand in other.operands}
        read |= set(self.region.outputs.values())
        return [self.names[ref] if ref in read else "_" for ref in refs]

    def value(self, node: Node) -> str:
        """What a node makes: the call of its submodule, or by hand an expression."""
        arguments = self.arguments(node, node.operands)
        if self.by_hand and isinstance(node.body, Component):
            typed = self.by_hand
            refs = [operand.value for operand in node.operands if operand.value]
            values = [Variable.of(self.names[ref], typed.type_of(ref)) for ref in refs]
            expression = node.body.expression(*values)
            if expression is not None:
                return expression
        return f"{self.callee(node)}({', '.join(arguments)})"

    def arguments(self, node: Node, operands: Sequence[Operand]) -> list[str]:
        """What a node is called with, in the order of its ports."""
        if isinstance(node.body, Region):
            by_port = {operand.port: operand for operand in operands}
            return [self.entering(by_port[port]) for port in node.body.inputs]
        return self.of_component(operands, node.body.ports)

    def of_component(self, operands: Sequence[Operand], ports: Sequence[Port]) -> list[str]:
        """Values in port order; optional ones by name, so that open ones before them need not be written."""
        optional = {port.name for port in ports if port.optional}
        return [
            f"{operand.port}={self.entering(operand)}" if operand.port in optional else self.entering(operand)
            for operand in operands
            if operand.value
        ]

    def entering(self, operand: Operand) -> str:
        assert operand.value is not None, "only connected inlets are passed"
        return self.names[operand.value]

    def callee(self, node: Node) -> str:
        id = self.region.owner_of(node).id
        return f"self[{quoted(id)}]" if self.region.kind == "stack" else submodule(id)
