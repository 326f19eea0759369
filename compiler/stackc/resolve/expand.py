"""Drawings → regions: every node gets its component or region, every inlet its wire.

Expanding is one recursion: the body of a spec or block holds nodes, a node may be a block or a stack, which have bodies
of their own. Equal blocks in equal surroundings are expanded once and shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from stackc.components.base import Component
from stackc.components.custom.module import CustomModule
from stackc.core.diagnostics import Collector, Span, did_you_mean
from stackc.ir.model import Body, Kind, Node, Operand, Region, ValueRef
from stackc.resolve.custom import arguments_of
from stackc.resolve.entries import reparam_places, ties_of
from stackc.resolve.fields import component_of
from stackc.resolve.operands import OperandMerger, check_merge
from stackc.resolve.operators import Operator, StackOf, check_input_labels, find_operator, op_name, outputs_of, ports_of
from stackc.resolve.params import Binding, bind_params, text_places
from stackc.resolve.scope import Scope
from stackc.resolve.sharing import owners_of, same_module
from stackc.resolve.stacks import StackPlan, plan_stack
from stackc.resolve.taps import Taps, inner_taps, tapped, wanted_taps
from stackc.resolve.wiring import (
    assign_ports,
    drawn_arrows,
    drawn_nodes,
    order_of,
    output_sources,
    unconnected,
    with_entries_as_meant,
)
from stackc.spec import document as doc
from stackc.spec.document import BlockDecl, Document, OutputDecl
from stackc.spec.yaml.tree import Entry

MAX_DEPTH = 50
MOST_NODES = 40_000
MOST_REGIONS = 3_000


@dataclass(frozen=True)
class Context:
    """What expanding needs at every depth.

    `regions` shares equal regions, and `used` names their blocks; `open` are the blocks being expanded; `made` counts
    nodes: blocks that call each other with ever new params would make them without end.
    """

    document: Document
    root: Scope
    regions: dict[object, Region | None] = field(default_factory=dict)
    used: dict[str, None] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    made: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def diagnostics(self) -> Collector:
        """Where problems are noted."""
        return self.root.diagnostics


@dataclass(frozen=True)
class CallSite:
    """Where an op is put to work: what enters it, which paths inside are wanted, and its path in the drawing."""

    connected: frozenset[str]
    taps: Taps
    path: str
    span: Span

    @property
    def what(self) -> str:
        """How messages call it."""
        return f"'{self.path}'"


def expand(context: Context) -> Region | None:
    """The region of the whole spec; None where something was noted that leaves no region."""
    inputs = {name: decl.span for name, decl in context.document.inputs.items()}
    whole = BlockDecl(context.document.body, context.document.params, (), context.document.inputs)
    return _drawing(context, whole, "spec", context.root, inputs, frozenset(), {})


def expand_block(context: Context, block: BlockDecl, scope: Scope) -> Region | None:
    """The region of a block for itself, all of its inputs connected; None where something was noted."""
    inputs = {port.name: port.span for port in block.ports}
    context.open.append(op_name(block))
    region = _drawing(context, block, "block", scope, inputs, frozenset(), {})
    context.open.pop()
    return region


def _instantiate(
    context: Context, operator: Operator, fields: Mapping[str, Entry], scope: Scope, place: CallSite
) -> Body | None:
    if next(context.made) > MOST_NODES or len(context.regions) > MOST_REGIONS:
        message = f"the spec comes to more than {MOST_NODES:,} different nodes, or {MOST_REGIONS:,} different blocks"
        hint = "repeat less, or with params that are the same"
        context.diagnostics.error("S003", message, context.document.body.span, hint)
        return None
    if isinstance(operator, StackOf):
        return _stack(context, operator, fields, scope, place)
    if isinstance(operator, BlockDecl):
        return _block(context, operator, fields, scope, place)
    for tap, span in place.taps.items():
        hint = f"its outputs are {', '.join(operator.outputs)}"
        context.diagnostics.error("N313", f"{place.what} ({operator.op}) has no output '{tap}'", span, hint)
    given = arguments_of(fields) if issubclass(operator, CustomModule) else fields
    component = component_of(operator, given, scope, place.what, place.span)
    return None if place.taps else component


# -- blocks


def _block(
    context: Context, block: BlockDecl, fields: Mapping[str, Entry], scope: Scope, place: CallSite
) -> Region | None:
    name, home = op_name(block), scope.home_of(block)
    name = name if home.file == context.document.file else f"{home.file}#{name}"
    if name in context.open:
        circle = " → ".join([*context.open[context.open.index(name) :], name])
        hint = "use a stack to repeat a block"
        context.diagnostics.error("N315", f"the block '{name}' contains itself: {circle}", place.span, hint)
        return None
    if len(context.open) == MAX_DEPTH:
        context.diagnostics.error(
            "S003", f"blocks are nested deeper than {MAX_DEPTH}", place.span, "use a stack to repeat a block"
        )
        return None
    binding = Binding(f"{place.what} ({name})", place.span, "write `{name}: …` for it")
    params = bind_params(block.params, fields, scope, home, binding)
    if params is None:
        return None
    values = tuple((param, type(value), value) for param, value in params.items())
    key = (name, values, place.connected, frozenset(place.taps))
    if key not in context.regions:
        context.used[name] = None
        inputs = {port.name: port.span for port in block.ports if port.name in place.connected}
        closed = frozenset(port.name for port in block.ports) - place.connected
        context.open.append(name)
        inner = home.with_names(params, text_places(block.params, fields, params))
        region = _drawing(context, block, "block", inner, inputs, closed, place.taps)
        context.regions[key] = region and replace(region, params=params)
        context.open.pop()
    return context.regions[key]


# -- stacks


def _stack(
    context: Context, stack: StackOf, fields: Mapping[str, Entry], scope: Scope, place: CallSite
) -> Region | None:
    plan = plan_stack(stack, fields, scope, place.what, place.span)
    if plan is None:
        return None
    inside = inner_taps(place.taps)
    inputs = tuple(port.name for port in ports_of(stack) if port.name in place.connected)
    nodes = _StackBuilder(context, plan, inputs, inside, place).nodes()
    for tap, span in place.taps.items():
        if tap.partition(".")[0] not in nodes:
            hint = f"its sub-models are 0 to {len(plan.members) - 1}"
            message = f"{place.what} has nothing called '{tap.partition('.')[0]}' inside"
            context.diagnostics.error("N313", message, span, hint)
    whole = {name: node for name, node in nodes.items() if node is not None}
    if len(whole) < len(nodes) or not inside.keys() <= nodes.keys():
        return None
    outputs = {"y": ValueRef(list(whole)[-1])} | {tap: tapped(tap, whole) for tap in sorted(place.taps)}
    return Region(f"stack of {plan.title}", "stack", inputs, whole, outputs, place.span)


@dataclass(frozen=True)
class _StackBuilder:
    """Builds the nodes of one stack in running order; None stands for a node that could not be built.

    `broken` has the places of sub-models that could not: what is wrong with one of them is said once, not
    once a repeat.
    """

    context: Context
    plan: StackPlan
    inputs: tuple[str, ...]
    inside: Mapping[str, Taps]
    place: CallSite
    broken: set[Span] = field(default_factory=set)

    def nodes(self) -> dict[str, Node | None]:
        nodes: dict[str, Node | None] = {}
        carried = ValueRef(self.inputs[0]) if self.inputs else None
        heads: list[ValueRef | None] = []
        for index, member in enumerate(self.plan.members):
            node = self.node(str(index), member.operator, member.fields, member.scope, [carried], member.span)
            nodes[str(index)] = self.shared(node, nodes["0"]) if self.plan.share and index else node
            heads.append(ValueRef(str(index)))
            if self.plan.mode == "series":
                carried = ValueRef(str(index))
                if self.plan.norm and (index + 1) % self.plan.norm_every == 0:
                    name = f"norm_{index}"
                    nodes[name] = self.norm(name, carried)
                    carried = ValueRef(name)
        if combine := self.plan.combine:
            name = self.plan.mode
            node = self.node(name, type(combine), {}, self.context.root, heads, self.place.span)
            operands = self.joined(combine, carried, heads)
            nodes[name] = replace(node, body=combine, operands=operands, implied=True) if node else None
            if self.plan.norm:
                nodes["norm"] = self.norm("norm", ValueRef(self.plan.mode))
        return nodes

    def joined(
        self, combine: Component, carried: ValueRef | None, heads: Sequence[ValueRef | None]
    ) -> tuple[Operand, ...]:
        """Where sub-models side by side are joined: they enter the variadic port, what they are fed with any before."""
        *before, several = combine.ports
        refs = [*((port, carried) for port in before), *((several, head) for head in heads)]
        return tuple(Operand(port.name, ref, self.place.span) for port, ref in refs)

    def shared(self, node: Node | None, first: Node | None) -> Node | None:
        """The first sub-model's module called again; None, noted (N310), where the node is made unlike it."""
        if node and first and node.body != first.body:
            hint = "take `share` away, or what depends on `index`"
            message = f"the sub-models of {self.place.what} differ by index and cannot share one module"
            self.context.diagnostics.error("N310", message, node.span, hint)
            return None
        return replace(node, same_as="0") if node else None

    def norm(self, name: str, ref: ValueRef) -> Node | None:
        norm = self.plan.norm
        assert norm is not None
        return self.node(name, norm.operator, norm.fields, norm.scope, [ref], norm.span)

    def node(
        self,
        name: str,
        operator: Operator,
        fields: Mapping[str, Entry],
        scope: Scope,
        carried: Sequence[ValueRef | None],
        span: Span,
    ) -> Node | None:
        if span in self.broken:
            return None
        first, *rest = ports_of(operator)
        operands = [Operand(first.name, ref, span) for ref in carried]
        for port in rest:
            fed = port.name in self.inputs[1:]
            if fed or not isinstance(operator, (BlockDecl, StackOf)):
                operands.append(Operand(port.name, ValueRef(port.name) if fed else None, span))
        connected = frozenset(operand.port for operand in operands if operand.value)
        place = CallSite(connected, self.inside.get(name, {}), f"{self.place.path}.{name}", span)
        body = _instantiate(self.context, operator, fields, scope, place)
        if body is None:
            self.broken.add(span)
            return None
        spans = {key: entry.value.span for key, entry in fields.items()}
        return Node(name, body, tuple(operands), span, op=op_name(operator), fields=spans)


# -- drawings


def _drawing(
    context: Context,
    block: BlockDecl,
    kind: Kind,
    scope: Scope,
    inputs: Mapping[str, Span],
    closed: frozenset[str],
    taps: Taps,
) -> Region | None:
    """The region of a drawing: a stage of its own for names, ports, outputs, order and nodes, all problems noted."""
    diagnostics = context.diagnostics
    drawn = drawn_nodes(block.body, {*inputs, *closed}, diagnostics)
    body = with_entries_as_meant(block.body, drawn)
    arrows = drawn_arrows(body, inputs, closed, block.inputs, drawn, scope)
    loose = unconnected(body, drawn, arrows, diagnostics)
    names = [name for name in drawn if name not in loose]
    owners = owners_of(body, names, diagnostics)
    entered = {arrow.target for arrow in arrows}
    operators = _operators(body, names, owners, entered, scope)
    check_input_labels(body, {*inputs, *closed}, scope)
    ports = {name: ports_of(operator) for name, operator in operators.items()}
    feeds = assign_ports(
        arrows, ports, lambda name: outputs_of(operators[name]) if name in operators else (), diagnostics
    )
    whole = len(operators) == len(names) or all(name in operators or name in entered for name in names)
    outputs = output_sources(body, kind, inputs, names, arrows, diagnostics, whole=whole)
    deeper = {tap: span for tap, span in taps.items() if tap not in {output.name for output in outputs}}
    inside = [
        OutputDecl(tap, tap, span)
        for tap, span in deeper.items()
        if _is_inside(tap, span, body, inputs, names, diagnostics)
    ]
    wanted = wanted_taps(operators, owners, feeds, [*outputs, *inside])
    taken = {arrow.source for arrow in arrows} | {output.source for output in body.outputs}
    joiner = OperandMerger(body, scope, operators, feeds, untaken=[name for name in inputs if name not in taken])
    builder = _Builder(context, joiner, owners, wanted)
    for name in order_of(body, inputs, names, arrows, owners, diagnostics):
        if name in operators:
            builder.add(name)
    if len(builder.named) < len(drawn) or not outputs or len(inside) < len(deeper):
        return None
    refs = {output.name: builder.joiner.ref_to(output.source) for output in [*outputs, *sorted(inside, key=_name)]}
    sound = {name: ref for name, ref in refs.items() if ref}
    return Region(body.name, kind, tuple(inputs), builder.joiner.nodes, sound, body.span, inputs)


def _name(output: OutputDecl) -> str:
    return output.name


def _is_inside(
    tap: str, span: Span, body: doc.Body, inputs: Mapping[str, Span], names: Sequence[str], diagnostics: Collector
) -> bool:
    """Whether a tap leads into this drawing; noted under N313 if not."""
    head = tap.partition(".")[0]
    if head in names or tap in inputs:
        return True
    diagnostics.error("N313", f"'{body.name}' has nothing called '{head}' inside", span, did_you_mean(head, names))
    return False


def _operators(
    body: doc.Body, names: Sequence[str], owners: Mapping[str, str], entered: set[str], scope: Scope
) -> dict[str, Operator]:
    operators: dict[str, Operator] = {}
    labelled = {node.label: node.id for node in body.drawing.nodes.values() if node.label}
    for name in names:
        entry = body.nodes.get(name)
        if not (entry and entry.same_as) and (
            operator := find_operator(body.drawing.nodes[name], entry, scope, labelled, entered=name in entered)
        ):
            operators[name] = operator
            check_merge(entry, operator, scope)
    for name in names:
        if name not in operators and not body.drawing.nodes[name].label and name in labelled:
            operators.pop(labelled[name], None)  # id and label changed places there, as was noted
    return operators | {name: operators[owner] for name, owner in owners.items() if owner in operators}


@dataclass(frozen=True)
class _Builder:
    """Makes the nodes of one drawing, in running order."""

    context: Context
    joiner: OperandMerger
    owners: Mapping[str, str]
    wanted: Mapping[str, Taps]
    named: set[str] = field(default_factory=set)

    def add(self, name: str) -> None:
        """Add the node, and before it the merge of what enters one of its ports together; nothing, noted, if wrong."""
        joiner, scope = self.joiner, self.joiner.scope
        drawn, entry, operator = joiner.body.drawing.nodes[name], joiner.body.nodes.get(name), joiner.operators[name]
        connected = joiner.connected(name)
        operands = joiner.operands(name, entry) if connected is not None else None
        fields = entry.fields if entry else {}
        if connected is None and isinstance(operator, (BlockDecl, StackOf)):
            return
        place = CallSite(connected or frozenset(), self.wanted[name], name, entry.span if entry else drawn.span)
        again = None
        if entry and name in self.owners:
            again = same_module(entry, self.owners[name], joiner.nodes, place.connected, self.context.diagnostics)
            body = again.body if again else None
        else:
            body = _instantiate(self.context, operator, fields, scope, place)
        reparams = again.reparams if again else ()
        if not again and entry and entry.reparam:
            from stackc.resolve.reparams import reparams_of

            reparams = reparams_of(entry, operator, scope)
        if operands is None or body is None:
            return
        self.named.add(name)
        joiner.nodes[name] = Node(
            id=name,
            body=body,
            operands=operands,
            span=entry.source if entry and entry.source else drawn.span,
            label=drawn.label,
            op=op_name(operator),
            reparams=reparams,
            ties=ties_of(entry, scope),
            same_as=again.id if again else None,
            fields={key: value.value.span for key, value in fields.items()} | reparam_places(entry),
            entry=entry.span if entry else None,
        )
