"""Region → the lines of its `forward`, as one would write them by hand."""

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
    """A line of a forward; `value` is the value that it computes, `source` its first operand."""

    code: str
    value: ValueRef | None = None
    source: ValueRef | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """The forward of a region: its arguments, its lines, and the variables that it returns."""

    arguments: tuple[str, ...]
    lines: tuple[CodeLine, ...]
    returned: tuple[str, ...]


def emit_forward(region: Region, *, by_hand: TypedRegion | None = None) -> Forward:
    """Return the forward of a region, over submodules under the ids of its nodes.

    With `by_hand`, the region with its types, a component that needs no module is written out: a sum as `a + b`.
    Without it every component is the call of a module, so that the proof can observe each.
    """
    return _Emitter(region, Locals(region), by_hand).forward()


def class_source(region: Region, name: str) -> str:
    """Return the source of a class that runs the region; its submodules are added later, under the ids of its nodes."""
    base, forward = base_of(region), emit_forward(region)
    lines = [f"class {name}({base}):", f"    def forward({', '.join(('self', *forward.arguments))}):"]
    lines += [f"        {line.code}" for line in forward.lines]
    return "\n".join([*lines, f"        return {', '.join(forward.returned)}", ""])


def base_of(region: Region) -> str:
    """Return the base of its class: members of a stack are numbered, and numbers cannot be attributes."""
    return "nn.ModuleDict" if region.kind == "stack" else "nn.Module"


def is_written_out(node: Node) -> bool:
    """Return whether a node is an expression, not a module, in a forward that is written by hand."""
    values = ["x" for operand in node.operands if operand.value]
    return isinstance(node.body, Component) and node.body.expression(*values) is not None


def is_series(region: Region) -> bool:
    """Return whether a region is a loop over a list: members of a stack in series, with the same other operands."""
    if region.kind != "stack" or list(region.outputs) != ["y"] or not region.inputs:
        return False

    entering, first = ValueRef(region.inputs[0]), next(iter(region.nodes.values()))
    carried = entering
    for index, node in enumerate(region.nodes.values()):
        if not _has_same_operands(node, first) or not _is_list_member(node, index):
            return False
        if node.operands[0].value != carried:
            return False
        carried = ValueRef(node.id)
    return all(operand.value != entering for operand in first.operands[1:]) and _are_called_alike(region)


def _has_same_operands(node: Node, first: Node) -> bool:
    """Return whether a member has the ports of the first, and the same values at all but the first of them."""
    if [operand.port for operand in node.operands] != [operand.port for operand in first.operands]:
        return False
    return [operand.value for operand in node.operands[1:]] == [operand.value for operand in first.operands[1:]]


def _is_list_member(node: Node, index: int) -> bool:
    """Return whether a node can be the member of a list under its index: one module of its own, with one output."""
    is_list = isinstance(node.body, Region) and is_series(node.body)  # a list is not a module that can be called
    if is_list or is_written_out(node):
        return False
    return node.id == str(index) and not node.same_as and len(node.body.outputs) == 1


def _are_called_alike(region: Region) -> bool:
    """Return whether all members take their arguments in the same way, so that one loop can call them."""
    ports = {
        tuple(node.body.inputs) if isinstance(node.body, Region) else type(node.body).op
        for node in region.nodes.values()
    }
    return len(ports) == 1


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
        source = next((operand.value for operand in node.operands if operand.value), None)
        if isinstance(node.body, Region) and is_series(node.body):
            return self.loop(node, node.body, source)

        targets = self.targets(node)
        value = ValueRef(node.id) if len(targets) == 1 else None
        return [CodeLine(f"{', '.join(targets)} = {self.value(node)}", value, source)]

    def loop(self, node: Node, stack: Region, source: ValueRef | None) -> list[CodeLine]:
        """Return a loop over the members of a stack, each on the output of the previous one."""
        first = next(iter(stack.nodes.values()))
        carried, member = self.names[ValueRef(node.id)], variable(first.op.rpartition("#")[2], set(self.names.taken))

        # The operands of the members are inputs of the stack: the values that enter it take their place.
        entering = {operand.port: operand.value for operand in node.operands}
        operands = [Operand(i.port, entering[i.value.node] if i.value else None, i.span) for i in first.operands]
        arguments = [carried, *self.arguments(first, operands)[1:]]

        return [
            CodeLine(f"{carried} = {self.names[source] if source else None}"),
            CodeLine(f"for {member} in {self.callee(node)}:", ValueRef(node.id), source),
            CodeLine(f"    {carried} = {member}({', '.join(arguments)})"),
        ]

    def targets(self, node: Node) -> list[str]:
        """Return the variables for the outputs of a node; `_` for an output that is never read."""
        refs = [ValueRef(node.id, number) for number in range(len(node.body.outputs))]
        read = {operand.value for other in self.region.nodes.values() for operand in other.operands}
        read |= set(self.region.outputs.values())
        return [self.names[ref] if ref in read else "_" for ref in refs]

    def value(self, node: Node) -> str:
        """Return the call of a node's submodule, or by hand an expression."""
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
        """Return the arguments of a node, in the order of its ports."""
        if isinstance(node.body, Region):
            by_port = {operand.port: operand for operand in operands}
            return [self.variable(by_port[port]) for port in node.body.inputs]
        return self.component_arguments(operands, node.body.ports)

    def component_arguments(self, operands: Sequence[Operand], ports: Sequence[Port]) -> list[str]:
        """Return values in port order, optional ones by name, so that open ports before them can be left out."""
        optional = {port.name for port in ports if port.optional}
        return [
            f"{operand.port}={self.variable(operand)}" if operand.port in optional else self.variable(operand)
            for operand in operands
            if operand.value
        ]

    def variable(self, operand: Operand) -> str:
        assert operand.value is not None, "only connected operands are passed"
        return self.names[operand.value]

    def callee(self, node: Node) -> str:
        id = self.region.owner_of(node).id
        return f"self[{quoted(id)}]" if self.region.kind == "stack" else submodule(id)
