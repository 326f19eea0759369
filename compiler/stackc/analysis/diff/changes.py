"""One difference between two specs, as data: its kind, its path in both models, and the lines of both specs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from stackc.core.diagnostics import Span

Kind = Literal["added", "removed", "changed", "renamed", "rewired"]
SpanPair: TypeAlias = tuple[Span | None, Span | None]
"""The spans in the first and the second spec, None in a spec that has no such line."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `before` and `after` are the paths in the two models, None in a model that lacks the thing.

    `op` is what changed: a component, a block, `input`, `output`, `dim`, `weights`, or `model` for the whole. The
    change occurs `repeat` times and adds `parameters` to the whole model. Spans do not take part in equality.
    """

    kind: Kind
    before: str | None
    after: str | None
    op: str
    details: tuple[str, ...] = ()
    repeat: int = 1
    parameters: int = 0
    at: SpanPair = field(default=(None, None), compare=False)

    @property
    def path(self) -> str:
        """The path in the second model, or in the first if the second lacks it."""
        return self.after if self.after is not None else self.before or ""

    @property
    def place(self) -> Span | None:
        """The line to look at: that of the second spec, or of the first for what was removed."""
        before, after = self.at
        return before if self.after is None else after or before


def describe_change(name: str, before: str | None, after: str | None) -> list[str]:
    """Return [`name: before → after`], or [] if they are equal; a missing value is shown as `none`."""
    return [f"{name}: {before or 'none'} → {after or 'none'}"] if before != after else []
