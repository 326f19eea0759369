"""Compare the outputs of two candidates: a faster candidate means nothing if it computes something else.

This proves no model, as `stackc build` does: each engine sums in another order. It catches a file of another model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.proof.tolerance import distance
from stackc.runtime import Array

TOLERANCE = 1e-3
"""As a share of the largest number of an output."""
REDUCED_TOLERANCE = 0.1
"""The same for a file with weights of lower precision than float32, which was held to a budget as it was built."""
MOST_CHOSEN = 0.01
"""The share of an output of whole numbers that may differ: two correct models may break ties differently."""
_HINT = "set `--tolerance 0.1` for a file that is less exact by design, or `--tolerance inf` for another model"

Outputs = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """The output in which a candidate differs most from another, as a share of the largest number of the output.

    For whole numbers it is the share of numbers that differ. Infinite if the shapes or the positions of NaN and Inf
    differ.
    """

    candidate: str
    against: str
    output: str
    share: float
    chosen: bool = False

    def allowed(self, tolerance: float) -> float:
        """Return the share that is allowed to differ."""
        return max(tolerance, MOST_CHOSEN) if self.chosen else tolerance

    def __str__(self) -> str:
        if math.isinf(self.share):
            return f"the output '{self.output}' has another shape, or NaN or Inf at other positions"
        if self.chosen:
            return f"the output '{self.output}' differs in {self.share:.1e} of its numbers"
        return f"the output '{self.output}' differs by {self.share:.1e} of its largest number"


def compare_outputs(
    candidate: str, outputs: Outputs, against: str, expected: Outputs, tolerance: float
) -> OutputDifference:
    """Return the largest difference over the outputs that both have; by position if they have no common name.

    Raises SpecError (R433) if it is larger than `tolerance`, or if there is nothing to compare.
    """
    pairs = list(_pairs(outputs, expected))
    if not pairs:
        message = f"'{candidate}' returns {_listed(outputs)}, but '{against}' returns {_listed(expected)}"
        raise SpecError(Diagnostic("R433", message, hint="outputs are compared by name: use a common one"))

    differences = [
        OutputDifference(candidate, against, name, *_share(output, reference)) for name, output, reference in pairs
    ]
    worst = max(differences, key=lambda each: (each.share > each.allowed(tolerance), each.share))
    allowed = worst.allowed(tolerance)
    if not worst.share <= allowed:  # also if the share is NaN
        message = f"'{candidate}' does not compute the same as '{against}': {worst}; {allowed:g} is allowed"
        raise SpecError(Diagnostic("R433", message, hint=_HINT))
    return worst


def _pairs(outputs: Outputs, expected: Outputs) -> Iterator[tuple[str, Array, Array]]:
    """Yield each output to compare: its name in `expected`, and both arrays."""
    common = outputs.keys() & expected.keys()
    if not common and len(outputs) == len(expected):
        for (name, reference), output in zip(expected.items(), outputs.values(), strict=True):
            yield name, output, reference
    for name in expected:
        if name in common:
            yield name, outputs[name], expected[name]


def _share(output: Array, reference: Array) -> tuple[float, bool]:
    """Return the share by which an output differs, and whether it is of whole numbers."""
    chosen = not np.issubdtype(reference.dtype, np.inexact)
    if output.shape != reference.shape:
        return math.inf, chosen
    if chosen:
        return float(np.mean(output != reference)) if output.size else 0.0, True

    exact = reference.astype(np.float64)
    difference = distance(output.astype(np.float64), exact)
    largest = float(np.abs(exact[np.isfinite(exact)]).max(initial=0.0))
    if not largest:
        return (math.inf if difference else 0.0), False
    return difference / largest, False


def _listed(outputs: Outputs) -> str:
    return ", ".join(f"'{name}'" for name in outputs) or "nothing"
