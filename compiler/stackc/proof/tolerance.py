"""How far an output may be from the truth: as far as float32 leaves it open, by PyTorch's own error and by the spread.

The module gives the truth t in float64, and p in float32. The spread is how far t moves if every value that it is made
of is off by a rounding of float32 (jitter.py). An output o of ONNX Runtime passes if
max|o − t| ≤ 2·max|p − t| + 4·max spread + 8 ulp of max|t|. All of it is measured at each output, so there is no
tolerance to choose. If the channels of an output differ in scale, the rule holds for the channels of each scale
separately. Passing without the spread is passing, so it is measured where it may decide, or costs little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]

RULE = (
    "max|onnx - truth| <= 2 max|torch - truth| + 4 max spread + 8 ulp of max|truth|; truth is the module in float64, "
    "spread how far it moves in 8 passes with every value times 1 +- 2^-23, counted as 0 where it was not needed"
)
FACTOR = 2.0
SPREADS = 4.0
DETERMINED = 1e-3  # an allowance beyond this share of the largest number of an output says little of it
ULPS = 8.0
GAP = 2.0**8  # between the largest numbers of two channels whose scales differ
STRAY = 1e-3  # the share of an output that may be NaN or Inf in the truth although the spec does not say so
WORDS = {"nan": "NaN", "inf": "Inf", "-inf": "-Inf"}
CROWD = 64  # numbers, fewer of which say too little of the largest error: they join the channels of the next scale


@dataclass(frozen=True, slots=True)
class NonFinite:
    """How many numbers of an output are NaN or infinite: in the truth, in PyTorch's float32, in ONNX Runtime."""

    truth: int = 0
    torch: int = 0
    onnx: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The distances of one output from the truth, PyTorch's and ONNX Runtime's, and the distance that is allowed.

    `problem` describes what is wrong; None if the output passes. `numbers` is how many numbers were compared: those
    that are finite in the truth, or all whole ones. `undefined` if the truth itself is not finite, against the spec.
    `spread` is how far the truth moves with the roundings of float32, None if it was not measured. `determined` is the
    share of the output's largest number that is allowed, if that is more than `DETERMINED`, and infinite if the spread
    is: such an output is judged by its components.
    """

    torch: float
    onnx: float
    allowed: float
    problem: str | None = None
    numbers: int = 0
    nonfinite: NonFinite = field(default_factory=NonFinite)
    undefined: bool = False
    spread: float | None = None
    determined: float | None = None

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
    def too_far(self) -> bool:
        """Whether the distance alone is what is wrong, so that the spread may explain it."""
        return self.problem is not None and not math.isnan(self.onnx)

    @property
    def used(self) -> float:
        """The share of the allowed distance that is used up; infinite for a problem that no tolerance allows."""
        if math.isnan(self.onnx):
            return math.inf
        return self.onnx / self.allowed if self.allowed else 0.0


def judge(
    output: Array,
    single: Array,
    truth: Array,
    meant: Set[str] = frozenset(),
    spread: Array | None = None,
    *,
    extreme: bool = False,
    ordinary: float = 0.0,
) -> Verdict:
    """Judge an output of ONNX Runtime by PyTorch's in float32 and in float64; whole numbers must be equal.

    `meant` has those of "nan", "inf" and "-inf" that the truth may hold in any number. `spread` has the spread of each
    number; it counts as 0 if it was not measured. At an `extreme` draw only those numbers are judged that are finite
    in the truth and in PyTorch; the others are counted. `ordinary` is the largest number of the output at draws that
    are not extreme: where a gate is saturated, its output is as exact as elsewhere, not as exact as it is small.
    """
    if output.shape != single.shape:
        return Verdict.wrong(f"has shape {list(output.shape)} instead of PyTorch's {list(single.shape)}")
    if output.dtype != single.dtype:
        return Verdict.wrong(f"is {output.dtype} instead of PyTorch's {single.dtype}")
    if not np.issubdtype(output.dtype, np.floating):
        differing = int(np.count_nonzero(output != single))
        exact = Verdict(0.0, 0.0, 0.0, numbers=output.size)
        return Verdict.wrong(f"has {differing} of {output.size} whole numbers wrong") if differing else exact

    finite = np.isfinite(truth)
    if extreme:
        finite &= np.isfinite(single)
    counted = Verdict(
        *(math.nan, math.nan, 0.0),
        numbers=int(np.count_nonzero(finite)),
        nonfinite=NonFinite(*(int(np.count_nonzero(~np.isfinite(x))) for x in (truth, single, output))),
    )
    if not extreme and (problem := _undefined(truth, meant)):
        return replace(counted, problem=problem, undefined=True)
    if problem := _nonfinite_problem(output, single, truth, finite if extreme else np.ones_like(finite)):
        return replace(counted, problem=problem)

    spreads = np.zeros(truth.shape) if spread is None else spread
    groups = [
        _measure(output[group], single[group], truth[group], spreads[group], ordinary)
        for group in _scales(truth, finite & np.isfinite(spreads))
    ]
    worst = max(groups, key=lambda verdict: verdict.used)
    return replace(
        worst,
        numbers=counted.numbers,
        nonfinite=counted.nonfinite,
        spread=None if spread is None else float(spreads[finite].max(initial=0.0)),
        determined=_determined(max(verdict.allowed for verdict in groups), truth[finite], spreads[finite], ordinary),
    )


def beyond_pytorch(verdict: Verdict) -> bool:
    """Return whether a verdict is about numbers that are not finite in the truth, or not in PyTorch's float32."""
    return verdict.undefined or verdict.nonfinite.torch > verdict.nonfinite.truth


def _determined(allowed: float, truth: Array, spread: Array, ordinary: float) -> float | None:
    """Return the share of the largest number that is allowed, if it is large; None if the output is determined."""
    if not np.isfinite(spread).all():
        return math.inf
    largest = float(np.abs(truth.astype(np.float64)).max(initial=ordinary))
    if allowed <= DETERMINED * largest or allowed <= ULPS * float(np.spacing(np.float32(largest))):
        return None
    return allowed / largest if largest else math.inf


def kinds_of(array: Array) -> dict[str, int]:
    """Return how many numbers are NaN, Inf and -Inf, by the words that a spec has for them; without those it lacks."""
    counts = {"nan": np.isnan(array), "inf": array == np.inf, "-inf": array == -np.inf}
    return {kind: int(count) for kind, mask in counts.items() if (count := np.count_nonzero(mask))}


def kinds_text(kinds: Mapping[str, int]) -> str:
    """Return `3 NaN and 1 -Inf`."""
    return " and ".join(f"{count:,} {WORDS[kind]}" for kind, count in kinds.items())


def _undefined(truth: Array, meant: Set[str]) -> str | None:
    """Describe the truth if more of it than stray numbers is not finite and not `meant` either."""
    kinds = {kind: count for kind, count in kinds_of(truth).items() if kind not in meant}
    if sum(kinds.values()) <= STRAY * truth.size:
        return None
    return f"has {kinds_text(kinds)} among {truth.size:,} numbers in the truth itself: nothing there can be compared"


def _nonfinite_problem(output: Array, single: Array, truth: Array, judged: Mask) -> str | None:
    """Describe NaN and Inf of an output that neither the truth nor, where the truth has one too, PyTorch has."""
    lost = judged & np.isfinite(truth) & ~np.isfinite(output)
    if lost.any():
        where = f"at {np.count_nonzero(lost):,} of {truth.size:,} numbers"
        if np.isfinite(single[lost]).any():
            return f"has NaN or Inf where PyTorch has none, {where}"
        return f"has NaN or Inf where the truth is finite, {where}; PyTorch in float32 has them too"

    # of what the truth has no number for, an output may have what the truth or PyTorch has
    undefined = judged & ~np.isfinite(truth)
    there = output[undefined]
    both_finite = np.isfinite(there) & np.isfinite(single[undefined])
    allowed = both_finite | _same(there, truth[undefined]) | _same(there, single[undefined])
    return None if allowed.all() else "has not the NaN and Inf that PyTorch has"


def _same(left: Array, right: Array) -> Mask:
    """Return where both are NaN, or the same infinity."""
    same: Mask = (np.isnan(left) & np.isnan(right)) | (np.isinf(left) & (left == right))
    return same


def distance(left: Array, right: Array) -> float:
    """Return the largest difference of two arrays; infinite if they differ in shape, type, NaN or Inf."""
    if left.shape != right.shape or left.dtype != right.dtype or not _same_nonfinite(left, right):
        return math.inf
    finite = np.isfinite(right)
    return largest_difference(left[finite], right[finite])


def largest_difference(left: Array, right: Array) -> float:
    """Return max|left − right| of two arrays of one shape, computed in float64; 0 if they are empty."""
    return float(np.abs(left.astype(np.float64) - right.astype(np.float64)).max(initial=0.0))


def largest_finite(x: Array) -> float:
    """Return the largest finite number by its absolute value; 0 if there is none."""
    return float(np.abs(x[np.isfinite(x)].astype(np.float64)).max(initial=0.0))


def _same_nonfinite(left: Array, right: Array) -> bool:
    """Return whether NaN, Inf and -Inf are at the same positions in both arrays."""
    finite = np.isfinite(right)
    return np.array_equal(finite, np.isfinite(left)) and np.array_equal(left[~finite], right[~finite], equal_nan=True)


def _measure(output: Array, single: Array, truth: Array, spread: Array, ordinary: float) -> Verdict:
    """Judge finite numbers of one scale; PyTorch counts where it is finite itself."""
    if not truth.size:
        return Verdict(0.0, 0.0, 0.0)
    computed = np.isfinite(single)
    torch, onnx = largest_difference(single[computed], truth[computed]), largest_difference(output, truth)
    ulp = float(np.spacing(np.abs(truth.astype(np.float64)).max(initial=ordinary).astype(single.dtype)))
    allowed = FACTOR * torch + SPREADS * largest_difference(spread, np.zeros_like(spread)) + ULPS * ulp
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
