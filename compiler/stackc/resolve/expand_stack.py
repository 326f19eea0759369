"""Stacks → regions: sub-models in series or side by side, with normalizations between or after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stackc.components.base import Component, Port
from stackc.core.diagnostics import Span
from stackc.ir.model import Node, Operand, Region, ValueRef
from stackc.resolve.context import CallSite, Context, Instantiate
from stackc.resolve.entries import is_frozen, node_weights
from stackc.resolve.operators import StackOf, member_key, op_name, outputs_of, ports_of
from stackc.resolve.scope import Scope
from stackc.resolve.stacks import Member, StackPlan, plan_stack
from stackc.resolve.taps import Taps, inner_taps, tapped
from stackc.spec.document import BlockDecl
from stackc.spec.yaml.tree import Entry


def expand_stack(
    context: Context,
    stack: StackOf,
    fields: Mapping[str, Entry],
    scope: Scope,
    site: CallSite,
    instantiate: Instantiate,
) -> Region | None:
    """Return the region of a stack; None, reported, if it or one of its sub-models is invalid."""
    plan = plan_stack(stack, fields, scope, site.what, site.span)
    if plan is None:
        return None
    inner = inner_taps(site.taps)
    inputs = tuple(port.name for port in ports_of(stack) if port.name in site.connected)
    builder = _StackBuilder(context, stack, plan, inputs, inner, site, instantiate)
    nodes, refs = builder.build()

    for tap, span in site.taps.items():
        head = tap.partition(".")[0]
        if head not in nodes:
            hint = f"its sub-models are 0 to {len(plan.members) - 1}"
            context.diagnostics.error("N313", f"{site.what} has nothing named '{head}' inside", span, hint)

    valid = {name: node for name, node in nodes.items() if node is not None}
    if len(valid) < len(nodes) or not inner.keys() <= nodes.keys():
        return None
    names = [each.output for each in stack.carry] or outputs_of(stack)
    outputs = dict(zip(names, refs, strict=True)) | {tap: tapped(tap, valid) for tap in sorted(site.taps)}
    return Region(f"stack of {plan.title}", "stack", inputs, valid, outputs, site.span)


FIRST = ""
"""Stands for the first port of every sub-model, whatever it is called, among the ports that a series carries."""


@dataclass
class _StackBuilder:
    """Builds the nodes of one stack in running order; an invalid node is None.

    `carried` has the value that enters each carried port of the next sub-model. `broken` has the places of invalid
    sub-models: the problems of each are reported once, not once per repeat.
    """

    context: Context
    stack: StackOf
    plan: StackPlan
    inputs: tuple[str, ...]
    inner_taps: Mapping[str, Taps]
    site: CallSite
    instantiate: Instantiate
    nodes: dict[str, Node | None] = field(default_factory=dict)
    carried: dict[str, ValueRef] = field(default_factory=dict)
    broken: set[Span] = field(default_factory=set)

    def build(self) -> tuple[dict[str, Node | None], Sequence[ValueRef]]:
        """Return the nodes by name and the values of the outputs: members by index, with what stands between them."""
        ports = [each.port for each in self.stack.carry] or [FIRST]
        self.carried = {port: ValueRef(port or self.inputs[0]) for port in ports}
        collected = [self._main]
        for index, member in enumerate(self.plan.members):
            name = str(index)
            node = self._node(name, member)
            self.nodes[name] = self._shared(node, self.nodes["0"]) if self.plan.share and index else node
            if self.plan.mode in ("series", "dense"):
                self._carry_on(index)
                collected.append(self._main)

        if self.plan.combine:
            self._add_combined(self.plan.combine)
        if self.plan.collect:
            self.carried[self._main_port] = self._implied("collect", self.plan.collect, [("x", r) for r in collected])
        if self.plan.norm and self.plan.mode != "series":
            self._add_norm("norm")
        return self.nodes, list(self.carried.values())

    @property
    def _main_port(self) -> str:
        """The carried port whose value is normalized, collected and joined: the first of them."""
        return next(iter(self.carried))

    @property
    def _main(self) -> ValueRef:
        return self.carried[self._main_port]

    def _carry_on(self, index: int) -> None:
        """Set what enters the next sub-model: the outputs of this one, normalized, or joined to all before it."""
        name, before = str(index), self._main
        node = self.nodes[name]
        for each in self.stack.carry:
            self.carried[each.port] = tapped(f"{name}.{each.output}", {name: node}) if node else ValueRef(name)
        if not self.stack.carry:
            self.carried[FIRST] = ValueRef(name)

        if self.plan.join:
            joined = [("x", before), ("x", self._main)]
            self.carried[self._main_port] = self._implied(f"concat_{index}", self.plan.join, joined)
        elif self.plan.norm and (index + 1) % self.plan.norm_every == 0:
            self._add_norm(f"norm_{index}")

    def _add_combined(self, combine: Component) -> None:
        """Add the node that combines members side by side, after the gate and the choice of those that it uses."""
        entering = self._main
        heads = [ValueRef(str(index)) for index in range(len(self.plan.members))]
        *before, variadic = (port.name for port in combine.ports)
        operands = [*((port, entering) for port in before), *((variadic, head) for head in heads)]

        if self.plan.routing:
            scores = self._implied("gate", self.plan.routing.gate, [("x", entering)], drawn=True)
            mask = self._implied("chosen", self.plan.routing.mask, [("x", scores)], drawn=True)
            operands[:2] = [("x", scores), ("mask", mask)]
        self.carried = {FIRST: self._implied(self.plan.mode, combine, operands)}

    def _implied(
        self, name: str, component: Component, operands: Sequence[tuple[str, ValueRef]], *, drawn: bool = False
    ) -> ValueRef:
        """Add a node that the fields of the stack ask for; return its output. A `drawn` one has a box in pictures."""
        for tap, span in self.inner_taps.get(name, {}).items():
            hint = f"its only output is {component.outputs[0]}"
            message = f"'{self.site.path}.{name}' ({component.op}) has no output '{tap}'"
            self.context.diagnostics.error("N313", message, span, hint)
        span = self.site.span
        wired = tuple(Operand(port, ref, span) for port, ref in operands)
        self.nodes[name] = Node(name, component, wired, span, op=component.op, implied=not drawn)
        return ValueRef(name)

    def _shared(self, node: Node | None, first: Node | None) -> Node | None:
        """Return a node that calls the first sub-model's module again; None, reported as N310, if the two differ."""
        if node and first and node.body != first.body:
            hint = "remove `share`, or the fields that depend on `index`"
            message = f"the sub-models of {self.site.what} differ by index and cannot share one module"
            self.context.diagnostics.error("N310", message, node.span, hint)
            return None
        return replace(node, same_as="0") if node else None

    def _add_norm(self, name: str) -> None:
        norm = self.plan.norm
        assert norm is not None
        self.carried, before = {FIRST: self._main}, self.carried
        self.nodes[name] = self._node(name, norm)
        self.carried = before | {next(iter(before)): ValueRef(name)}

    def _report_missing(self, name: str, op: str, port: str, span: Span) -> None:
        """Report N307 for a sub-model or norm with a required port that no input of the stack feeds."""
        what = "norm" if name.startswith("norm") else f"sub-model {name}"
        message = f"no arrow enters the port '{port}' of {op}, the {what} of {self.site.what}"
        if what == "norm":
            hint = "a norm takes a single value: write for example `norm: layer_norm`"
        else:
            hint = f"the input of the stack enters its first port: put it in a block whose port is not called '{port}'"
        self.context.diagnostics.error("N307", message, span, hint)
        self.broken.add(span)

    def _node(self, name: str, member: Member) -> Node | None:
        """Return a node whose carried ports take what is carried, its others the stack's inputs of the same name."""
        operator, fields, scope, span = member.operator, member.fields, member.scope, member.span
        if span in self.broken:
            return None
        operands: list[Operand] = []
        for number, port in enumerate(ports_of(operator)):
            ref = self._entering(port, is_first=number == 0)
            if ref is None and not port.optional:
                self._report_missing(name, op_name(operator), port.name, span)
                return None
            if ref is not None or not isinstance(operator, (BlockDecl, StackOf)):
                operands.append(Operand(port.name, ref, span))

        connected = frozenset(operand.port for operand in operands if operand.value)
        taps = {tap: at for tap, at in self.inner_taps.get(name, {}).items() if tap not in outputs_of(operator)}
        site = CallSite(connected, taps, f"{self.site.path}.{name}", span)
        body = self.instantiate(self.context, operator, fields, scope, site)
        if body is None:
            self.broken.add(span)
            return None
        body = body.returning(self._asked(name)) if isinstance(body, Component) else body
        spans = {key: entry.value.span for key, entry in fields.items()}
        frozen = is_frozen(member_key(member.written, "freeze"), scope)
        weights = node_weights(member_key(member.written, "weights"), operator, body, site.what, scope)
        return Node(
            name, body, tuple(operands), span, op=op_name(operator), fields=spans, frozen=frozen, weights=weights
        )

    def _asked(self, name: str) -> set[str]:
        """Return the outputs of a sub-model that are carried or tapped; of a shared one, wherever it is called."""
        taps = self.inner_taps.values() if self.plan.share else [self.inner_taps.get(name, {})]
        return {tap for each in taps for tap in each} | {each.output for each in self.stack.carry}

    def _entering(self, port: Port, *, is_first: bool) -> ValueRef | None:
        """Return the value that enters a port of the next sub-model; None if there is none."""
        if is_first and FIRST in self.carried:
            return self.carried[FIRST]
        if port.name in self.carried:
            return self.carried[port.name]
        # Without `carry` the stack's first input is carried, so that it enters nothing else, whatever its name.
        plain = self.inputs if self.stack.carry else self.inputs[1:]
        return ValueRef(port.name) if port.name in plain else None
