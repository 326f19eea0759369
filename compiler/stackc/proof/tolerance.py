"""How far an output may be from the truth: as far as PyTorch's own float32 is, twice over, and a few units more.

The module in float64 gives the truth t, in float32 p. An output o of ONNX Runtime passes where
max|o − t| ≤ 2·max|p − t| + 8 ulp of max|t|. The rule is measured at each output, so it needs no tolerance to choose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

FACTOR = 2.0
ULPS = 8.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The distances of one output: of PyTorch and of ONNX Runtime from the truth, and what is allowed.

    `problem` says in words what is wrong; None where the output passes.
    """

    torch: float
    onnx: float
    allowed: float
    problem: str | None = None

    @property
    def ratio(self) -> float:
        """How many times as far from the truth as PyTorch is; 1 where both are exact."""
        if self.torch == 0.0:
            return 1.0 if self.onnx == 0.0 else float("inf")
        return self.onnx / self.torch


def judge(output: Array, single: Array, truth: Array) -> Verdict:
    """One output of ONNX Runtime against PyTorch in float32 and in float64; whole numbers have to be equal."""
    if output.shape != single.shape:
        return _wrong(f"has the shape {list(output.shape)}, and PyTorch's {list(single.shape)}")
    if output.dtype != single.dtype:
        return _wrong(f"is {output.dtype}, and PyTorch's {single.dtype}")
    if not np.issubdtype(output.dtype, np.floating):
        differing = int(np.count_nonzero(output != single))
        return _wrong(f"{differing} of {output.size} whole numbers differ") if differing else Verdict(0.0, 0.0, 0.0)
    finite = np.isfinite(single)
    if not np.array_equal(finite, np.isfinite(output)) or not _equal(output[~finite], single[~finite]):
        return _wrong("NaN or Inf on one side only")
    return _measure(output[finite], single[finite], truth[finite])


def _measure(output: Array, single: Array, truth: Array) -> Verdict:
    t = truth.astype(np.float64)
    torch, onnx = _distance(single, t), _distance(output, t)
    ulp = float(np.spacing(np.abs(t).max(initial=0.0).astype(single.dtype)))
    allowed = FACTOR * torch + ULPS * ulp
    problem = None if onnx <= allowed else f"is {onnx:.2e} from the truth; {allowed:.2e} is allowed"
    return Verdict(torch, onnx, allowed, problem)


def _distance(value: Array, truth: npt.NDArray[np.float64]) -> float:
    return float(np.abs(value.astype(np.float64) - truth).max(initial=0.0))


def _equal(one: Array, other: Array) -> bool:
    return bool(np.array_equal(one, other, equal_nan=True))


def _wrong(problem: str) -> Verdict:
    return Verdict(float("nan"), float("nan"), 0.0, problem)
