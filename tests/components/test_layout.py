"""Axes joined, split, exchanged and cut, against NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from stackc.components.base import Component, Misfit
from stackc.components.layout import Flatten, Permute, Reshape, Select, Slice, Transpose, Unflatten
from stackc.types import Dim, TensorType, shape

Refused = Callable[..., Misfit]

H, W = Dim.symbol("height"), Dim.symbol("width")
X = TensorType("float32", shape(2, 6, H, W))


@pytest.mark.parametrize(
    ("component", "expected", "type_"),
    [
        (Flatten(start=2), lambda a: a.reshape(2, 6, 20), "float32[2, 6, height*width]"),
        (Flatten(start=-4, end=1), lambda a: a.reshape(12, 4, 5), "float32[12, height, width]"),
        (Unflatten(axis=1, size=3), lambda a: a.reshape(2, 2, 3, 4, 5), "float32[2, 2, 3, height, width]"),
        (Transpose(axis0=1, axis1=-1), lambda a: a.swapaxes(1, 3), "float32[2, width, height, 6]"),
        (Permute(order=(0, 2, 3, 1)), lambda a: a.transpose(0, 2, 3, 1), "float32[2, height, width, 6]"),
        (Permute(order=(0, -2, 3, 1)), lambda a: a.transpose(0, 2, 3, 1), "float32[2, height, width, 6]"),
        (Unflatten(axis=1, size=(3, 1)), lambda a: a.reshape(2, 2, 3, 1, 4, 5), "float32[2, 2, 3, 1, height, width]"),
        (Reshape(shape=(0, 3, -1)), lambda a: a.reshape(2, 3, 40), "float32[2, 3, 2*height*width]"),
        (Reshape(shape=(2, 3, 2, -1, 1)), lambda a: a.reshape(2, 3, 2, 20, 1), "float32[2, 3, 2, height*width, 1]"),
        (Reshape(shape=(4, 3, 0, 0)), lambda a: a.reshape(4, 3, 4, 5), "float32[4, 3, height, width]"),
        (Select(axis=1, index=-2), lambda a: a[:, 4], "float32[2, height, width]"),
        (Slice(axis=1, start=1, size=3), lambda a: a[:, 1:4], "float32[2, 3, height, width]"),
        (Slice(axis=2, start=-2, size=2), lambda a: a[:, :, -2:], "float32[2, 6, 2, width]"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Component) else "",
)
def test_layout(component: Component, expected: Callable[[np.ndarray], np.ndarray], type_: str) -> None:
    x = torch.randn(2, 6, 4, 5)
    np.testing.assert_array_equal(component.module(X)(x), expected(x.numpy()))
    assert str(component.signature(X).outputs[0]) == type_


def test_error_layout(refused: Refused) -> None:
    assert refused(Flatten(start=3, end=1), X).message == "start 3 is behind end 1 in float32[2, 6, height, width]"
    assert refused(Unflatten(axis=1, size=4), X).message.startswith("size 4 does not divide 6, axis 1 of")
    misfit = refused(Permute(order=(0, 1, -3, 3)), X)
    assert misfit.message == "order [0, 1, -3, 3] does not name each axis of float32[2, 6, height, width] once"
    assert misfit.hint == "its axes are 0, 1, 2, 3"


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((-1, 6, -1), "shape [-1, 6, -1] leaves more than one size open"),
        ((2, 6, 0, 0, 0), "shape [2, 6, 0, 0, 0] takes a size that float32[2, 6, height, width] does not have"),
        ((5, -1), "the elements of float32[2, 6, height, width] do not make a shape [5, -1]"),
        ((3, 3, 0, 0), "the elements of float32[2, 6, height, width] do not make a shape [3, 3, 0, 0]"),
        ((12, 20), "the elements of float32[2, 6, height, width] do not make a shape [12, 20]"),
    ],
)
def test_error_reshape(refused: Refused, shape: tuple[int, ...], message: str) -> None:
    assert refused(Reshape(shape=shape), X).message == message


def test_error_entries(refused: Refused) -> None:
    assert refused(Select(axis=1, index=6), X).message == (
        "an axis of 6 entries in float32[2, 6, height, width] has no entry 6"
    )
    assert refused(Slice(axis=1, start=-2, size=3), X).message == "3 entries from -2 on reach beyond the end"
    (limit,) = Slice(axis=2, start=1, size=3).signature(X).limits
    assert (limit.dim, limit.minimum) == (H, 4)
