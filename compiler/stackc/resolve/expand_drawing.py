"""Drawings → regions, step by step: nodes, arrows, operators, ports, outputs; then the nodes are built in order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stackc.components.base import Component
from stackc.core.diagnostics import Span
from stackc.ir.model import Body, Kind, Node, Region
from stackc.resolve.context import CallSite, Context, Instantiate
from stackc.resolve.entries import is_frozen, node_weights, reparam_places, ties_of
from stackc.resolve.operands import OperandMerger, check_merge
from stackc.resolve.operators import (
    Operator,
    ScanOf,
    StackOf,
    check_input_labels,
    find_operator,
    op_name,
    outputs_of,
    ports_of,
)
from stackc.resolve.outputs import output_sources, tap_sources
from stackc.resolve.scope import Scope
from stackc.resolve.sharing import owners_of, same_module
from stackc.resolve.taps import Taps, asked_outputs, wanted_taps
from stackc.resolve.wiring import (
    Feed,
    assign_ports,
    drawn_arrows,
    drawn_nodes,
    order_of,
    unconnected,
    with_entries_as_meant,
)
from stackc.spec import document as doc
from stackc.spec.document import BlockDecl, NodeEntry, OutputDecl
from stackc.spec.drawing import Arrow

if TYPE_CHECKING:
    from stackc.components.reparam import Reparam


@dataclass(frozen=True)
class DrawingUse:
    """One use of the drawing of a spec or block.

    `inputs` maps the connected inputs to their places; `open_inputs` are optional ones without an arrow; `taps` are the
    paths inside that are used outside.
    """

    block: BlockDecl
    kind: Kind
    scope: Scope
    inputs: Mapping[str, Span]
    open_inputs: frozenset[str] = frozenset()
    taps: Taps = field(default_factory=dict)

    @property
    def all_inputs(self) -> set[str]:
        """The inputs of the drawing, connected or not."""
        return {*self.inputs, *self.open_inputs}


def expand_drawing(context: Context, use: DrawingUse, instantiate: Instantiate) -> Region | None:
    """Return the region of a drawing; None, with all problems reported, if any of its nodes or outputs is invalid."""
    nodes = _find_nodes(context, use)
    arrows = _find_arrows(context, use, nodes)
    operators = _find_operators(context, use, nodes, arrows)
    ports = _find_ports(context, arrows, operators)
    outputs = _find_outputs(context, use, nodes, arrows, operators)

    builder = _node_builder(context, use, nodes, arrows, operators, ports, outputs, instantiate)
    owners, diagnostics = operators.owners, context.diagnostics
    for name in order_of(nodes.body, use.inputs, arrows.names, arrows.arrows, owners, diagnostics):
        if name in operators.by_node:
            builder.add(name)

    is_complete = len(builder.built) == len(nodes.names) and outputs.is_complete
    return _region(use, nodes, outputs, builder.merger) if is_complete else None


# -- nodes, arrows, operators, ports, outputs


@dataclass(frozen=True)
class _Nodes:
    """The nodes of a drawing, and its body with misspelt entries at the nodes that are meant."""

    body: doc.Body
    names: Sequence[str]


def _find_nodes(context: Context, use: DrawingUse) -> _Nodes:
    names = drawn_nodes(use.block.body, use.all_inputs, context.diagnostics)
    return _Nodes(with_entries_as_meant(use.block.body, names), names)


@dataclass(frozen=True)
class _Arrows:
    """The arrows of a drawing, and the names of the nodes that they connect."""

    arrows: Sequence[Arrow]
    names: Sequence[str]

    @property
    def targets(self) -> set[str]:
        """The nodes that an arrow enters."""
        return {arrow.target for arrow in self.arrows}


def _find_arrows(context: Context, use: DrawingUse, nodes: _Nodes) -> _Arrows:
    arrows = drawn_arrows(nodes.body, use.inputs, use.open_inputs, use.block.inputs, nodes.names, use.scope)
    loose = unconnected(nodes.body, nodes.names, arrows, context.diagnostics)
    return _Arrows(arrows, [name for name in nodes.names if name not in loose])


@dataclass(frozen=True)
class _Operators:
    """The op of each node, and the node whose module it calls again; nodes without a valid op are left out.

    `roots_known` says whether every node that no arrow enters has an op: one without may be an undeclared input.
    """

    by_node: Mapping[str, Operator]
    owners: Mapping[str, str]
    roots_known: bool

    def outputs(self, name: str) -> Collection[str]:
        """The names of a node's outputs; none if its op is unknown."""
        return outputs_of(self.by_node[name]) if name in self.by_node else ()


def _find_operators(context: Context, use: DrawingUse, nodes: _Nodes, arrows: _Arrows) -> _Operators:
    owners = owners_of(nodes.body, arrows.names, context.diagnostics)
    operators = _named_operators(nodes.body, arrows, use.scope)
    operators |= {name: operators[owner] for name, owner in owners.items() if owner in operators}
    check_input_labels(nodes.body, use.all_inputs, use.scope)
    roots_known = operators.keys() | arrows.targets >= set(arrows.names)
    return _Operators(operators, owners, roots_known)


def _named_operators(body: doc.Body, arrows: _Arrows, scope: Scope) -> dict[str, Operator]:
    """Return the op of each node without `same_as`; report N301 for those without an op."""
    operators: dict[str, Operator] = {}
    labelled = {node.label: node.id for node in body.drawing.nodes.values() if node.label}
    targets = arrows.targets
    for name in arrows.names:
        entry = body.nodes.get(name)
        if entry and entry.same_as:
            continue
        operator = find_operator(body.drawing.nodes[name], entry, scope, labelled, entered=name in targets)
        if operator:
            operators[name] = operator
            check_merge(entry, operator, scope)

    # `attention[attn]` and a bare `attn`: id and label are swapped, as reported, so the other node's op is wrong too.
    for name in arrows.names:
        if name not in operators and not body.drawing.nodes[name].label and name in labelled:
            operators.pop(labelled[name], None)
    return operators


@dataclass(frozen=True)
class _Ports:
    """The values that enter the ports of each node."""

    feeds: Mapping[str, Sequence[Feed]]


def _find_ports(context: Context, arrows: _Arrows, operators: _Operators) -> _Ports:
    ports = {name: ports_of(operator) for name, operator in operators.by_node.items()}
    return _Ports(assign_ports(arrows.arrows, ports, operators.outputs, context.diagnostics))


@dataclass(frozen=True)
class _Outputs:
    """The valid outputs and taps of a drawing; it `is_complete` if there are outputs and no tap is missing."""

    declared: Sequence[OutputDecl]
    taps: Sequence[OutputDecl]
    is_complete: bool


def _find_outputs(context: Context, use: DrawingUse, nodes: _Nodes, arrows: _Arrows, operators: _Operators) -> _Outputs:
    body, diagnostics = nodes.body, context.diagnostics
    roots_known = operators.roots_known
    train = context.document.train if use.kind == "spec" else None
    read = {arrow.source for arrow in train.body.drawing.arrows} if train else set()
    declared = output_sources(
        body, use.kind, use.inputs, arrows.names, arrows.arrows, diagnostics, roots_known=roots_known, read=read
    )
    taps = tap_sources(body, use.taps, declared, use.inputs, arrows.names, diagnostics)
    names = {output.name for output in (*declared, *taps)}
    return _Outputs(declared, taps, bool(declared) and use.taps.keys() <= names)


# -- building


def _node_builder(
    context: Context,
    use: DrawingUse,
    nodes: _Nodes,
    arrows: _Arrows,
    operators: _Operators,
    ports: _Ports,
    outputs: _Outputs,
    instantiate: Instantiate,
) -> _NodeBuilder:
    sources = {arrow.source for arrow in arrows.arrows} | {output.source for output in nodes.body.outputs}
    unused_inputs = [name for name in use.inputs if name not in sources]
    merger = OperandMerger(nodes.body, use.scope, operators.by_node, ports.feeds, unused_inputs=unused_inputs)
    wanted = wanted_taps(operators.by_node, operators.owners, ports.feeds, [*outputs.declared, *outputs.taps])
    asked = asked_outputs(operators.owners, ports.feeds, [*outputs.declared, *outputs.taps])
    return _NodeBuilder(context, merger, operators.owners, wanted, asked, instantiate)


def _region(use: DrawingUse, nodes: _Nodes, outputs: _Outputs, merger: OperandMerger) -> Region:
    """Return the region of a drawing whose nodes are built: outputs first, then taps by name."""
    ordered = [*outputs.declared, *sorted(outputs.taps, key=lambda tap: tap.name)]
    refs = {output.name: ref for output in ordered if (ref := merger.ref_to(output.source))}
    return Region(nodes.body.name, use.kind, tuple(use.inputs), merger.nodes, refs, nodes.body.span, use.inputs)


@dataclass(frozen=True)
class _Module:
    """The body of a node with its reparametrizations; `owner` is the node whose module it is, if not its own."""

    body: Body
    reparams: tuple[tuple[str, Reparam], ...]
    owner: str | None = None


@dataclass
class _NodeBuilder:
    """Builds the nodes of one drawing, in running order; `built` are the names of the drawing that are done."""

    context: Context
    merger: OperandMerger
    owners: Mapping[str, str]
    wanted: Mapping[str, Taps]
    asked: Mapping[str, Set[str]]
    instantiate: Instantiate
    built: set[str] = field(default_factory=set)

    def add(self, name: str) -> None:
        """Add a node, after the merges in front of it; add nothing, and report why, if it is invalid."""
        body, operator = self.merger.body, self.merger.operators[name]
        drawn, entry = body.drawing.nodes[name], body.nodes.get(name)

        connected = self.merger.connected(name)
        operands = self.merger.operands(name, entry) if connected is not None else None
        if connected is None and isinstance(operator, (BlockDecl, StackOf, ScanOf)):
            return  # they are expanded for the ports that are connected, which are unknown

        # Fields are checked even if operands are missing, so that all problems are reported together.
        span = entry.span if entry else drawn.span
        site = CallSite(connected or frozenset(), self.wanted[name], name, span)
        module = self._module(name, entry, operator, site)
        if operands is None or module is None:
            return

        fields = {key: item.value.span for key, item in (entry.fields if entry else {}).items()}
        self.built.add(name)
        self.merger.nodes[name] = Node(
            id=name,
            body=module.body,
            operands=operands,
            span=entry.source if entry and entry.source else drawn.span,
            label=drawn.label,
            op=op_name(operator),
            reparams=module.reparams,
            ties=ties_of(entry, self.merger.scope),
            same_as=module.owner,
            fields=fields | reparam_places(entry),
            entry=entry.span if entry else None,
            frozen=is_frozen(entry.freeze if entry else None, self.merger.scope),
            weights=node_weights(entry.weights if entry else None, operator, module.body, site.what, self.merger.scope),
        )

    def _module(self, name: str, entry: NodeEntry | None, operator: Operator, site: CallSite) -> _Module | None:
        """Return the module of a node, its own or that of its owner; None, reported, if it is invalid."""
        scope = self.merger.scope
        if entry and name in self.owners:
            diagnostics = self.context.diagnostics
            shared = same_module(entry, self.owners[name], self.merger.nodes, site.connected, diagnostics)
            if shared:
                return _Module(shared.body, shared.reparams, shared.id)
            body = None
        else:
            body = self.instantiate(self.context, operator, entry.fields if entry else {}, scope, site)
            if isinstance(body, Component) and name in self.asked:
                body = body.returning(self.asked[name])

        reparams: tuple[tuple[str, Reparam], ...] = ()
        if entry and entry.reparam:
            from stackc.resolve.reparams import reparams_of  # only for specs with reparametrizations

            reparams = reparams_of(entry, operator, scope)
        return _Module(body, reparams) if body else None
