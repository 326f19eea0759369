"""How far an output is from PyTorch's: the largest distance, the smallest cosine, the share of choices that differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stackc.ir.budget import Budget
from stackc.proof.tolerance import distance, largest_finite
from stackc.runtime import Array

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OutputError:
    """How far an output is off.

    `max_error` is the largest distance of a number, `cosine` the smallest of a vector along the last axis, `relative`
    the length of all differences by that of the output. For whole numbers `max_error` is the share of them that
    differ, and `cosine` the share that does not. Numbers that are not finite on one side alone are an infinite error.
    """

    max_error: float
    cosine: float
    relative: float
    numbers: int

    def breaks(self, budget: Budget) -> bool:
        """Return whether it is more than a budget allows; NaN is."""
        over = budget.max_error is not None and not self.max_error <= budget.max_error
        return over or (budget.cosine is not None and not self.cosine >= budget.cosine)

    def used(self, budget: Budget) -> float:
        """Return which share of a budget it uses: 1 is all of it."""
        shares = [0.0]
        if budget.max_error is not None:
            shares.append(_share(self.max_error, budget.max_error))
        if budget.cosine is not None:
            shares.append(_share(1.0 - self.cosine, 1.0 - budget.cosine))
        return max(shares)

    def __str__(self) -> str:
        return f"is off by {self.max_error:.2g} at most, cosine {cosine_text(self.cosine)} at least"

    def to_json(self) -> dict[str, Any]:
        """Return the figures; null for those that are not finite."""
        figures = {"max_error": self.max_error, "cosine": self.cosine, "relative": self.relative}
        return {n: x if math.isfinite(x) else None for n, x in figures.items()} | {"numbers": self.numbers}


def _share(part: float, whole: float) -> float:
    if whole <= 0.0:
        return math.inf if part > 0.0 else 0.0
    return part / whole if math.isfinite(part) else math.inf


def cosine_text(cosine: float) -> str:
    """Write a cosine with as many digits as tell it from 1."""
    digits = 2 if not 0.0 < 1.0 - cosine < 1.0 else min(12, math.ceil(-math.log10(1.0 - cosine)) + 1)
    return f"{cosine:.{digits}f}"


def output_error(output: Array, expected: Array) -> OutputError:
    """Compare an output with the expected one, of the same dtype."""
    numbers = int(expected.size)
    if output.shape != expected.shape or output.dtype != expected.dtype:
        return OutputError(math.inf, -1.0, math.inf, numbers)
    if expected.dtype.kind not in "fV":
        differing = float(np.mean(output != expected)) if numbers else 0.0
        return OutputError(differing, 1.0 - differing, differing, numbers)

    given, exact = output.astype(np.float64), expected.astype(np.float64)
    off = distance(given, exact)
    if not math.isfinite(off):
        return OutputError(math.inf, -1.0, math.inf, numbers)
    finite = np.isfinite(exact)
    given, exact = np.where(finite, given, 0.0), np.where(finite, exact, 0.0)
    return OutputError(off, _smallest_cosine(given, exact), _relative(given, exact), numbers)


def _relative(given: Floats, exact: Floats) -> float:
    """Return ‖given − exact‖ / ‖exact‖, scaled so that no square overflows."""
    scale = max(largest_finite(given), largest_finite(exact))
    if scale == 0.0:
        return 0.0
    length = float(np.linalg.norm(exact / scale))
    error = float(np.linalg.norm((given - exact) / scale))
    return error / length if length else math.inf


def _smallest_cosine(given: Floats, exact: Floats) -> float:
    """Return the smallest cosine of vectors along the last axis; of the whole array if that axis has one entry.

    Vectors of length 0 have the cosine 1 with each other, and 0 with others.
    """
    if exact.size == 0:
        return 1.0
    along_last = exact.ndim >= 1 and exact.shape[-1] >= 2
    left, right = (_unit(x.reshape(-1, x.shape[-1]) if along_last else x.reshape(1, -1)) for x in (given, exact))
    # 1 − ‖a − b‖² / 2 keeps the digits of a cosine close to 1, which the product of two unit vectors loses
    cosines = 1.0 - 0.5 * ((left - right) ** 2).sum(axis=1)
    empty = ~left.any(axis=1) ^ ~right.any(axis=1)
    return float(np.where(empty, 0.0, cosines).min())


def _unit(vectors: Floats) -> Floats:
    """Divide each row by its length; rows of zeros stay."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    scaled: Floats = vectors / np.where(largest > 0.0, largest, 1.0)
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    unit: Floats = scaled / np.where(lengths > 0.0, lengths, 1.0)
    return unit
