"""What a search will try and run, told before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stackc.core.plurals import counted
from stackc.frontend import Checked
from stackc.ir.budget import DEFAULT, Budget
from stackc.precision.formats import FACTS, FORMATS
from stackc.precision.request import Tuning
from stackc.precision.user_data import read_user_data
from stackc.proof.points import draws
from stackc.proof.value_draws import is_extreme
from stackc.runtime import ValueInfo
from stackc.tuning.knapsack import STEPS


@dataclass(frozen=True)
class SearchPlan:
    """The budget; candidates by name with what they are; the weights to choose formats for; the inputs to run."""

    budget: Budget
    candidates: tuple[tuple[str, str], ...]
    weights: tuple[str, ...]
    points: tuple[str, ...]
    batches: int
    seconds: float

    @property
    def at_most(self) -> float:
        """The seconds that timing alone takes at most: warming up may take as long as the rounds."""
        return 2.0 * self.seconds * (len(self.candidates) + STEPS)

    def lines(self) -> list[str]:
        """Return the plan as text."""
        data = f", and {counted(self.batches, 'batch')} of data" if self.batches else ""
        return [
            f"budget      {self.budget}",
            f"inputs      {counted(len(self.points), 'point')} of the dims contract{data}",
            f"weights     {len(self.weights):,}: {_listed(self.weights)}",
            *(f"candidate   {name}: {what}" for name, what in self.candidates),
            f"timing      {self.seconds:g} s for each candidate, beside float32; {self.at_most:.0f} s in all at most",
            "resuming    results are kept in the cache of stackc: an interrupted search goes on from them",
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the plan for programs."""
        return {
            "budget": self.budget.to_json(),
            "candidates": dict(self.candidates),
            "weights": list(self.weights),
            "points": list(self.points),
            "batches": self.batches,
            "timing_seconds": self.at_most,
        }


def plan_search(checked: Checked, inputs: Sequence[ValueInfo], wanted: Tuning, *, seed: int) -> SearchPlan:
    """Return what a search will do. Raises SpecError for data that cannot be read."""
    budget = wanted.budget or checked.budget or DEFAULT
    path = wanted.data or budget.data
    batches = len(read_user_data(path, inputs, checked.program.contract)) if path else 0
    points = [
        str(point) for point, _ in draws(checked.program, checked.ranges, seed=seed) if not is_extreme(point.draw)
    ]
    types = checked.program.tensors()
    weights = [name for name, type_ in types.items() if len(type_.shape) >= 2 and type_.is_float]
    candidates = tuple(_candidates(wanted, has_data=path is not None))
    return SearchPlan(budget, candidates, tuple(weights), tuple(points), batches, wanted.seconds)


def _candidates(wanted: Tuning, *, has_data: bool) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for format in FORMATS:
        without = "left out: it needs data, `--data FILE.npz`"
        found.append((format, without if format == "int8-static" and not has_data else FACTS[format].description))
    if wanted.mixed:
        mixed = f"formats by weight, from tables of errors and times: at most {STEPS}"
        found.append(("mixed", mixed))
    found += [("openvino float32", "the float32 file in OpenVINO"), ("openvino bfloat16", "the same in bfloat16")]
    return [*found, ("settings", "fewer threads")]


def _listed(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
