"""The outputs of a drawing: declared ones, the only sink if none are declared, and taps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from stackc.components.fields import either
from stackc.core.diagnostics import Collector, Note, Span, did_you_mean
from stackc.ir.model import Kind
from stackc.resolve.taps import Taps
from stackc.spec.document import Body, OutputDecl
from stackc.spec.drawing import Arrow

MOST_LISTED = 8


def output_sources(
    body: Body,
    kind: Kind,
    inputs: Collection[str],
    names: Sequence[str],
    arrows: Sequence[Arrow],
    diagnostics: Collector,
    *,
    roots_known: bool = True,
    read: Collection[str] = (),
) -> tuple[OutputDecl, ...]:
    """Return the outputs of a drawing: the declared ones, else its only sink, named `y` in a block.

    Reports N313 for an output that is not a node and for an ambiguous sink, N308 for an unused node. Sinks are reported
    only if the `roots_known`: a node that has neither an arrow into it nor an op hides what the drawing means. Nodes
    that are `read` elsewhere, by the losses of a spec, are used.
    """
    sources = {arrow.source for arrow in arrows}
    sinks = [name for name in names if name not in sources]
    if body.outputs:
        outputs = _declared_outputs(body, inputs, names, diagnostics)
        if len(outputs) == len(body.outputs) and roots_known:
            _report_unused_nodes(body, [name for name in sinks if name not in read], outputs, diagnostics)
        return outputs

    if len(sinks) == 1:
        return (OutputDecl(sinks[0] if kind == "spec" else "y", sinks[0], body.drawing.nodes[sinks[0]].span),)
    if sinks and roots_known:
        _report_ambiguous_output(body, sinks, diagnostics)
    elif not names and not inputs:
        message = f"'{body.name}' has no nodes, and so no output"
        diagnostics.error("N313", message, body.span, "draw what it computes")
    return ()


def _declared_outputs(
    body: Body, inputs: Collection[str], names: Collection[str], diagnostics: Collector
) -> tuple[OutputDecl, ...]:
    """Return the valid outputs among those that are declared; report N313 for the others."""
    outputs = []
    for output in body.outputs:
        head = output.source.partition(".")[0]
        if head in names or output.source in inputs:
            outputs.append(output)
        else:
            reason = "which is an input and has nothing inside" if head in inputs else "which is not a node"
            hint = None if head in inputs else did_you_mean(head, names)
            diagnostics.error("N313", f"the output '{output.name}' names '{head}', {reason}", output.span, hint)
    return tuple(outputs)


def _report_unused_nodes(
    body: Body, sinks: Sequence[str], outputs: Sequence[OutputDecl], diagnostics: Collector
) -> None:
    """Report N308 for each sink that is not an output."""
    used = {output.source.partition(".")[0] for output in outputs}
    for name in sinks:
        if name not in used:
            hint = f"draw an arrow from it, make it an output, or remove '{name}'"
            diagnostics.error("N308", f"the value of '{name}' is unused", body.drawing.nodes[name].span, hint)


def _report_ambiguous_output(body: Body, sinks: Sequence[str], diagnostics: Collector) -> None:
    """Report N313 at the last sink of a drawing without declared outputs, with a note at each of the others."""
    *others, last = sinks[:MOST_LISTED]
    notes = [Note(f"no arrow leaves '{name}' either", body.drawing.nodes[name].span) for name in others]
    more = f", or one of {len(sinks) - MOST_LISTED} more" if len(sinks) > MOST_LISTED else ""
    message = f"the output is ambiguous: it could be {either([*others, last])}{more}"
    hint = f"write `outputs: {last}`, or a list of them"
    diagnostics.error("N313", message, body.drawing.nodes[last].span, hint, *notes)


def tap_sources(
    body: Body,
    taps: Taps,
    outputs: Sequence[OutputDecl],
    inputs: Mapping[str, Span],
    names: Sequence[str],
    diagnostics: Collector,
) -> tuple[OutputDecl, ...]:
    """Return the valid taps into a drawing that are not among its outputs; report N313 for those that lead nowhere."""
    output_names = {output.name for output in outputs}
    sources = []

    for tap, span in taps.items():
        if tap in output_names:
            continue
        head = tap.partition(".")[0]
        if head in names or tap in inputs:
            sources.append(OutputDecl(tap, tap, span))
        else:
            message = f"'{body.name}' has nothing named '{head}' inside"
            diagnostics.error("N313", message, span, did_you_mean(head, names))
    return tuple(sources)
