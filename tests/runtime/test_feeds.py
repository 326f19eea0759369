"""Feeds that do not fit, each with its whole text."""

import numpy as np
import pytest

from stackc.core.diagnostics import SpecError
from stackc.core.types import DimRange
from stackc.core.value_range import ValueRange
from stackc.runtime import Feeds, ValueInfo, check_feeds

INPUTS = (ValueInfo("ids", "int64", ("batch", "seq")), ValueInfo("mask", "int64", ("batch", "seq")))
ROWS = (ValueInfo("x", "float32", ("rows", 3)),)
SAME_SIZE = "a dim has the same size in all inputs"
CONTRACT = {"batch": DimRange(1, 4), "seq": DimRange(2, 16, 2)}


def ones(*shape: int, dtype: str = "int64") -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    return np.ones(shape, dtype)


def problems(inputs: tuple[ValueInfo, ...], feeds: Feeds) -> list[tuple[str, str, str | None]]:
    with pytest.raises(SpecError) as raised:
        check_feeds(inputs, feeds, CONTRACT)
    return [(d.code, d.message, d.hint) for d in raised.value.diagnostics]


@pytest.mark.parametrize("sizes", [(1, 2), (4, 16), (3, 6)])
def test_feeds_that_fit(sizes: tuple[int, int]) -> None:
    check_feeds(INPUTS, {"ids": ones(*sizes), "mask": ones(*sizes)}, CONTRACT)


def test_a_dim_that_no_contract_names_takes_any_size() -> None:
    check_feeds(ROWS, {"x": ones(0, 3, dtype="float32")})


def test_error_missing_and_unknown_are_reported_together() -> None:
    assert problems(INPUTS, {"ids": ones(1, 2), "maks": ones(1, 2)}) == [
        ("R412", "the model has no input 'maks'", "did you mean 'mask'?"),
        ("R411", "input 'mask' is missing", "it takes int64[batch, seq]"),
    ]


def test_error_dtype() -> None:
    assert problems(ROWS, {"x": ones(2, 3, dtype="float64")}) == [
        ("R413", "input 'x' takes float32, not float64", "convert it with .astype('float32')")
    ]


def test_error_byte_order() -> None:
    assert problems(ROWS, {"x": ones(2, 3, dtype=">f4")})[0][1] == "input 'x' takes float32, not >f4"


def test_error_rank() -> None:
    assert problems(ROWS, {"x": ones(3, dtype="float32")}) == [
        ("R414", "input 'x' takes 2 dims, not 1: (3,)", "it takes float32[rows, 3]")
    ]


def test_error_fixed_size() -> None:
    assert problems(ROWS, {"x": ones(2, 4, dtype="float32")}) == [
        ("R415", "axis 1 of input 'x' must be 3, but is 4", "it takes float32[rows, 3]")
    ]


def test_error_one_name_two_sizes() -> None:
    assert problems(INPUTS, {"ids": ones(1, 4), "mask": ones(1, 6)}) == [
        ("R416", "dim 'seq' is 6 at axis 1 of input 'mask', but 4 at axis 1 of input 'ids'", SAME_SIZE)
    ]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((1, 1), "dim 'seq' must be at least 2, but is 1 at axis 1 of input 'ids'"),
        ((5, 2), "dim 'batch' must be at most 4, but is 5 at axis 0 of input 'ids'"),
        ((1, 7), "dim 'seq' must be a multiple of 2, but is 7 at axis 1 of input 'ids'"),
    ],
)
def test_error_outside_the_contract_is_reported_once(sizes: tuple[int, int], message: str) -> None:
    feeds = {"ids": ones(*sizes), "mask": ones(*sizes)}
    assert problems(INPUTS, feeds) == [("R417", message, "the spec limits it under `dims:`")]


IDS = (ValueInfo("ids", "int64", ("batch", "seq"), ValueRange.ids(10)),)
MASK = (ValueInfo("mask", "int64", ("seq",), ValueRange(-1, 1, (-1, 1))),)
SCALAR = (ValueInfo("index", "int64", (), ValueRange.ids(3)),)
FLOATS = (ValueInfo("x", "float32", ("n",), ValueRange(0.1, 0.3)),)
ABOVE = (ValueInfo("x", "float32", ("n",), ValueRange(0.0)),)
BELOW = (ValueInfo("x", "int32", ("n", "m"), ValueRange(None, 2)),)
LISTED = (ValueInfo("x", "float32", ("n",), ValueRange(0.1, 0.7, (0.1, 0.7))),)
FLAGS = (ValueInfo("x", "bool", ("n",), ValueRange(1, 1, (1,))),)


def test_numbers_up_to_the_bound_and_those_of_the_list_are_taken() -> None:
    check_feeds(IDS, {"ids": np.arange(10).reshape(1, 10)}, CONTRACT)
    check_feeds(MASK, {"mask": np.array([-1, 1, 1, -1])}, CONTRACT)
    check_feeds(SCALAR, {"index": np.array(2)}, CONTRACT)
    check_feeds(IDS, {"ids": ones(0, 2)})
    check_feeds(FLOATS, {"x": np.array([0.1, 0.2, 0.3], np.float32)})
    check_feeds(LISTED, {"x": np.array([0.1, 0.7, 0.1], np.float32)})
    check_feeds(ABOVE, {"x": np.array([0, np.inf], np.float32)})


@pytest.mark.parametrize(
    ("inputs", "array", "message", "takes"),
    [
        (IDS, [[3, 9], [10, 4]], "input 'ids' holds 10 at [1, 0]", "whole numbers from 0 to 9"),
        (IDS, [[3, -1], [11, 4]], "input 'ids' holds -1 at [0, 1], and 1 more is wrong", "whole numbers from 0 to 9"),
        (MASK, [1, 0], "input 'mask' holds 0 at [1]", "-1, 1"),
        (IDS, [[-1, -1], [11, 4]], "input 'ids' holds -1 at [0, 0], and 2 more are wrong", "whole numbers from 0 to 9"),
        (SCALAR, 3, "input 'index' holds 3", "whole numbers from 0 to 2"),
        (FLOATS, [0.1, 0.30001], "input 'x' holds 0.30001 at [1]", "numbers from 0.1 to 0.3"),
        (FLOATS, [0.09999, 0.2], "input 'x' holds 0.09999 at [0]", "numbers from 0.1 to 0.3"),
        (FLOATS, [0.2, np.nan], "input 'x' holds nan at [1]", "numbers from 0.1 to 0.3"),
        (ABOVE, [-1.0, np.inf], "input 'x' holds -1.0 at [0]", "numbers of at least 0.0"),
        (BELOW, [[3, -9]], "input 'x' holds 3 at [0, 0]", "whole numbers of at most 2"),
        (LISTED, [0.1, 0.7, 0.2], "input 'x' holds 0.2 at [2]", "0.1, 0.7"),
        (FLAGS, [True, False], "input 'x' holds False at [1]", "1"),
    ],
)
def test_error_a_number_that_the_input_may_not_hold(
    inputs: tuple[ValueInfo, ...], array: object, message: str, takes: str
) -> None:
    assert problems(inputs, {inputs[0].name: np.array(array, inputs[0].dtype)}) == [
        ("R418", message, f"it takes {takes}")
    ]
