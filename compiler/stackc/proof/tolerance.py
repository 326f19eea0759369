"""How far an output may be from the truth: as far as PyTorch's own float32 is, twice over, and a few units more.

The module in float64 gives the truth t, in float32 p. An output o of ONNX Runtime passes where
max|o − t| ≤ 2·max|p − t| + 8 ulp of max|t|. The rule is measured at each output, so it needs no tolerance to choose.
Where the channels of an output differ in scale, it holds for those of one scale at a time.
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
CROWD = 64  # numbers, of which the largest error says something; fewer go with the channels of the next scale


@dataclass(frozen=True, slots=True)
class Verdict:
    """The distances of one output: of PyTorch and of ONNX Runtime from the truth, and what is allowed.

    `problem` says in words what is wrong; None where the output passes.
    """

    torch: float
    onnx: float
    allowed: float
    problem: str | None = None

    @staticmethod
    def wrong(problem: str) -> Verdict:
        """What no tolerance forgives: nothing was measured."""
        return Verdict(math.nan, math.nan, 0.0, problem)

    @property
    def ratio(self) -> float:
        """How many times as far from the truth as PyTorch is; 1 where both are exact."""
        if self.torch == 0.0:
            return 1.0 if self.onnx == 0.0 else math.inf
        return self.onnx / self.torch

    @property
    def used(self) -> float:
        """The part of what is allowed that is used up; infinite where no tolerance forgives the problem."""
        if math.isnan(self.onnx):
            return math.inf
        return self.onnx / self.allowed if self.allowed else 0.0


def judge(output: Array, single: Array, truth: Array) -> Verdict:
    """One output of ONNX Runtime against PyTorch in float32 and in float64; whole numbers have to be equal."""
    if output.shape != single.shape:
        return Verdict.wrong(f"has the shape {list(output.shape)}, and PyTorch's {list(single.shape)}")
    if output.dtype != single.dtype:
        return Verdict.wrong(f"is {output.dtype}, and PyTorch's {single.dtype}")
    if not np.issubdtype(output.dtype, np.floating):
        differing = int(np.count_nonzero(output != single))
        return Verdict.wrong(f"has {differing} of {output.size} whole numbers wrong") if differing else _EXACT
    finite = np.isfinite(single)
    if not np.array_equal(finite, np.isfinite(output)) or not _equal(output[~finite], single[~finite]):
        return Verdict.wrong("has NaN or Inf where PyTorch has none, or the other way round")
    groups = [(output[group], single[group], truth[group]) for group in _scales(truth, finite)]
    return max((_measure(*group) for group in groups), key=lambda verdict: verdict.used)


_EXACT = Verdict(0.0, 0.0, 0.0)


def _measure(output: Array, single: Array, truth: Array) -> Verdict:
    t = truth.astype(np.float64)
    torch, onnx = _distance(single, t), _distance(output, t)
    ulp = float(np.spacing(np.abs(t).max(initial=0.0).astype(single.dtype)))
    allowed = FACTOR * torch + ULPS * ulp
    problem = None if onnx <= allowed else f"is {onnx:.2e} from the truth; {allowed:.2e} is allowed"
    return Verdict(torch, onnx, allowed, problem)


def _scales(truth: Array, finite: Mask) -> Iterator[Mask]:
    """The finite numbers, those of channels of one scale at a time.

    A channel is an entry of the last axis, of axis 1 for images and the like. Where their largest numbers, in order of
    size, leave a gap, scales differ; channels of nothing but zeros belong to the smallest.
    """
    axis = 1 if truth.ndim >= 4 else truth.ndim - 1
    if truth.ndim < 2 or truth.size < 2 * CROWD:
        yield finite
        return
    sizes = np.abs(np.where(finite, truth, 0)).max(axis=tuple(a for a in range(truth.ndim) if a != axis))
    order = np.argsort(sizes)
    ordered = sizes[order]
    gaps = np.flatnonzero((ordered[1:] > GAP * ordered[:-1]) & (ordered[:-1] > 0)) + 1
    of_channel = truth.size // len(sizes)
    start = 0
    for end in [*gaps, len(order)]:
        if (end - start) * of_channel < CROWD and end < len(order):
            continue
        belongs = np.zeros(len(sizes), dtype=np.bool_)
        belongs[order[start:end]] = True
        shape = [1] * truth.ndim
        shape[axis] = len(sizes)
        yield finite & belongs.reshape(shape)
        start = end


def _distance(value: Array, truth: npt.NDArray[np.float64]) -> float:
    return float(np.abs(value.astype(np.float64) - truth).max(initial=0.0))


def _equal(one: Array, other: Array) -> bool:
    return bool(np.array_equal(one, other, equal_nan=True))
