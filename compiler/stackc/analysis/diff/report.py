"""A difference as people read it: text for a terminal, Markdown for a pull request, a page with both pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from stackc.analysis.diff.changes import Change
from stackc.analysis.diff.comparison import Difference
from stackc.analysis.plan.footprint import PRECISIONS
from stackc.core.types import Dim, Symbol
from stackc.ir.typed import TypedGraph
from stackc.view.figures import bytes_text, scaled, sum_text
from stackc.view.html import page_data, render_page

SIGNS = {"added": "+", "removed": "−", "changed": "~", "renamed": "→", "rewired": "⇄"}
"""What stands before a change on the screen."""

Figures = tuple[str, str, str, str]
"""What is counted, before, after, and the change, empty where there is none."""


def figures(difference: Difference) -> list[Figures]:
    """What both models need; memory in float32, activations as training keeps them."""
    before, after, single = difference.before, difference.after, PRECISIONS["float32"]
    return [
        _figures("parameters", _count, Dim.of(before.cost.parameters), Dim.of(after.cost.parameters)),
        _figures("FLOPs", sum_text, before.cost.flops, after.cost.flops),
        _figures("weights", bytes_text, Dim.of(before.weights.bytes(single)), Dim.of(after.weights.bytes(single))),
        _figures("activations", bytes_text, before.activations.bytes(single), after.activations.bytes(single)),
    ]


def _figures(name: str, told: Callable[[Dim], str], before: Dim, after: Dim) -> Figures:
    before, after = _without_multiples(before), _without_multiples(after)
    more = after - before
    if more == 0:
        return name, told(before), told(after), ""
    if before.constant and after.constant:
        return name, *_numbers(told, before.constant, after.constant)
    sign = "" if told(more).startswith(("-", "…")) else "+"
    return name, told(before), told(after), f"{sign}{told(more)}"


def _numbers(told: Callable[[Dim], str], before: int, after: int) -> tuple[str, str, str]:
    """Two numbers and their change, to the last digit where three of them would hide what differs."""
    share = 100 * (after - before) / before
    if abs(share) < 1:
        unit = " B" if told is bytes_text else ""
        return f"{before:,}{unit}", f"{after:,}{unit}", f"{after - before:+,}{unit} ({share:+.2g} %)"
    more = told(Dim.of(after - before))
    return told(Dim.of(before)), told(Dim.of(after)), f"{'' if after < before else '+'}{more} ({share:+.1f} %)"


def _without_multiples(number: Dim) -> Dim:
    """The number as it reads: a dim that is a multiple of something is a dim like any other."""
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


def place_of(change: Change) -> str:
    """Where a change is, both paths where the last names in them differ: `lm_head → head ×12`."""
    place = change.path or "the whole"
    if change.before is not None and change.after is not None and change.kind == "renamed":
        place = f"{change.before} → {change.after}"
    return f"{place} ×{change.repeat}" if change.repeat > 1 else place


def parameters_of(change: Change) -> str:
    """By how much the parameters of the whole model grow with it; empty where they do not."""
    return f"{'+' if change.parameters > 0 else ''}{scaled(change.parameters)} parameters" if change.parameters else ""


def write_text(difference: Difference) -> str:
    """The difference as plain lines."""
    one, other = difference.names
    lines = [one if one == other else f"{one} → {other}"]
    for name, before, after, more in figures(difference):
        lines.append(f"  {name:<12} {before}" + (f" → {after}  {more}" if more else "  as before"))
    rows = [(SIGNS[c.kind], c.kind, place_of(c), c.op, _told(c)) for c in difference.changes]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    lines += [""] if rows else ["  nothing differs"]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append(f"  {'  '.join([*cells, row[4]])}".rstrip())
    return "\n".join(lines) + "\n"


def _told(change: Change) -> str:
    told = "; ".join([*change.details, *filter(None, [parameters_of(change)])])
    return "  ".join([*filter(None, [told]), *([f"({change.place})"] if change.place else [])])


def write_markdown(difference: Difference) -> str:
    """The difference as two tables of GitHub's Markdown."""
    one, other = (_code(name) for name in difference.names)
    lines = [f"### {one}" if one == other else f"### {one} → {other}", ""]
    lines += ["| | before | after | change |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in figures(difference)]
    if not difference.changes:
        return "\n".join([*lines, "", "Nothing differs."]) + "\n"
    lines += ["", "| | where | what | how | line |", "|---|---|---|---|---|"]
    for change in difference.changes:
        told = "<br>".join([*map(_code, change.details), *filter(None, [parameters_of(change)])])
        place = _code(str(change.place)) if change.place else ""
        lines.append(f"| {change.kind} | {_code(place_of(change))} | {_code(change.op)} | {told} | {place} |")
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    """Text of a spec as code: no Markdown in it counts, and no `|` ends its cell."""
    fence = "``" if "`" in text else "`"
    inner = text.replace("|", "\\|").replace("\n", " ")
    return f"{fence} {inner} {fence}" if "`" in text else f"{fence}{inner}{fence}"


Side: TypeAlias = tuple[TypedGraph, Mapping[str, str]]
"""A checked spec, and the texts of its files by name."""


def write_page(difference: Difference, before: Side, after: Side, depth: int = 1) -> str:
    """The difference as one HTML page, both pictures side by side, what differs marked in them.

    Blocks and stacks are open at first down to `depth`. Raises SpecError (V101, V102).
    """
    views = [
        page_data(*side, depth) | {"quiet": True, "marks": _marks(difference, name)}
        for name, side in (("before", before), ("after", after))
    ]
    rows = [
        {
            "kind": c.kind,
            "sign": SIGNS[c.kind],
            "place": place_of(c),
            "op": c.op,
            "told": [*c.details, parameters_of(c)],
            "line": str(c.place or ""),
        }
        | {"before": box_of(c.before, c.op), "after": box_of(c.after, c.op)}
        for c in difference.changes
    ]
    title = " → ".join(dict.fromkeys(difference.names))
    return render_page("diff.html", title=title, views=views, figures=figures(difference), changes=rows)


def box_of(path: str | None, op: str) -> str:
    """The box that stands for a path in the picture; empty where none does."""
    if path is None or op in ("dim", "model", "weights", "block"):
        return ""
    return f"output {path}" if op == "output" and path and "." not in path else path


def _marks(difference: Difference, side: str) -> dict[str, Any]:
    """The kind of change at each path of one side; the first one tells where there are several."""
    marks: dict[str, str] = {}
    for change in difference.changes:
        if path := box_of(change.before if side == "before" else change.after, change.op):
            marks.setdefault(path, change.kind)
    return marks
