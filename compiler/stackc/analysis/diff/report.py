"""Write a difference as text for a terminal, Markdown for a pull request, and a page with both pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from stackc.analysis.diff.changes import Change
from stackc.analysis.diff.comparison import Difference
from stackc.analysis.plan.footprint import PRECISIONS
from stackc.core.types import Dim, Symbol
from stackc.ir.typed import TypedGraph
from stackc.view.figures import bytes_text, parameters_text, scaled, sum_text
from stackc.view.html import page_data, render_page

SIGNS = {"added": "+", "removed": "−", "changed": "~", "renamed": "→", "rewired": "⇄"}
"""The sign before each kind of change on the screen."""

Figures = tuple[str, str, str, str]
"""A quantity, its value before and after, and the change, empty if there is none."""


def figures(difference: Difference) -> list[Figures]:
    """Return the footprints of both models; memory in float32, activations as kept for training."""
    before, after, single = difference.before, difference.after, PRECISIONS["float32"]
    return [
        _figures("parameters", _count, Dim.of(before.cost.parameters), Dim.of(after.cost.parameters)),
        _figures("FLOPs", sum_text, before.cost.flops, after.cost.flops),
        _figures("weights", bytes_text, Dim.of(before.weights.bytes(single)), Dim.of(after.weights.bytes(single))),
        _figures("activations", bytes_text, before.activations.bytes(single), after.activations.bytes(single)),
    ]


def _figures(name: str, text_of: Callable[[Dim], str], before: Dim, after: Dim) -> Figures:
    before, after = _without_multiples(before), _without_multiples(after)
    growth = after - before
    if growth == 0:
        return name, text_of(before), text_of(after), ""
    if before.constant and after.constant:
        return name, *_numbers(text_of, before.constant, after.constant)

    sign = "" if text_of(growth).startswith(("-", "…")) else "+"
    return name, text_of(before), text_of(after), f"{sign}{text_of(growth)}"


def _numbers(text_of: Callable[[Dim], str], before: int, after: int) -> tuple[str, str, str]:
    """Return two numbers and their change; every digit if three of them would hide a change below 1 %."""
    percent = 100 * (after - before) / before
    if abs(percent) < 1:
        unit = " B" if text_of is bytes_text else ""
        return f"{before:,}{unit}", f"{after:,}{unit}", f"{after - before:+,}{unit} ({percent:+.2g} %)"

    growth = text_of(Dim.of(after - before))
    sign = "" if after < before else "+"
    return text_of(Dim.of(before)), text_of(Dim.of(after)), f"{sign}{growth} ({percent:+.1f} %)"


def _without_multiples(number: Dim) -> Dim:
    """Return the number with plain dims in place of those with a `multiple_of`: both are displayed alike."""
    total = Dim.of(0)
    for monomial, coefficient in number.terms:
        divisor = math.prod(atom.multiple_of for atom in monomial if isinstance(atom, Symbol))
        if coefficient % divisor:
            return number
        atoms = (Symbol(atom.name) if isinstance(atom, Symbol) else atom for atom in monomial)
        total = total + Dim(((tuple(sorted(atoms, key=str)), coefficient // divisor),))
    return total


def _count(number: Dim) -> str:
    return scaled(number.constant or 0)


def describe_path(change: Change) -> str:
    """Return the path of a change, both paths for a renamed thing: `lm_head → head ×12`."""
    path = change.path or "whole model"
    if change.before is not None and change.after is not None and change.kind == "renamed":
        path = f"{change.before} → {change.after}"
    return f"{path} ×{change.repeat}" if change.repeat > 1 else path


def describe_details(change: Change) -> list[str]:
    """Return the details of a change, and the parameters that it adds to the whole model, if any."""
    if not change.parameters:
        return list(change.details)
    sign = "+" if change.parameters > 0 else ""
    return [*change.details, f"{sign}{parameters_text(change.parameters)}"]


def write_text(difference: Difference) -> str:
    """Return the difference as plain text."""
    lines = [" → ".join(dict.fromkeys(difference.names))]
    for name, before, after, growth in figures(difference):
        lines.append(f"  {name:<12} {before}" + (f" → {after}  {growth}" if growth else "  unchanged"))

    rows = [(SIGNS[c.kind], c.kind, describe_path(c), c.op, _details_and_line(c)) for c in difference.changes]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    lines += [""] if rows else ["  no differences"]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append(f"  {'  '.join([*cells, row[4]])}".rstrip())
    return "\n".join(lines) + "\n"


def _details_and_line(change: Change) -> str:
    details = "; ".join(describe_details(change))
    line = f"({change.place})" if change.place else ""
    return "  ".join(filter(None, [details, line]))


def write_markdown(difference: Difference) -> str:
    """Return the difference as two tables of GitHub's Markdown."""
    lines = [f"### {' → '.join(map(_code, dict.fromkeys(difference.names)))}", ""]
    lines += ["| | before | after | change |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in figures(difference)]
    if not difference.changes:
        return "\n".join([*lines, "", "No differences."]) + "\n"

    lines += ["", "| change | path | op | details | line |", "|---|---|---|---|---|"]
    for change in difference.changes:
        growth = describe_details(change)[len(change.details) :]
        details = "<br>".join([*map(_code, change.details), *growth])
        line = _code(str(change.place)) if change.place else ""
        lines.append(f"| {change.kind} | {_code(describe_path(change))} | {_code(change.op)} | {details} | {line} |")
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    """Return text of a spec as code, in which no Markdown applies and no `|` ends the cell."""
    fence = "``" if "`" in text else "`"
    inner = text.replace("|", "\\|").replace("\n", " ")
    return f"{fence} {inner} {fence}" if "`" in text else f"{fence}{inner}{fence}"


Side: TypeAlias = tuple[TypedGraph, Mapping[str, str]]
"""A checked spec, and the texts of its files by name."""


def write_page(difference: Difference, before: Side, after: Side, depth: int = 1) -> str:
    """Return the difference as one HTML page with both pictures side by side and all changes marked.

    Blocks and stacks are initially open down to `depth`. Raises SpecError (V101, V102).
    """
    views = [
        page_data(*side, depth) | {"quiet": True, "marks": _marks(difference, name)}
        for name, side in (("before", before), ("after", after))
    ]
    title = " → ".join(dict.fromkeys(difference.names))
    rows = list(map(_page_row, difference.changes))
    return render_page("diff.html", title=title, views=views, figures=figures(difference), changes=rows)


def _page_row(change: Change) -> dict[str, Any]:
    """Return the cells of a change, and the boxes in both pictures that a click on it leads to."""
    return {
        "kind": change.kind,
        "sign": SIGNS[change.kind],
        "path": describe_path(change),
        "op": change.op,
        "details": describe_details(change),
        "line": str(change.place or ""),
        "before": box_of(change.before, change.op),
        "after": box_of(change.after, change.op),
    }


def box_of(path: str | None, op: str) -> str:
    """Return the id of the box at a path in the picture; empty if there is none."""
    if path is None or op in ("dim", "model", "weights", "block"):
        return ""
    return f"output {path}" if op == "output" and path and "." not in path else path


def _marks(difference: Difference, side: str) -> dict[str, Any]:
    """Return the kind of change at each path of one side; the first one if there are several."""
    marks: dict[str, str] = {}
    for change in difference.changes:
        if path := box_of(change.before if side == "before" else change.after, change.op):
            marks.setdefault(path, change.kind)
    return marks
