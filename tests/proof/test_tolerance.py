"""The rule of the proof on numbers whose verdict is known."""

from __future__ import annotations

import numpy as np
import pytest

from stackc.proof.report import numbers_text
from stackc.proof.tolerance import NonFinite, distance, judge, largest_difference

TRUTH = np.array([1.0, -2.0, 4.0])
SINGLE = (TRUTH + np.array([0.0, 1e-6, 0.0])).astype(np.float32)


def single(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_twice_pytorch_s_error_and_eight_units_in_the_last_place() -> None:
    verdict = judge(SINGLE, SINGLE, TRUTH)
    assert verdict.problem is None
    assert verdict.ratio == 1.0
    ulp_of_4 = 2.0**-21
    assert verdict.allowed == pytest.approx(2 * verdict.torch + 8 * ulp_of_4)


@pytest.mark.parametrize(("distance", "passes"), [(5.5e-6, True), (6.5e-6, False)])
def test_the_edge(distance: float, passes: bool) -> None:
    output = (TRUTH + np.array([0.0, 0.0, distance])).astype(np.float32)
    assert (judge(output, SINGLE, TRUTH).problem is None) is passes


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (single(1, -2), "has shape [2] instead of PyTorch's [3]"),
        (np.array([1.0, -2, 4]), "is float64 instead of PyTorch's float32"),
        (single(1, np.nan, 4), "has NaN or Inf where PyTorch has none, at 1 of 3 numbers"),
        (single(1, np.inf, 4), "has NaN or Inf where PyTorch has none, at 1 of 3 numbers"),
    ],
)
def test_what_no_tolerance_forgives(output: np.ndarray, problem: str) -> None:
    assert judge(output, SINGLE, TRUTH).problem == problem


MEANT = frozenset({"nan", "inf"})


def test_infinities_that_are_meant_have_to_agree_in_sign_and_nan_in_place() -> None:
    both = single(np.inf, np.nan, 1)
    verdict = judge(both, both, both.astype(np.float64), MEANT)
    assert (verdict.problem, verdict.numbers) == (None, 1)
    assert verdict.nonfinite == NonFinite(truth=2, torch=2, onnx=2)
    other = judge(single(-np.inf, np.nan, 1), both, both.astype(np.float64), MEANT)
    assert other.problem == "has not the NaN and Inf that PyTorch has"


@pytest.mark.parametrize("meant", [frozenset(), {"-inf"}, {"nan"}])
def test_a_truth_that_is_not_finite_is_compared_with_nothing(meant: set[str]) -> None:
    both = single(np.inf, np.nan, 1)
    verdict = judge(both, both, both.astype(np.float64), meant)
    assert verdict.undefined
    assert "in the truth itself: nothing there can be compared" in str(verdict.problem)


def test_of_many_numbers_one_in_a_thousand_may_be_not_finite() -> None:
    truth = np.ones(2000)
    truth[:2] = np.nan
    p = truth.astype(np.float32)
    assert judge(p, p, truth).problem is None
    truth[2] = np.nan
    p = truth.astype(np.float32)
    assert judge(p, p, truth).undefined


def test_float32_that_overflows_fails_in_pytorch_too() -> None:
    truth = np.array([1.0, 1e39])
    p = single(1.0, np.inf)
    verdict = judge(p, p, truth)
    assert not verdict.undefined
    assert verdict.problem == (
        "has NaN or Inf where the truth is finite, at 1 of 2 numbers; PyTorch in float32 has them too"
    )


def test_pytorch_counts_where_it_is_finite() -> None:
    truth = np.array([1.0, 2.0])
    assert judge(single(1.0, 2.0), single(1.0, np.inf), truth).problem is None
    assert judge(single(1.0, 2.1), single(1.0, np.inf), truth).problem is not None


def test_an_empty_output_compares_nothing() -> None:
    empty = np.zeros((0, 3), np.float32)
    verdict = judge(empty, empty, empty.astype(np.float64))
    assert (verdict.problem, verdict.numbers) == (None, 0)
    assert numbers_text(verdict) == "0: nothing compared"


def test_whole_numbers_are_equal_or_wrong() -> None:
    ids = np.array([3, 1, 2])
    assert judge(ids, ids, ids).problem is None
    assert judge(np.array([3, 2, 2]), ids, ids).problem == "has 1 of 3 whole numbers wrong"


def test_channels_of_different_scale_are_judged_apart() -> None:
    """An error of 1e-3 drowns beside numbers of 10,000; not in channels whose numbers are about 1."""
    random = np.random.default_rng(0)
    truth = np.concatenate([1e4 * random.standard_normal((32, 4)), random.standard_normal((32, 4))], axis=1)
    p = truth.astype(np.float32)
    assert judge(p, p, truth).problem is None
    output = p.copy()
    output[5, 6] += 1e-3
    assert judge(output, p, truth).problem is not None
    flat = np.ascontiguousarray(truth.reshape(-1)), p.reshape(-1), output.reshape(-1)
    assert judge(flat[2], flat[1], flat[0]).problem is None


def test_distance_is_the_largest_difference_in_float64() -> None:
    left = np.array([1.0, 2.0, np.inf, np.nan], np.float32)
    assert distance(left, left + np.array([0, 0.5, 0, 0], np.float32)) == 0.5
    assert largest_difference(np.array([2**24], np.float32), np.array([2**24 + 1])) == 1.0, "float32 has no 2**24 + 1"
    assert distance(np.zeros((0, 3)), np.zeros((0, 3))) == 0.0


@pytest.mark.parametrize(
    "other",
    [single(1, 2, 3, 4), np.zeros(3), single(1, np.nan, 4), single(1, 2, -np.inf)],
    ids=["shape", "type", "NaN", "sign of infinity"],
)
def test_distance_is_infinite_if_arrays_are_not_comparable(other: np.ndarray) -> None:
    assert distance(single(1, 2, np.inf), other) == np.inf


def test_a_saturated_output_is_as_exact_as_it_is_elsewhere() -> None:
    """ONNX Runtime's sigmoid of −57 is 6e-21 from the truth, 1.7e-25; its numbers elsewhere are up to 1."""
    truth = np.array([1.7e-25, 1.1e-25])
    output, torch = single(6.1e-21, 1.1e-25), truth.astype(np.float32)
    assert judge(output, torch, truth, extreme=True).problem is not None
    assert judge(output, torch, truth, extreme=True, ordinary=0.9).problem is None
    assert judge(output + np.float32(1e-6), torch, truth, extreme=True, ordinary=0.9).problem is not None
