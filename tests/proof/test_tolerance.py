"""The rule of the proof on numbers whose verdict is known."""

from __future__ import annotations

import numpy as np
import pytest

from stackc.proof.tolerance import distance, judge, largest_difference

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
        (single(1, np.nan, 4), "has NaN or Inf where PyTorch has none, or vice versa"),
        (single(1, np.inf, 4), "has NaN or Inf where PyTorch has none, or vice versa"),
    ],
)
def test_what_no_tolerance_forgives(output: np.ndarray, problem: str) -> None:
    assert judge(output, SINGLE, TRUTH).problem == problem


def test_infinities_have_to_agree_in_sign_and_nan_in_place() -> None:
    both = single(np.inf, np.nan, 1)
    assert judge(both, both, both.astype(np.float64)).problem is None
    assert (
        judge(single(-np.inf, np.nan, 1), both, both.astype(np.float64)).problem
        == "has NaN or Inf where PyTorch has none, or vice versa"
    )


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
