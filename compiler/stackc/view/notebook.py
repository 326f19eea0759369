"""The display of a checked spec or of a build in a notebook: the drawing above a summary."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from stackc.core.diagnostics import SpecError
from stackc.core.plurals import counted
from stackc.ir.program import Program
from stackc.ir.typed import TypedGraph
from stackc.typecheck.cost import Cost
from stackc.view.figures import flops_text
from stackc.view.svg import draw_svg

Row = tuple[str, str]


def checked_html(typed: TypedGraph, program: Program, cost: Cost, more: Sequence[Row] = ()) -> str:
    """Return the drawing and a table of inputs, outputs and costs as an HTML fragment; `more` rows come last."""
    rows = [("input", f"{name}: {type_}") for name, type_ in program.inputs.items()]
    rows += [("output", f"{name}: {program.types[value]}") for name, value in program.outputs.items()]
    size = f"{counted(len(program.calls), 'component')}, {counted(cost.parameters, 'parameter')}"
    rows += [("size", size), ("cost", flops_text(cost.flops)), *more]

    table = "".join(f"<tr><th>{escape(head)}</th><td>{escape(text)}</td></tr>" for head, text in rows)
    title = f"<b>{escape(program.name)}</b>"
    return f"<div>{title}{_drawing(typed)}<table>{table}</table></div>"


def _drawing(typed: TypedGraph) -> str:
    """Return the drawing as an image of its own, whose styles do not reach the page; nothing if it cannot be drawn."""
    try:
        svg = draw_svg(typed)
    except SpecError as error:  # a model that is too large, or a layout program that fails
        return f"<p>{escape(str(error.diagnostics[0].message))}</p>"
    data = b64encode(svg.encode("utf-8")).decode("ascii")
    alt = escape(f"drawing of {typed.graph.document.name}", quote=True)
    return f'<br><img style="max-width: 100%" alt="{alt}" src="data:image/svg+xml;base64,{data}">'
