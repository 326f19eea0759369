"""One difference between two specs, as data: what it is, where it is in both of them, and at which lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from stackc.core.diagnostics import Span

Kind = Literal["added", "removed", "changed", "renamed", "rewired"]
Places: TypeAlias = tuple[Span | None, Span | None]
"""Where the first and the second spec say it, None where one says nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `before` and `after` are the paths in the two models, None in the one that has no such thing.

    `op` is what it is: a component, a block, `input`, `output`, `dim`, `weights`, or `model`, the whole. It comes
    `repeat` times, and changes the parameters of the whole model by `parameters`. Places take no part in equality.
    """

    kind: Kind
    before: str | None
    after: str | None
    op: str
    details: tuple[str, ...] = ()
    repeat: int = 1
    parameters: int = 0
    at: Places = field(default=(None, None), compare=False)

    @property
    def path(self) -> str:
        """Where it is, in the second model if it is there."""
        return self.after if self.after is not None else self.before or ""

    @property
    def place(self) -> Span | None:
        """The line to look at: that of the second spec, unless what was is there no more."""
        before, after = self.at
        return before if self.after is None else after or before


def describe_change(name: str, before: str | None, after: str | None) -> list[str]:
    """`name: before → after`, or nothing where they are equal; what is not said is `none`."""
    return [f"{name}: {before or 'none'} → {after or 'none'}"] if before != after else []
