"""Stacks → regions: sub-models in series or side by side, with normalizations between or after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stackc.components.base import Component
from stackc.core.diagnostics import Span
from stackc.ir.model import Node, Operand, Region, ValueRef
from stackc.resolve.context import CallSite, Context, Instantiate
from stackc.resolve.operators import Operator, StackOf, op_name, ports_of
from stackc.resolve.scope import Scope
from stackc.resolve.stacks import StackPlan, plan_stack
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
    nodes = _StackBuilder(context, plan, inputs, inner, site, instantiate).build()

    for tap, span in site.taps.items():
        head = tap.partition(".")[0]
        if head not in nodes:
            hint = f"its sub-models are 0 to {len(plan.members) - 1}"
            context.diagnostics.error("N313", f"{site.what} has nothing named '{head}' inside", span, hint)

    valid = {name: node for name, node in nodes.items() if node is not None}
    if len(valid) < len(nodes) or not inner.keys() <= nodes.keys():
        return None
    outputs = {"y": ValueRef(list(valid)[-1])} | {tap: tapped(tap, valid) for tap in sorted(site.taps)}
    return Region(f"stack of {plan.title}", "stack", inputs, valid, outputs, site.span)


@dataclass
class _StackBuilder:
    """Builds the nodes of one stack in running order; an invalid node is None.

    `broken` has the places of invalid sub-models: the problems of each are reported once, not once per repeat.
    """

    context: Context
    plan: StackPlan
    inputs: tuple[str, ...]
    inner_taps: Mapping[str, Taps]
    site: CallSite
    instantiate: Instantiate
    broken: set[Span] = field(default_factory=set)

    def build(self) -> dict[str, Node | None]:
        """Return the nodes by name: members by index, then the combining component or the normalizations."""
        nodes: dict[str, Node | None] = {}
        carried = ValueRef(self.inputs[0]) if self.inputs else None
        for index, member in enumerate(self.plan.members):
            name = str(index)
            node = self._node(name, member.operator, member.fields, member.scope, [carried], member.span)
            nodes[name] = self._shared(node, nodes["0"]) if self.plan.share and index else node

            # Members side by side all take the input of the stack; in series each takes the value before it.
            if self.plan.mode == "series":
                carried = ValueRef(name)
                if self.plan.norm and (index + 1) % self.plan.norm_every == 0:
                    nodes[f"norm_{index}"] = self._norm(f"norm_{index}", carried)
                    carried = ValueRef(f"norm_{index}")

        if self.plan.combine:
            nodes[self.plan.mode] = self._combined(self.plan.combine, carried)
            if self.plan.norm:
                nodes["norm"] = self._norm("norm", ValueRef(self.plan.mode))
        return nodes

    def _combined(self, combine: Component, carried: ValueRef | None) -> Node | None:
        """Return the node that combines members side by side: they enter its variadic port, the input those before."""
        heads = [ValueRef(str(index)) for index in range(len(self.plan.members))]
        node = self._node(self.plan.mode, type(combine), {}, self.context.root, heads, self.site.span)

        *before, variadic = combine.ports
        refs = [*((port, carried) for port in before), *((variadic, head) for head in heads)]
        operands = tuple(Operand(port.name, ref, self.site.span) for port, ref in refs)
        return replace(node, body=combine, operands=operands, implied=True) if node else None

    def _shared(self, node: Node | None, first: Node | None) -> Node | None:
        """Return a node that calls the first sub-model's module again; None, reported as N310, if the two differ."""
        if node and first and node.body != first.body:
            hint = "remove `share`, or the fields that depend on `index`"
            message = f"the sub-models of {self.site.what} differ by index and cannot share one module"
            self.context.diagnostics.error("N310", message, node.span, hint)
            return None
        return replace(node, same_as="0") if node else None

    def _norm(self, name: str, ref: ValueRef) -> Node | None:
        norm = self.plan.norm
        assert norm is not None
        return self._node(name, norm.operator, norm.fields, norm.scope, [ref], norm.span)

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

    def _node(
        self,
        name: str,
        operator: Operator,
        fields: Mapping[str, Entry],
        scope: Scope,
        refs: Sequence[ValueRef | None],
        span: Span,
    ) -> Node | None:
        """Return a node whose first port takes `refs`, its other ports the inputs of the stack of the same name."""
        if span in self.broken:
            return None
        first, *rest = ports_of(operator)
        operands = [Operand(first.name, ref, span) for ref in refs]
        for port in rest:
            is_fed = port.name in self.inputs[1:]
            if is_fed or not isinstance(operator, (BlockDecl, StackOf)):
                operands.append(Operand(port.name, ValueRef(port.name) if is_fed else None, span))

        # the combining component gets its other operands afterwards
        missing = [port.name for port in rest if not port.optional and port.name not in self.inputs[1:]]
        if missing and name != self.plan.mode:
            self._report_missing(name, op_name(operator), missing[0], span)
            return None
        connected = frozenset(operand.port for operand in operands if operand.value)
        site = CallSite(connected, self.inner_taps.get(name, {}), f"{self.site.path}.{name}", span)
        body = self.instantiate(self.context, operator, fields, scope, site)
        if body is None:
            self.broken.add(span)
            return None
        spans = {key: entry.value.span for key, entry in fields.items()}
        return Node(name, body, tuple(operands), span, op=op_name(operator), fields=spans)
