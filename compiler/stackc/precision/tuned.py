"""What `stackc tune` has found, as data: every candidate with its errors and its speed, and why it was not chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stackc.ir.budget import Budget
from stackc.precision.assignment import Assignment
from stackc.precision.formats import FLOAT32


@dataclass(frozen=True, slots=True)
class Speed:
    """The time of a candidate, in milliseconds, and over that of the float32 file, with its 95 % interval."""

    milliseconds: float
    ratio: float
    low: float
    high: float

    @property
    def is_faster(self) -> bool:
        """Whether the interval is below 1: a difference beyond noise."""
        return self.high < 1.0


@dataclass(frozen=True)
class TunedCandidate:
    """One candidate: a format or an assignment of formats, or another engine for the float32 file.

    `max_error`, `cosine` and `relative` are the worst of all outputs and points; `figures` those of a task. `reason`
    says why it is not the chosen one, or that it is. `kept` if its results are of an earlier run.
    """

    name: str
    formats: Assignment
    engine: str = "onnx"
    speed: Speed | None = None
    max_error: float | None = None
    cosine: float | None = None
    relative: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    bytes: int | None = None
    within: bool = False
    reason: str = ""
    kept: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the facts for the manifest."""
        speed = self.speed
        return {
            "name": self.name,
            "engine": self.engine,
            "formats": dict(sorted(self.formats.items())),
            "milliseconds": speed and speed.milliseconds,
            "ratio": speed and speed.ratio,
            "interval": speed and [speed.low, speed.high],
            "max_error": self.max_error,
            "cosine": self.cosine,
            "relative": self.relative,
            "figures": dict(self.figures),
            "bytes": self.bytes,
            "within": self.within,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Tuned:
    """The end of a search: all candidates, the chosen one first, and the sizes at which they were timed."""

    candidates: tuple[TunedCandidate, ...]
    budget: Budget
    measured: str

    @property
    def chosen(self) -> TunedCandidate:
        """The fastest candidate within the budget; the float32 file if none is faster than it."""
        return self.candidates[0]

    @property
    def format(self) -> str:
        """The format of the chosen file: `mixed` if it has several, or some weights stay float32."""
        return FLOAT32 if not self.chosen.formats else self.chosen.name

    def describe(self) -> str:
        """Say what was chosen, and how much faster it is."""
        chosen = self.chosen
        if chosen.speed is None or not chosen.formats:
            return f"float32: none of {len(self.candidates) - 1} candidates is faster within {self.budget}"
        return f"{chosen.name} takes {chosen.speed.ratio:.2f} of float32's time within {self.budget}"

    def to_json(self) -> dict[str, Any]:
        """Return the search for the manifest."""
        return {"measured": self.measured, "candidates": [candidate.to_json() for candidate in self.candidates]}
