"""How far an output may be from the truth: twice as far as PyTorch's own float32, plus a few units in the last place.

The module gives the truth t in float64, and p in float32. An output o of ONNX Runtime passes if
max|o − t| ≤ 2·max|p − t| + 8 ulp of max|t|. The rule is measured at each output, so it needs no tolerance to choose.
If the channels of an output differ in scale, it holds for the channels of each scale separately.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]

RULE = "max|onnx - truth| <= 2 max|torch - truth| + 8 ulp of max|truth|; truth is the module in float64"
FACTOR = 2.0
ULPS = 8.0
GAP = 2.0**8  # between the largest numbers of two channels whose scales differ
CROWD = 64  # numbers, fewer of which say too little of the largest error: they join the channels of the next scale


@dataclass(frozen=True, slots=True)
class Verdict:
    """The distances of one output from the truth, PyTorch's and ONNX Runtime's, and the distance that is allowed.

    `problem` describes what is wrong; None if the output passes.
    """

    torch: float
    onnx: float
    allowed: float
    problem: str | None = None

    @staticmethod
    def wrong(problem: str) -> Verdict:
        """Return the verdict on what no tolerance allows: nothing was measured."""
        return Verdict(math.nan, math.nan, 0.0, problem)

    @property
    def ratio(self) -> float:
        """How many times as far from the truth as PyTorch ONNX Runtime is; 1 if both are exact."""
        if self.torch == 0.0:
            return 1.0 if self.onnx == 0.0 else math.inf
        return self.onnx / self.torch

    @property
    def used(self) -> float:
        """The share of the allowed distance that is used up; infinite for a problem that no tolerance allows."""
        if math.isnan(self.onnx):
            return math.inf
        return self.onnx / self.allowed if self.allowed else 0.0


def judge(output: Array, single: Array, truth: Array) -> Verdict:
    """Judge an output of ONNX Runtime by PyTorch's in float32 and in float64; whole numbers must be equal."""
    if output.shape != single.shape:
        return Verdict.wrong(f"has shape {list(output.shape)} instead of PyTorch's {list(single.shape)}")
    if output.dtype != single.dtype:
        return Verdict.wrong(f"is {output.dtype} instead of PyTorch's {single.dtype}")
    if not np.issubdtype(output.dtype, np.floating):
        differing = int(np.count_nonzero(output != single))
        return Verdict.wrong(f"has {differing} of {output.size} whole numbers wrong") if differing else _EXACT
    if not _same_nonfinite(output, single):
        return Verdict.wrong("has NaN or Inf where PyTorch has none, or vice versa")

    groups = [(output[group], single[group], truth[group]) for group in _scales(truth, np.isfinite(single))]
    return max((_measure(*group) for group in groups), key=lambda verdict: verdict.used)


_EXACT = Verdict(0.0, 0.0, 0.0)


def distance(left: Array, right: Array) -> float:
    """Return the largest difference of two arrays; infinite if they differ in shape, type, NaN or Inf."""
    if left.shape != right.shape or left.dtype != right.dtype or not _same_nonfinite(left, right):
        return math.inf
    finite = np.isfinite(right)
    return largest_difference(left[finite], right[finite])


def largest_difference(left: Array, right: Array) -> float:
    """Return max|left − right| of two arrays of one shape, computed in float64; 0 if they are empty."""
    return float(np.abs(left.astype(np.float64) - right.astype(np.float64)).max(initial=0.0))


def _same_nonfinite(left: Array, right: Array) -> bool:
    """Return whether NaN, Inf and -Inf are at the same positions in both arrays."""
    finite = np.isfinite(right)
    return np.array_equal(finite, np.isfinite(left)) and np.array_equal(left[~finite], right[~finite], equal_nan=True)


def _measure(output: Array, single: Array, truth: Array) -> Verdict:
    torch, onnx = largest_difference(single, truth), largest_difference(output, truth)
    ulp = float(np.spacing(np.abs(truth.astype(np.float64)).max(initial=0.0).astype(single.dtype)))
    allowed = FACTOR * torch + ULPS * ulp
    problem = None if onnx <= allowed else f"is {onnx:.2e} from the truth; {allowed:.2e} is allowed"
    return Verdict(torch, onnx, allowed, problem)


def _scales(truth: Array, finite: Mask) -> Iterator[Mask]:
    """Yield masks of the finite numbers, one for the channels of each scale.

    A channel is an entry of the last axis, or of axis 1 from rank 4 up, as in images. Two scales differ if the largest
    numbers of the channels, in order of size, leave a gap between them; all-zero channels belong to the smallest scale.
    """
    axis = 1 if truth.ndim >= 4 else truth.ndim - 1
    if truth.ndim < 2 or truth.size < 2 * CROWD:
        yield finite
        return

    # the largest number of each channel, sorted, and where the next one is beyond the gap
    sizes = np.abs(np.where(finite, truth, 0)).max(axis=tuple(a for a in range(truth.ndim) if a != axis))
    order = np.argsort(sizes)
    ordered = sizes[order]
    gaps = np.flatnonzero((ordered[1:] > GAP * ordered[:-1]) & (ordered[:-1] > 0)) + 1

    numbers_per_channel = truth.size // len(sizes)
    start = 0
    for end in [*gaps, len(order)]:
        if (end - start) * numbers_per_channel < CROWD and end < len(order):
            continue
        in_group = np.zeros(len(sizes), dtype=np.bool_)
        in_group[order[start:end]] = True
        shape = [1] * truth.ndim
        shape[axis] = len(sizes)
        yield finite & in_group.reshape(shape)
        start = end
