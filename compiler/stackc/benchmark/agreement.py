"""Whether candidates calculate the same: speed means nothing where the numbers differ.

That is no proof of a model, which `stackc build` gives: sums are taken in another order by each engine. It catches a
file of another model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from stackc.proof.tolerance import distance
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.runtime import Array

TOLERANCE = 1e-3
"""Of the largest number of an output."""
MOST_CHOSEN = 0.01
"""The share of an output of whole numbers that may differ: of two models that are right, each breaks a tie its way."""
_HINT = "a file that is meant to be less exact is timed with `--tolerance 0.1`, another model with `--tolerance inf`"

Outputs = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """The output in which a candidate differs most from another, and by what share of the output's largest number.

    Of whole numbers it is the share of those that differ. Infinite where shapes differ, or the places of NaN and Inf.
    """

    candidate: str
    against: str
    output: str
    share: float
    chosen: bool = False

    def allowed(self, tolerance: float) -> float:
        """The share that is no mistake."""
        return max(tolerance, MOST_CHOSEN) if self.chosen else tolerance

    def __str__(self) -> str:
        if math.isinf(self.share):
            return f"the output '{self.output}' has another shape, or NaN or Inf at other places"
        if self.chosen:
            return f"the output '{self.output}' differs in {self.share:.1e} of its numbers"
        return f"the output '{self.output}' differs by {self.share:.1e} of its largest number"


def agree(candidate: str, outputs: Outputs, against: str, expected: Outputs, tolerance: float) -> OutputDifference:
    """The largest difference over the outputs that both have, or where no name is in both, of those at the same place.

    Raises SpecError R433 where it is more than `tolerance`, or there is nothing to compare.
    """
    pairs = list(_pairs(outputs, expected))
    if not pairs:
        message = f"'{candidate}' gives {_listed(outputs)}, and '{against}' gives {_listed(expected)}: nothing compares"
        raise SpecError(Diagnostic("R433", message, hint="outputs are compared by their names"))
    found = [OutputDifference(candidate, against, name, *_differing(one, other)) for name, one, other in pairs]
    worst = max(found, key=lambda one: (one.share > one.allowed(tolerance), one.share))
    if not worst.share <= worst.allowed(tolerance):
        message = (
            f"'{candidate}' does not give what '{against}' gives: {worst}; {worst.allowed(tolerance):g} is allowed"
        )
        raise SpecError(Diagnostic("R433", message, hint=_HINT))
    return worst


def _pairs(outputs: Outputs, expected: Outputs) -> Iterator[tuple[str, Array, Array]]:
    """Each output that is compared: its name in `expected`, and both arrays."""
    common = outputs.keys() & expected.keys()
    if not common and len(outputs) == len(expected):
        for (name, other), one in zip(expected.items(), outputs.values(), strict=True):
            yield name, one, other
    for name in expected:
        if name in common:
            yield name, outputs[name], expected[name]


def _differing(one: Array, other: Array) -> tuple[float, bool]:
    """The share by which an array differs from another, and whether that is one of numbers that are chosen."""
    chosen = not np.issubdtype(other.dtype, np.inexact)
    if one.shape != other.shape:
        return math.inf, chosen
    if chosen:
        return float(np.mean(one != other)) if one.size else 0.0, True
    exact = other.astype(np.float64)
    far, largest = distance(one.astype(np.float64), exact), float(np.abs(exact[np.isfinite(exact)]).max(initial=0.0))
    return (far / largest if largest else math.inf if far else 0.0), False


def _listed(outputs: Outputs) -> str:
    return ", ".join(f"'{name}'" for name in outputs) or "nothing"
