"""T213: axes that the contract allows to be empty, of components that need an entry there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stackc.core.diagnostics import Collector, Note, Span
from stackc.core.types import Bounds, Dim
from stackc.spec.document import DimDecl
from stackc.typecheck.contract_help import fill

MOST_COMPONENTS = 4
"""Components that a message names."""


@dataclass(frozen=True)
class EmptyAxis:
    """An axis that may be empty: `component` is the one that reads it as messages call it, `axis` says which it is.

    `span` is the arrow over which the value enters, `inside` leads to the blocks around.
    """

    component: str
    axis: str
    dim: Dim
    span: Span
    inside: tuple[Note, ...] = field(default=(), compare=False)


def report_empty_axes(
    axes: Iterable[EmptyAxis], bounds: Bounds, dims: Mapping[str, DimDecl], diagnostics: Collector
) -> None:
    """Report T213 once for all axes that the same contract would fill, at the first, with notes at the contract."""
    same_help: dict[str, list[EmptyAxis]] = {}
    for empty in dict.fromkeys(axes):
        same_help.setdefault(fill(empty.dim, bounds, dims), []).append(empty)

    for declare, (first, *others) in same_help.items():
        message = f"{first.component}: {first.axis} needs an entry, but {first.dim} may be 0"
        hint = f"{declare}, or join it with entries that are always there by `concat` first"
        notes = [*_zeros(first.dim, dims, bounds), *first.inside, *_also(others)]
        diagnostics.error("T213", message, first.span, hint, *notes)


def _zeros(dim: Dim, dims: Mapping[str, DimDecl], bounds: Bounds) -> list[Note]:
    """Return notes at the minima of 0 of a dim's symbols."""
    minima = {name: dims[name].minimum or dims[name] for name in dim.symbols() if bounds.may_be_empty(name)}
    return [Note(f"the contract of {name}", minimum.span) for name, minimum in minima.items()]


def _also(others: list[EmptyAxis]) -> list[Note]:
    """Return notes at other axes that need an entry; the last one counts those that are left out."""
    shown, left = others[: MOST_COMPONENTS - 1], len(others) - (MOST_COMPONENTS - 1)
    notes = [Note(f"{empty.component}: {empty.axis} needs one too", empty.span) for empty in shown]
    if left > 0:
        rest = "does 1 other" if left == 1 else f"do {left} others"
        notes[-1] = Note(f"{notes[-1].message}, as {rest}", notes[-1].span)
    return notes
