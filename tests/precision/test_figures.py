"""Errors of outputs against closed forms; batches of the user's inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackc.core.types import DimRange
from stackc.ir.budget import Budget
from stackc.precision.blame import rounded_down, rounded_up
from stackc.precision.figures import cosine_text, output_error
from stackc.precision.user_data import batches_of
from stackc.runtime import ValueInfo


@pytest.mark.parametrize("degrees", [0.001, 0.1, 5.0, 60.0, 90.0, 179.0])
def test_a_vector_that_is_turned(degrees: float) -> None:
    """Its cosine is that of the angle, however small; the chord is the distance."""
    angle = math.radians(degrees)
    exact = np.array([[1.0, 0.0], [3.0, 0.0]])
    turned = np.array([[math.cos(angle), math.sin(angle)], [3.0, 0.0]])
    error = output_error(turned, exact)
    assert 1.0 - error.cosine == pytest.approx(1.0 - math.cos(angle), rel=1e-6, abs=1e-16)
    assert error.max_error == pytest.approx(max(1.0 - math.cos(angle), math.sin(angle)))
    assert error.relative == pytest.approx(2.0 * math.sin(angle / 2.0) / math.sqrt(10.0))


def test_choices_are_held_by_the_share_that_differs() -> None:
    error = output_error(np.array([1, 2, 3, 9]), np.array([1, 2, 3, 4]))
    assert (error.max_error, error.cosine) == (0.25, 0.75)
    assert error.breaks(Budget(max_error=0.2))
    assert not error.breaks(Budget(max_error=0.25))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_on_one_side_breaks_every_budget(bad: float) -> None:
    error = output_error(np.array([bad, 1.0]), np.array([0.0, 1.0]))
    assert error.breaks(Budget(max_error=1e30))
    assert error.breaks(Budget(cosine=0.001))
    assert error.used(Budget(cosine=0.5)) > 1.0
    same = output_error(np.array([bad, 1.0]), np.array([bad, 1.0]))
    assert (same.max_error, same.cosine) == (0.0, 1.0)


def test_vectors_of_zeros_and_axes_of_one_entry() -> None:
    zeros = np.zeros((2, 3))
    assert output_error(zeros, zeros).cosine == 1.0
    assert output_error(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 1.0], [1.0, 1.0]])).cosine == 0.0
    # one number each: the vector is the whole output, else every cosine would be 1
    assert output_error(np.array([[1.0], [0.0]]), np.array([[1.0], [1.0]])).cosine == pytest.approx(math.sqrt(0.5))
    huge = np.array([1e200, 1e200])
    assert output_error(huge, huge / 2).cosine == pytest.approx(1.0)


@given(st.floats(1e-12, 1e6))
def test_rounded_bounds_allow_what_was_measured(number: float) -> None:
    assert number * (1 - 1e-9) <= rounded_up(number) <= 1.11 * number
    if number < 0.5:
        assert rounded_down(1.0 - number) <= 1.0 - number + 1e-12


@pytest.mark.parametrize(
    ("cosine", "text"), [(0.9937, "0.9937"), (0.999982, "0.999982"), (1.0, "1.00"), (-1.0, "-1.00")]
)
def test_a_cosine_has_the_digits_that_tell_it_from_one(cosine: float, text: str) -> None:
    assert cosine_text(cosine) == text


@given(st.integers(1, 200), st.integers(1, 40), st.integers(1, 4))
def test_batches_are_what_the_contract_allows_and_all_examples_are_in_them(total: int, most: int, step: int) -> None:
    limits = DimRange(1, most * step, step)
    x = np.arange(total * 2).reshape(total, 2)
    batches = batches_of({"x": x}, [ValueInfo("x", "int64", ("batch", 2))], {"batch": limits})
    assert np.array_equal(np.concatenate([batch["x"] for batch in batches]), x)
    assert all(limits.allows(len(batch["x"])) for batch in batches[:-1])
    assert all(len(batch["x"]) <= max(32, step) for batch in batches)


def test_inputs_without_a_common_first_axis_stay_whole() -> None:
    inputs = [ValueInfo("x", "float32", ("a", 2)), ValueInfo("y", "float32", ("b", 2))]
    arrays = {"x": np.zeros((50, 2)), "y": np.zeros((3, 2))}
    assert [len(batch["x"]) for batch in batches_of(arrays, inputs, {"a": DimRange(), "b": DimRange()})] == [50]
