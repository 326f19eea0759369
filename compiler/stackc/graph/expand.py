"""Drawings → regions: every node gets its component or region, every inlet its wire.

Expanding is one recursion: the body of a spec or block holds nodes, a node may be a block or a stack, which have bodies
of their own. Equal blocks in equal surroundings are expanded once and shared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from stackc.components.base import Port
from stackc.diagnostics import Collector, Note, Span
from stackc.graph.entries import merge_of, reparams_of, ties_of
from stackc.graph.model import Body, Inlet, Kind, Node, Region, Wire
from stackc.graph.operators import Operator, StackOf, find_operator, name_of, outputs_of, ports_of
from stackc.graph.scope import Scope, bind_params, component_of
from stackc.graph.stacks import StackPlan, plan_stack
from stackc.graph.wiring import Feed, assign_ports, drawn_arrows, drawn_nodes, order_of, output_sources
from stackc.spec import document as doc
from stackc.spec.document import BlockDecl, Document, NodeEntry, OutputDecl
from stackc.spec.tree import Entry


@dataclass(frozen=True)
class Context:
    """What expanding needs at every depth. `regions` shares equal regions; `open` are the blocks being expanded."""

    document: Document
    root: Scope
    regions: dict[object, Region | None] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)

    @property
    def found(self) -> Collector:
        """Where problems are noted."""
        return self.root.found


@dataclass(frozen=True)
class Place:
    """Where an op is put to work: what enters it, which paths inside are wanted, and how messages call it."""

    connected: frozenset[str]
    taps: frozenset[str]
    what: str
    span: Span


def expand(context: Context) -> Region | None:
    """The region of the whole spec; None where something was noted that leaves no region."""
    inputs = tuple(context.document.inputs)
    return _drawing(context, context.document.body, "spec", context.root, inputs, frozenset(), frozenset())


def _instantiate(
    context: Context, operator: Operator, fields: Mapping[str, Entry], scope: Scope, place: Place
) -> Body | None:
    if isinstance(operator, StackOf):
        return _stack(context, operator, fields, scope, place)
    if isinstance(operator, BlockDecl):
        return _block(context, operator, fields, scope, place)
    if place.taps:
        hint = f"its outputs are {', '.join(operator.outputs)}"
        context.found.error("N313", f"{place.what} ({operator.op}) has no output '{min(place.taps)}'", place.span, hint)
        return None
    return component_of(operator, fields, scope, place.what, place.span)


# -- blocks


def _block(
    context: Context, block: BlockDecl, fields: Mapping[str, Entry], scope: Scope, place: Place
) -> Region | None:
    name = name_of(block)
    if name in context.open:
        circle = " → ".join([*context.open[context.open.index(name) :], name])
        hint = "use a stack to repeat a block"
        context.found.error("N315", f"the block '{name}' contains itself: {circle}", place.span, hint)
        return None
    params = bind_params(block.params, fields, scope, context.root, f"{place.what} ({name})", place.span)
    key = (name, tuple(params.items()), place.connected, place.taps)
    if key not in context.regions:
        inputs = tuple(port.name for port in block.ports if port.name in place.connected)
        closed = frozenset(port.name for port in block.ports) - place.connected
        context.open.append(name)
        inner = context.root.with_names(params)
        context.regions[key] = _drawing(context, block.body, "block", inner, inputs, closed, place.taps)
        context.open.pop()
    return context.regions[key]


# -- stacks


def _stack(context: Context, stack: StackOf, fields: Mapping[str, Entry], scope: Scope, place: Place) -> Region | None:
    plan = plan_stack(stack, fields, scope, place.what, place.span)
    if plan is None:
        return None
    inside = _split(place.taps)
    inputs = tuple(port.name for port in ports_of(stack) if port.name in place.connected)
    nodes = _Stacker(context, plan, inputs, inside, place).nodes()
    for head in inside.keys() - nodes.keys():
        hint = f"its sub-models are 0 to {len(plan.members) - 1}"
        context.found.error("N313", f"{place.what} has nothing called '{head}' inside", place.span, hint)
        return None
    if any(node is None for node in nodes.values()):
        return None
    whole = {name: node for name, node in nodes.items() if node is not None}
    outputs = {"y": Wire(list(whole)[-1])} | {tap: _tapped(tap, whole) for tap in sorted(place.taps)}
    return Region(f"stack of {plan.title}", "stack", inputs, whole, outputs, place.span)


@dataclass(frozen=True)
class _Stacker:
    """Builds the nodes of one stack in running order; None stands for a node that could not be built."""

    context: Context
    plan: StackPlan
    inputs: tuple[str, ...]
    inside: Mapping[str, frozenset[str]]
    place: Place

    def nodes(self) -> dict[str, Node | None]:
        nodes: dict[str, Node | None] = {}
        carried = Wire(self.inputs[0]) if self.inputs else None
        heads: list[Wire | None] = []
        for index, member in enumerate(self.plan.members):
            node = self.node(str(index), member.operator, member.fields, member.scope, [carried], member.span)
            shared = self.plan.share and index > 0 and node is not None
            nodes[str(index)] = replace(node, same_as="0") if shared and node else node
            heads.append(Wire(str(index)))
            if self.plan.mode == "series":
                carried = Wire(str(index))
                if self.plan.norm and (index + 1) % self.plan.norm_every == 0:
                    name = f"norm_{index}"
                    nodes[name] = self.norm(name, carried)
                    carried = Wire(name)
        if self.plan.combine:
            combine = self.plan.combine
            nodes[self.plan.mode] = self.node(
                self.plan.mode, type(combine), {}, self.context.root, heads, self.place.span
            )
            if (node := nodes[self.plan.mode]) is not None:
                nodes[self.plan.mode] = replace(node, body=combine, implied=True)
            if self.plan.norm:
                nodes["norm"] = self.norm("norm", Wire(self.plan.mode))
        return nodes

    def norm(self, name: str, wire: Wire) -> Node | None:
        norm = self.plan.norm
        assert norm is not None
        return self.node(name, norm.operator, norm.fields, norm.scope, [wire], norm.span)

    def node(
        self,
        name: str,
        operator: Operator,
        fields: Mapping[str, Entry],
        scope: Scope,
        carried: Sequence[Wire | None],
        span: Span,
    ) -> Node | None:
        first, *rest = ports_of(operator)
        inlets = [Inlet(first.name, wire, span) for wire in carried]
        for port in rest:
            fed = port.name in self.inputs[1:]
            if fed or not isinstance(operator, (BlockDecl, StackOf)):
                inlets.append(Inlet(port.name, Wire(port.name) if fed else None, span))
        connected = frozenset(inlet.port for inlet in inlets if inlet.wire)
        place = Place(connected, self.inside.get(name, frozenset()) - {""}, f"{self.place.what}.{name}", span)
        body = _instantiate(self.context, operator, fields, scope, place)
        spans = {key: entry.value.span for key, entry in fields.items()}
        return None if body is None else Node(name, body, tuple(inlets), span, op=name_of(operator), fields=spans)


# -- drawings


def _drawing(
    context: Context,
    body: doc.Body,
    kind: Kind,
    scope: Scope,
    inputs: tuple[str, ...],
    closed: frozenset[str],
    taps: frozenset[str],
) -> Region | None:
    """The region of a drawing: a stage of its own for names, ports, outputs, order and nodes, all problems noted."""
    found = context.found
    declared = context.document.inputs if kind == "spec" else {}
    names = drawn_nodes(body, (*inputs, *closed), found)
    operators = _operators(context, body, names, scope)
    ports = {name: ports_of(operator) for name, operator in operators.items()}
    arrows = drawn_arrows(body, inputs, closed, declared, names, scope)
    feeds = assign_ports(arrows, ports, found)
    outputs = output_sources(body, kind, inputs, names, arrows, found)
    if len(operators) < len(names):
        return None
    wanted = _wanted(operators, feeds, [*outputs, *(OutputDecl(tap, tap, body.span) for tap in taps)])
    builder = _Builder(context, body, scope, operators, feeds, wanted)
    for name in order_of(body, inputs, names, arrows, found):
        builder.add(name)
    if len(builder.named) < len(names) or not outputs:
        return None
    wires = {output.name: builder.wire(output.source, output.span) for output in outputs}
    wires |= {tap: builder.wire(tap, body.span) for tap in sorted(taps)}
    sound = {name: wire for name, wire in wires.items() if wire}
    return Region(body.name, kind, inputs, builder.nodes, sound, body.span) if len(sound) == len(wires) else None


def _operators(context: Context, body: doc.Body, names: Sequence[str], scope: Scope) -> dict[str, Operator]:
    operators: dict[str, Operator] = {}
    shared: list[tuple[str, str, Span]] = []
    for name in names:
        entry = body.nodes.get(name)
        if entry and entry.same_as:
            shared.append((name, str(entry.same_as.data), entry.same_as.span))
        elif operator := find_operator(body.drawing.nodes[name], entry, scope):
            operators[name] = operator
    for name, target, span in shared:
        if target in operators:
            operators[name] = operators[target]
        elif target not in names:
            context.found.error("N302", f"'{name}' is the same as '{target}', which is no node here", span)
    return operators


def _wanted(
    operators: Mapping[str, Operator], feeds: Mapping[str, Sequence[Feed]], outputs: Iterable[OutputDecl]
) -> dict[str, frozenset[str]]:
    """Paths inside of each node that somebody takes as a value: taps, beside the outputs it has by itself."""
    paths = [(feed.source, feed.out) for feeds_of in feeds.values() for feed in feeds_of if feed.out]
    paths += [(head, rest) for output in outputs for head, _, rest in [output.source.partition(".")] if rest]
    wanted: dict[str, set[str]] = {}
    for name, path in paths:
        if name in operators and path not in outputs_of(operators[name]):
            wanted.setdefault(name, set()).add(path)
    return {name: frozenset(paths) for name, paths in wanted.items()}


@dataclass(frozen=True)
class _Builder:
    """Makes the nodes of one drawing, in running order."""

    context: Context
    body: doc.Body
    scope: Scope
    operators: Mapping[str, Operator]
    feeds: Mapping[str, Sequence[Feed]]
    wanted: Mapping[str, frozenset[str]]
    nodes: dict[str, Node] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)

    def add(self, name: str) -> None:
        """Add the node, and before it the merge of what enters one of its ports together; nothing, noted, if wrong."""
        drawn, entry, operator = self.body.drawing.nodes[name], self.body.nodes.get(name), self.operators[name]
        inlets = self.inlets(name, entry, ports_of(operator), isinstance(operator, (BlockDecl, StackOf)))
        given = entry.fields if entry else {}
        connected = frozenset(inlet.port for inlet in inlets or () if inlet.wire)
        at = entry.span if entry else drawn.span
        place = Place(connected, self.wanted.get(name, frozenset()), f"'{name}'", at)
        if entry and entry.same_as:
            again = self.again(entry, place)
            body = again.body if again else None
        else:
            again, body = None, _instantiate(self.context, operator, given, self.scope, place)
        if inlets is None or body is None:
            return
        self.named.add(name)
        self.nodes[name] = Node(
            id=name,
            body=body,
            inlets=inlets,
            span=entry.source if entry and entry.source else drawn.span,
            label=drawn.label,
            op=name_of(operator),
            reparams=again.reparams if again else reparams_of(entry, self.scope),
            ties=ties_of(entry, self.scope),
            same_as=again.id if again else None,
            fields={key: value.value.span for key, value in given.items()},
        )

    def again(self, entry: NodeEntry, place: Place) -> Node | None:
        """The node whose module this one calls again; None, noted, where it cannot be that one."""
        assert entry.same_as is not None
        other, found = self.nodes.get(str(entry.same_as.data)), self.context.found
        own = [*entry.fields, *(["tie"] if entry.tie else []), *(["reparam"] if entry.reparam else [])]
        if own:
            message = f"{place.what} is the same module as '{entry.same_as.data}' and has no '{own[0]}' of its own"
            found.error("N310", message, entry.same_as.span, "leave it away, or leave `same_as` away")
        elif other and (place.taps or {i.port for i in other.inlets if i.wire} != place.connected):
            message = f"{place.what} is the same module as '{other.id}', and needs the same ports"
            found.error(
                "N310",
                message,
                entry.same_as.span,
                f"'{other.id}' has {', '.join(i.port for i in other.inlets if i.wire)}",
            )
        else:
            return other
        return None

    def inlets(
        self, name: str, entry: NodeEntry | None, ports: Sequence[Port], region: bool
    ) -> tuple[Inlet, ...] | None:
        """Inlets in port order; None, noted, where a port is empty (N307) or several arrows meet unmerged (N306)."""
        inlets: list[Inlet] = []
        span, sound = self.body.drawing.nodes[name].span, True
        for port in ports:
            feeds = [feed for feed in self.feeds[name] if feed.port == port.name]
            if not feeds and not port.optional:
                hint = f"draw an arrow into it: `… -->|{port.name}| {name}`"
                self.context.found.error("N307", f"nothing enters the port '{port.name}' of '{name}'", span, hint)
                sound = False
            elif len(feeds) > 1 and not port.variadic:
                inlet = self.merged(name, port, feeds, entry)
                inlets += [inlet] if inlet else []
                sound = sound and inlet is not None
            elif feeds:
                wires = [(self.wire(_path(feed), feed.span), feed.span) for feed in feeds]
                inlets += [Inlet(port.name, wire, at) for wire, at in wires if wire]
                sound = sound and all(wire for wire, _ in wires)
            elif not region:
                inlets.append(Inlet(port.name, None, span))
        return tuple(inlets) if sound else None

    def merged(self, name: str, port: Port, feeds: Sequence[Feed], entry: NodeEntry | None) -> Inlet | None:
        """The inlet behind a merge node of its own: what `merge: sum` draws between several arrows and one port."""
        if entry is None or entry.merge is None:
            notes = [Note(f"from '{feed.source}'", feed.span) for feed in feeds]
            message = f"{len(feeds)} arrows meet at the port '{port.name}' of '{name}'"
            hint = f"say how they merge: `{name}: {{merge: sum}}` (or mean, concat, mul, weighted)"
            self.context.found.error("N306", message, feeds[1].span, hint, *notes)
            return None
        merge = merge_of(entry, self.scope)
        wires = [wire for feed in feeds if (wire := self.wire(_path(feed), feed.span))]
        if merge is None or len(wires) < len(feeds):
            return None
        inlets = tuple(Inlet("x", wire, feed.span) for wire, feed in zip(wires, feeds, strict=True))
        id = f"{name}_merge" if port == ports_of(self.operators[name])[0] else f"{name}_merge_{port.name}"
        self.nodes[id] = Node(id, merge, inlets, entry.merge.span, op=merge.op, implied=True)
        return Inlet(port.name, Wire(id), entry.merge.span)

    def wire(self, path: str, span: Span) -> Wire | None:
        """The wire that a path (`head`, `encoder.3`) names; None, noted where no other message stands for it."""
        name, _, out = path.partition(".")
        if name not in self.nodes:
            return Wire(name) if name not in self.operators else None
        return _tapped(path, self.nodes) if out else Wire(name)


def _path(feed: Feed) -> str:
    return f"{feed.source}.{feed.out}" if feed.out else feed.source


def _tapped(path: str, nodes: Mapping[str, Node]) -> Wire:
    """The output of a node that the rest of the path names: one of its own, or a tap that its region was built with."""
    name, _, out = path.partition(".")
    body = nodes[name].body
    names = list(body.outputs)
    return Wire(name, names.index(out)) if out else Wire(name)


def _split(taps: Iterable[str]) -> dict[str, frozenset[str]]:
    """Taps by the node they go into: 3.attn → {3: {attn}}, 3 → {3: {""}}."""
    inside: dict[str, set[str]] = {}
    for tap in taps:
        head, _, rest = tap.partition(".")
        inside.setdefault(head, set()).add(rest)
    return {head: frozenset(rests) for head, rests in inside.items()}
