"""Arrows → ports: the nodes of a drawing, the value that enters each port, and the running order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stackc.components.base import Port
from stackc.core.diagnostics import Collector, Note, Span, closest, did_you_mean
from stackc.ir.model import run_order
from stackc.resolve.scope import Scope
from stackc.spec.document import Body, InputDecl
from stackc.spec.drawing import Arrow
from stackc.spec.names import check_name


@dataclass(frozen=True, slots=True)
class Feed:
    """A value that enters a port: output `out` (None for the first) of a node, or an input, of the same drawing."""

    port: str
    source: str
    out: str | None
    span: Span


# -- nodes


def drawn_nodes(body: Body, inputs: Collection[str], diagnostics: Collector) -> list[str]:
    """Return the ids of the drawing that are nodes, in order of mention; report N302 for entries of anything else."""
    names = [name for name in body.drawing.nodes if name not in inputs]
    for name in names:
        check_name(name, "a node", body.drawing.nodes[name].span, diagnostics)

    for name, entry in body.nodes.items():
        if name in inputs:
            hint = "describe inputs under `inputs:`"
            diagnostics.error("N302", f"'{name}' is an input, not a node", entry.span, hint)
        elif name not in body.drawing.nodes:
            diagnostics.error("N302", f"the drawing has no node '{name}'", entry.span, did_you_mean(name, names))
    return names


def with_entries_as_meant(body: Body, names: Collection[str]) -> Body:
    """Return the body with each misspelt entry moved to the node without an entry that is probably meant.

    The misspelling has been reported; moving the entry avoids errors about the node's missing fields.
    """
    nodes = dict(body.nodes)
    bare = set(names) - nodes.keys()
    for name in body.nodes.keys() - body.drawing.nodes:
        if meant := closest(name, bare):
            nodes[meant] = nodes.pop(name)
            bare.remove(meant)
    return replace(body, nodes=nodes)


# -- arrows


def drawn_arrows(
    body: Body,
    inputs: Mapping[str, Span],
    open_inputs: frozenset[str],
    declared: Mapping[str, InputDecl],
    names: Sequence[str],
    scope: Scope,
) -> list[Arrow]:
    """Return the arrows of the drawing and those of `to:` of inputs, without arrows from inputs that are left open.

    `inputs` maps the connected inputs to their places. Reports N302 for an arrow into an input or to an unknown node,
    N308 for an unused input, N313 for an arrow from inside an input.
    """
    drawn = [arrow for arrow in body.drawing.arrows if arrow.source not in open_inputs]
    entered = {arrow.target for arrow in drawn}
    arrows: list[Arrow] = []
    for arrow in [*_arrows_by_to(declared, names, scope), *drawn]:
        if arrow.target in inputs or arrow.target in open_inputs:
            message = f"an arrow enters '{arrow.target}', which is an input"
            hint = "reverse the arrow, or give the node another name"
            scope.diagnostics.error("N302", message, arrow.span, hint)
            if arrow.target in inputs and (arrow.into or arrow.source not in entered):  # probably meant in reverse
                arrows.append(replace(arrow, source=arrow.target, target=arrow.source))
            continue

        if arrow.source in inputs and arrow.out:
            message = f"the input '{arrow.source}' has no output '{arrow.out}'"
            scope.diagnostics.error("N313", message, arrow.span, f"an input is one value: write `|{arrow.into}|`")
        arrows.append(replace(arrow, text=arrow.into) if arrow.source in inputs else arrow)

    used = {arrow.source for arrow in (*drawn, *arrows)} | {output.source for output in body.outputs}
    used |= {name for name, decl in declared.items() if decl.to}
    unused = {name: span for name, span in inputs.items() if name not in used}
    targets = entered | {arrow.target for arrow in arrows}
    roots = [name for name in names if name not in targets]
    return arrows + _arrows_of_unused(unused, roots, declared, scope.diagnostics)


def _arrows_of_unused(
    unused: Mapping[str, Span], roots: Sequence[str], declared: Mapping[str, InputDecl], diagnostics: Collector
) -> list[Arrow]:
    """Report N308 for each unused input; return arrows to the nodes that no arrow enters, which are probably meant."""
    arrows = []
    targets = iter(roots)
    for name, span in unused.items():
        root = next(targets, None)
        repair = f": `{name} --> {root}`" if root else f", or write `{name}: {{…, to: NODE}}`" * (name in declared)
        diagnostics.error("N308", f"the input '{name}' is unused", span, f"draw an arrow from it{repair}")
        if root:
            arrows.append(Arrow(name, root, span=span))
    return arrows


def _arrows_by_to(declared: Mapping[str, InputDecl], names: Sequence[str], scope: Scope) -> Iterator[Arrow]:
    """Yield an arrow for each `to:` of an input; report N302 for an unknown node, and yield the one that is meant."""
    for name, decl in declared.items():
        for value in decl.to:
            if (target := scope.text(value, f"inputs.{name}.to")) is None:
                continue
            node, _, port = target.partition(".")
            if node in names:
                yield Arrow(name, node, text=port or None, span=value.span)
                continue

            message = f"the input '{name}' goes to '{node}', which is not a node"
            scope.diagnostics.error("N302", message, value.span, did_you_mean(node, names))
            if meant := closest(node, names):
                yield Arrow(name, meant, text=port or None, span=value.span)


def unconnected(body: Body, names: Sequence[str], arrows: Sequence[Arrow], diagnostics: Collector) -> set[str]:
    """Return the nodes that have no arrow and are not an output; report N308 for each."""
    connected = {end for arrow in (*body.drawing.arrows, *arrows) for end in (arrow.source, arrow.target)}
    connected |= {output.source.partition(".")[0] for output in body.outputs}
    loose = [name for name in names if name not in connected]
    for name in loose:
        span = body.drawing.nodes[name].span
        diagnostics.error("N308", f"no arrow enters or leaves '{name}'", span, "draw its arrows, or remove it")
    return set(loose)


# -- ports


def assign_ports(
    arrows: Sequence[Arrow],
    ports: Mapping[str, tuple[Port, ...]],
    outputs: Callable[[str], Collection[str]],
    diagnostics: Collector,
) -> dict[str, list[Feed]]:
    """Assign each arrow to the port that its label names, else to the first port; return the feeds of each node.

    `ports` has the nodes whose op is known; `outputs` returns the outputs of a node. Reports N303 for an unknown port;
    the feed is kept under the unknown name, so that no arrow counts as missing.
    """
    feeds: dict[str, list[Feed]] = {name: [] for name in ports}
    for arrow in arrows:
        if arrow.target not in ports:
            continue
        names = [port.name for port in ports[arrow.target]]
        if not names:
            message = f"'{arrow.target}' has no port: nothing enters it"
            diagnostics.error("N303", message, arrow.span, "remove the arrow")
            continue

        port = arrow.into or names[0]
        feeds[arrow.target].append(Feed(port, arrow.source, arrow.out, arrow.span))

        if port not in names:
            message, hint = f"'{arrow.target}' has no port '{port}'", did_you_mean(port, names)
            if not arrow.out and port in outputs(arrow.source):
                message = f"{message}; it is an output of '{arrow.source}'"
                hint = f"write `|{port}:{names[0]}|`: the output, then the port that it enters"
            diagnostics.error("N303", message, arrow.span, hint)
    return feeds


# -- order


def order_of(
    body: Body,
    inputs: Collection[str],
    names: Sequence[str],
    arrows: Sequence[Arrow],
    owners: Mapping[str, str],
    diagnostics: Collector,
) -> list[str]:
    """Return the nodes in running order, each after the one whose module it calls again (`owners`).

    Returns none of them if they form a cycle, reported as N305, or a node is the same as a later one (N304).
    """
    nodes = [*inputs, *names]
    drawn = set(nodes)
    spans = {(arrow.source, arrow.target): arrow.span for arrow in arrows if {arrow.source, arrow.target} <= drawn}
    order, cycle = run_order(nodes, spans)
    if cycle:
        _report_cycle(cycle, spans, diagnostics)
        return []

    if owners:
        order, cycle = run_order(nodes, [*spans, *((owner, name) for name, owner in owners.items())])
    for name in cycle:
        if name in owners and owners[name] in cycle and (value := body.nodes[name].same_as):
            message = f"'{name}' is the same as '{owners[name]}', which runs after it"
            hint = f"write `{owners[name]}: {{same_as: {name}}}`, and move its op and fields to '{name}'"
            diagnostics.error("N304", message, value.span, hint)
    return [name for name in order if name not in inputs]


def _report_cycle(cycle: Sequence[str], spans: Mapping[tuple[str, str], Span], diagnostics: Collector) -> None:
    """Report N305 at the last arrow of a cycle, with a note at each of the others."""
    steps = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
    notes = [Note(f"{source} → {target}", spans[source, target]) for source, target in steps[:-1]]
    message = f"the drawing has a cycle: {' → '.join([*cycle, cycle[0]])}"
    hint = "a network runs from inputs to outputs: remove one of these arrows"
    if len(cycle) == 1:
        hint = "remove the arrow; an arrow at the end of a line leads to the node that begins the next line"
    diagnostics.error("N305", message, spans[steps[-1]], hint, *notes)
