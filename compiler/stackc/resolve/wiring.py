"""Arrows → ports: which value enters a node where, what a drawing gives, and the order in which it can be run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stackc.components.base import Port
from stackc.core.diagnostics import Collector, Note, Span, closest, did_you_mean
from stackc.ir.model import Kind, run_order
from stackc.resolve.scope import Scope
from stackc.spec.document import Body, InputDecl, OutputDecl
from stackc.spec.drawing import Arrow
from stackc.spec.names import check_name

MOST_LISTED = 8


@dataclass(frozen=True, slots=True)
class Feed:
    """A value on its way into a port: output `out` (None for the first) of a node or input of the same drawing."""

    port: str
    source: str
    out: str | None
    span: Span


def drawn_nodes(body: Body, inputs: Collection[str], diagnostics: Collector) -> list[str]:
    """The ids of the drawing that are nodes, in order of mention. Notes N302 for an entry that is drawn nowhere."""
    names = [name for name in body.drawing.nodes if name not in inputs]
    for name in names:
        check_name(name, "a node", body.drawing.nodes[name].span, diagnostics)
    for name, entry in body.nodes.items():
        if name in inputs:
            hint = "what an input is stands under `inputs:`"
            diagnostics.error("N302", f"'{name}' is an input, not a node", entry.span, hint)
        elif name not in body.drawing.nodes:
            diagnostics.error("N302", f"no node '{name}' is drawn", entry.span, did_you_mean(name, names))
    return names


def with_entries_as_meant(body: Body, names: Collection[str]) -> Body:
    """The body with every entry of no node, noted as such, at the node without an entry that it seems to be meant for.

    So the node is not said to lack what the entry says.
    """
    nodes = dict(body.nodes)
    bare = set(names) - nodes.keys()
    for name in body.nodes.keys() - body.drawing.nodes:
        if meant := closest(name, bare):
            nodes[meant] = nodes.pop(name)
            bare.remove(meant)
    return replace(body, nodes=nodes)


def drawn_arrows(
    body: Body,
    inputs: Mapping[str, Span],
    closed: frozenset[str],
    declared: Mapping[str, InputDecl],
    names: Sequence[str],
    scope: Scope,
) -> list[Arrow]:
    """The arrows of the drawing, and those that inputs name by `to:`; not the ones from inputs left open.

    `inputs` are the connected inputs, each with its place. Notes N302 for an arrow into an input or to a node that is
    not drawn, N308 for an input that nobody takes, N313 for an arrow from inside an input.
    """
    diagnostics = scope.diagnostics
    drawn = [arrow for arrow in body.drawing.arrows if arrow.source not in closed]
    entered = {arrow.target for arrow in drawn}
    arrows = []
    for arrow in [*_arrows_by_to(declared, names, scope), *drawn]:
        if arrow.target in inputs or arrow.target in closed:
            message = f"an arrow into '{arrow.target}', which is an input"
            diagnostics.error("N302", message, arrow.span, "turn the arrow round, or give the node another name")
            if arrow.target in inputs and (arrow.into or arrow.source not in entered):  # as it was meant, then
                arrows.append(replace(arrow, source=arrow.target, target=arrow.source))
            continue
        if arrow.source in inputs and arrow.out:
            message = f"the input '{arrow.source}' has no output '{arrow.out}'"
            diagnostics.error("N313", message, arrow.span, f"an input is one value: write `|{arrow.into}|`")
        arrows.append(replace(arrow, text=arrow.into) if arrow.source in inputs else arrow)
    taken = {arrow.source for arrow in drawn} | {arrow.source for arrow in arrows}
    taken |= {output.source for output in body.outputs} | {name for name, decl in declared.items() if decl.to}
    led_to = entered | {arrow.target for arrow in arrows}
    roots = iter([name for name in names if name not in led_to])
    for name, span in inputs.items():
        if name not in taken:
            root = next(roots, None)
            repair = f": `{name} --> {root}`" if root else f", or write `{name}: {{…, to: NODE}}`" * (name in declared)
            diagnostics.error("N308", f"nobody takes the input '{name}'", span, f"draw an arrow from it{repair}")
            if root:  # as it was meant, then
                arrows.append(Arrow(name, root, span=span))
    return arrows


def _arrows_by_to(declared: Mapping[str, InputDecl], names: Sequence[str], scope: Scope) -> Iterator[Arrow]:
    for name, decl in declared.items():
        for value in decl.to:
            if (target := scope.text(value, f"inputs.{name}.to")) is None:
                continue
            node, _, port = target.partition(".")
            if node in names:
                yield Arrow(name, node, text=port or None, span=value.span)
            else:
                message = f"the input '{name}' goes to '{node}', which is no node"
                scope.diagnostics.error("N302", message, value.span, did_you_mean(node, names))
                if meant := closest(node, names):
                    yield Arrow(name, meant, text=port or None, span=value.span)


def unconnected(body: Body, names: Sequence[str], arrows: Sequence[Arrow], diagnostics: Collector) -> set[str]:
    """Nodes that no arrow leads to or from and that are no output, noted under N308."""
    touched = {end for arrow in (*body.drawing.arrows, *arrows) for end in (arrow.source, arrow.target)}
    touched |= {output.source.partition(".")[0] for output in body.outputs}
    loose = [name for name in names if name not in touched]
    for name in loose:
        hint = "draw its arrows, or take it away"
        diagnostics.error("N308", f"no arrow leads to '{name}' or from it", body.drawing.nodes[name].span, hint)
    return set(loose)


def assign_ports(
    arrows: Sequence[Arrow],
    ports: Mapping[str, tuple[Port, ...]],
    outputs: Callable[[str], Collection[str]],
    diagnostics: Collector,
) -> dict[str, list[Feed]]:
    """Every arrow at the port its label names, else at the first. `ports` has the nodes whose op is known.

    Notes N303 for a label that is no port; its feed stays, at a port that nobody has. `outputs` gives those of a node.
    """
    feeds: dict[str, list[Feed]] = {name: [] for name in ports}
    for arrow in arrows:
        if arrow.target not in ports:
            continue
        names = [port.name for port in ports[arrow.target]]
        port = arrow.into or names[0]
        feeds[arrow.target].append(Feed(port, arrow.source, arrow.out, arrow.span))
        if port not in names:
            message, hint = f"'{arrow.target}' has no port '{port}'", did_you_mean(port, names)
            if not arrow.out and port in outputs(arrow.source):
                message = f"{message}; it is an output of '{arrow.source}'"
                hint = f"write `|{port}:{names[0]}|`: the output, and the port that it enters"
            diagnostics.error("N303", message, arrow.span, hint)
    return feeds


def order_of(
    body: Body,
    inputs: Collection[str],
    names: Sequence[str],
    arrows: Sequence[Arrow],
    owners: Mapping[str, str],
    diagnostics: Collector,
) -> list[str]:
    """The nodes in running order, each behind the one whose module it calls again (`owners`).

    None where they go in a circle (N305, printed as one), or a node is the same as a later one (N304).
    """
    nodes = [*inputs, *names]
    known = set(nodes)
    edges = {(arrow.source, arrow.target): arrow.span for arrow in arrows if {arrow.source, arrow.target} <= known}
    order, cycle = run_order(nodes, edges)
    if cycle:
        steps = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
        notes = [Note(f"{source} → {target}", edges[source, target]) for source, target in steps[:-1]]
        message = f"the drawing goes in a circle: {' → '.join([*cycle, cycle[0]])}"
        hint = "a network runs from inputs to outputs: take one of these arrows away"
        if len(cycle) == 1:
            hint = "take the arrow away; one that ends a line leads to the node that begins the next line"
        diagnostics.error("N305", message, edges[steps[-1]], hint, *notes)
        return []
    if owners:
        order, cycle = run_order(nodes, [*edges, *((owner, name) for name, owner in owners.items())])
    for name in cycle:
        if name in owners and owners[name] in cycle and (value := body.nodes[name].same_as):
            hint = f"write `{owners[name]}: {{same_as: {name}}}`, and at '{name}' what it is"
            diagnostics.error(
                "N304", f"'{name}' is the same as '{owners[name]}', which comes after it", value.span, hint
            )
    return [name for name in order if name not in inputs]


def output_sources(
    body: Body,
    kind: Kind,
    inputs: Collection[str],
    names: Sequence[str],
    arrows: Sequence[Arrow],
    diagnostics: Collector,
    *,
    whole: bool = True,
) -> tuple[OutputDecl, ...]:
    """What the drawing gives: its declared outputs, else its only sink, called by its id in a spec and `y` in a block.

    Notes N313 for an output that is no node or a choice that is open, N308 for a node whose value nobody takes. Where
    the drawing is not `whole`, since some of its nodes are none, nothing is said of sinks: they may be none either.
    """
    used = {arrow.source for arrow in arrows}
    sinks = [name for name in names if name not in used]
    if not body.outputs:
        if len(sinks) == 1:
            return (OutputDecl(sinks[0] if kind == "spec" else "y", sinks[0], body.drawing.nodes[sinks[0]].span),)
        if sinks and whole:
            *others, last = sinks[:MOST_LISTED]
            notes = [Note(f"'{name}' leads nowhere as well", body.drawing.nodes[name].span) for name in others]
            more = f" and {len(sinks) - MOST_LISTED} more" if len(sinks) > MOST_LISTED else ""
            message = f"which of {', '.join([*others, last])}{more} is the output?"
            hint = f"write `outputs: {last}`, or a list of them"
            diagnostics.error("N313", message, body.drawing.nodes[last].span, hint, *notes)
        elif not names and not inputs:
            diagnostics.error(
                "N313", f"'{body.name}' draws no node, and gives nothing", body.span, "draw what it computes"
            )
        return ()
    sound = []
    for output in body.outputs:
        head = output.source.partition(".")[0]
        if head in names or output.source in inputs:
            sound.append(output)
        else:
            what = "which is an input, and has nothing inside" if head in inputs else "which is no node"
            known = None if head in inputs else did_you_mean(head, names)
            diagnostics.error("N313", f"the output '{output.name}' names '{head}', {what}", output.span, known)
    taken = {output.source.partition(".")[0] for output in sound}
    if len(sound) == len(body.outputs) and whole:
        for name in sinks:
            if name not in taken:
                hint = f"draw an arrow from it, make it an output, or take '{name}' away"
                diagnostics.error("N308", f"nobody takes the value of '{name}'", body.drawing.nodes[name].span, hint)
    return tuple(sound)
