"""What a spec asserts of its artifact, and what a build has measured of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from stackc.core.diagnostics import Span

SPEED_FIGURES = ("p50_ms", "p90_ms", "p99_ms", "ratio_to_eager", "cpu_nodes")
"""Figures of every build: percentiles of a run in milliseconds, its median as a share of eager PyTorch's, and how many
nodes run on the CPU."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """The bounds of a figure, both included: infinite where the spec has none."""

    name: str
    minimum: float
    maximum: float
    span: Span

    def holds(self, figure: float) -> bool:
        """Return whether a figure is within the bounds, but for the rounding of a mean; NaN is not."""
        reached = any(math.isclose(figure, bound, rel_tol=1e-9) for bound in (self.minimum, self.maximum))
        return reached or self.minimum <= figure <= self.maximum

    @property
    def of_speed(self) -> bool:
        """Whether it is about the speed of the file, not about what it computes."""
        return self.name in SPEED_FIGURES

    @property
    def bounds(self) -> str:
        """The bounds as text: `≥ 0.95`."""
        return " and ".join(self._texts())

    def _texts(self) -> Iterator[str]:
        if self.minimum > -math.inf:
            yield f"≥ {self.minimum:g}"
        if self.maximum < math.inf:
            yield f"≤ {self.maximum:g}"


@dataclass(frozen=True, slots=True)
class Asserted:
    """An assertion and the figure of the artifact, with `note` on what it was measured; None if it was not, and then
    the note says why."""

    assertion: Assertion
    figure: float | None
    note: str

    def __str__(self) -> str:
        name, bounds = self.assertion.name, self.assertion.bounds
        measured = (
            "" if self.figure is None else f"{self.figure:.4g} " if self.assertion.of_speed else f"{self.figure:.4f} "
        )
        return f"{name} {measured}{bounds} {self.note}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """Return the facts for the manifest; bounds that the spec does not have are null."""
        low, high = self.assertion.minimum, self.assertion.maximum
        return {
            "name": self.assertion.name,
            "min": low if math.isfinite(low) else None,
            "max": high if math.isfinite(high) else None,
            "measured": self.figure,
            "note": self.note,
        }


def unchecked(assertions: Iterable[Assertion], why: str) -> tuple[Asserted, ...]:
    """Return assertions as not checked, for this reason."""
    return tuple(Asserted(assertion, None, f"is not checked: {why}") for assertion in assertions)
