"""Axes joined, split, exchanged and cut, against NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from stackc.components.base import Component, SignatureError
from stackc.components.families.layout import (
    Flatten,
    Permute,
    Reshape,
    Select,
    Slice,
    Split,
    Squeeze,
    Transpose,
    Unflatten,
    Unsqueeze,
)
from stackc.components.size_expressions import Variable
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

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
        (Unsqueeze(axis=-3), lambda a: a[:, :, None], "float32[2, 6, 1, height, width]"),
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


def test_split_and_squeeze() -> None:
    x = torch.randn(2, 6, 4, 5)
    first, rest = Split(axis=-3, size=4).module(X)(x)
    np.testing.assert_array_equal(first, x[:, :4])
    np.testing.assert_array_equal(rest, x[:, 4:])
    signature = Split(axis=2, size=4).signature(X)
    assert [str(t) for t in signature.outputs] == ["float32[2, 6, 4, width]", "float32[2, 6, height - 4, width]"]
    assert (signature.limits[0].dim, signature.limits[0].minimum) == (H, 5)
    single = X.with_shape(2, 1, 5)
    np.testing.assert_array_equal(Squeeze(axis=1).module(single)(x[:, :1, 0]), x[:, 0, 0])


def test_a_split_may_count_its_rest() -> None:
    x = torch.randn(2, 6, 4, 5)
    first, rest = Split(axis=2, size=-1).module(X)(x)
    np.testing.assert_array_equal(first, x[:, :, :-1])
    np.testing.assert_array_equal(rest, x[:, :, -1:])
    signature = Split(axis=2, size=-1).signature(X)
    assert [str(t) for t in signature.outputs] == ["float32[2, 6, height - 1, width]", "float32[2, 6, 1, width]"]


def test_error_nothing_is_left(refused: Refused) -> None:
    assert refused(Slice(axis=1, size=0), X).message == "size is 0, which leaves no entry"
    assert refused(Slice(axis=1, start=-1, size=-1), X).message == "no entry lies between -1 and the last 1"
    assert refused(Slice(axis=1, start=2, size=-4), X).message == (
        "an axis of 6 entries in float32[2, 6, height, width] has no entry 6"
    )


def test_error_squeeze_of_several(refused: Refused) -> None:
    error = refused(Squeeze(axis=2), X)
    assert error.message == "axis 2 of float32[2, 6, height, width] has size height, not 1"


BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
SEQUENCE = TensorType("float32", shape(BATCH, SEQ, 6))
ROWS = SEQUENCE.with_shape(BATCH * SEQ, 6)


@pytest.mark.parametrize(
    ("component", "x", "like", "expected", "written"),
    [
        (Slice(axis=1, size=SEQ - 1), SEQUENCE, None, lambda a: a[:, :-1], "x.narrow(1, 0, x.shape[1] - 1)"),
        (Slice(axis=1, start=1), SEQUENCE, None, lambda a: a[:, 1:], "x.narrow(1, 1, x.shape[1] - 1)"),
        (Slice(axis=1, size=-1), SEQUENCE, None, lambda a: a[:, :-1], "x.narrow(1, 0, x.shape[1] - 1)"),
        (Slice(axis=1, start=1, size=-2), SEQUENCE, None, lambda a: a[:, 1:-2], "x.narrow(1, 1, x.shape[1] - 3)"),
        (Slice(axis=1, start=-3, size=-1), SEQUENCE, None, lambda a: a[:, -3:-1], "x.narrow(1, -3, 2)"),
        (Slice(axis=1, start=-1), SEQUENCE, None, lambda a: a[:, -1:], "x.narrow(1, -1, 1)"),
        (Slice(axis=1, size=SEQ // 2), SEQUENCE, None, lambda a: a[:, :2], "x.narrow(1, 0, x.shape[1] // 2)"),
        (
            Reshape(shape=(BATCH * SEQ, 2, 3)),
            SEQUENCE,
            None,
            lambda a: a.reshape(20, 2, 3),
            "x.reshape(x.shape[0] * x.shape[1], 2, 3)",
        ),
        (Reshape(shape=(SEQ, -1)), SEQUENCE, None, lambda a: a.reshape(5, 24), "x.reshape(x.shape[1], -1)"),
        (
            Unflatten(axis=0, size=SEQ),
            ROWS,
            SEQUENCE,
            lambda a: a.reshape(4, 5, 6),
            "x.unflatten(0, (-1, like.shape[1]))",
        ),
        (
            Reshape(shape=(BATCH, SEQ, 6)),
            ROWS,
            SEQUENCE.with_shape(2 * SEQ + 1),
            lambda a: a.reshape(4, 5, 6),
            None,
        ),
    ],
)
def test_sizes_by_dims(
    component: Component,
    x: TensorType,
    like: TensorType | None,
    expected: Callable[[np.ndarray], np.ndarray],
    written: str | None,
) -> None:
    if written is None:
        with pytest.raises(SignatureError, match="no axis of an input determines batch"):
            component.signature(x, like)
        return

    sizes = {"batch": 4, "seq": 5}
    tensors = [None if t is None else torch.randn([d.evaluate(sizes) for d in t.shape]) for t in (x, like)]
    assert tensors[0] is not None
    y = component.module(x, like)(*(t for t in tensors if t is not None))
    np.testing.assert_array_equal(y, expected(tensors[0].numpy()))
    assert tuple(d.evaluate(sizes) for d in component.signature(x, like).outputs[0].shape) == tuple(y.shape)
    variables = [Variable.of(name, t) for name, t in (("x", x), ("like", like)) if t]
    assert component.expression(*variables) == written


def test_error_sizes_by_dims(refused: Refused) -> None:
    error = refused(Unflatten(axis=0, size=SEQ), ROWS)
    assert error.message == "size seq cannot be computed: no axis of an input determines seq"
    assert error.hint == "draw an arrow into `like` from something that has an axis seq"
    error = refused(Slice(axis=1, start=1, size=SEQ), SEQUENCE)
    assert error.message == "seq entries from 1 on may exceed the seq of axis 1 of float32[batch, seq, 6]"
    error = refused(Reshape(shape=(BATCH * SEQ, 4)), SEQUENCE)
    assert error.message == "cannot reshape float32[batch, seq, 6] to [batch*seq, 4]"
    error = refused(Unflatten(axis=-1, size=2), SEQUENCE, SEQUENCE)
    assert (error.message, error.port) == ("like is unused: all sizes are numbers", "like")
    least, left = Slice(axis=1, start=1, size=SEQ // 2).signature(SEQUENCE).limits
    assert (str(least.dim), least.minimum, str(left.dim), left.minimum) == ("seq//2", 1, "seq - 2", 0)


def test_error_layout(refused: Refused) -> None:
    assert refused(Flatten(start=3, end=1), X).message == "start 3 is after end 1 in float32[2, 6, height, width]"
    assert refused(Unflatten(axis=1, size=4), X).message.startswith("size 4 does not divide 6, axis 1 of")
    error = refused(Permute(order=(0, 1, -3, 3)), X)
    assert error.message == "order [0, 1, -3, 3] must name each axis of float32[2, 6, height, width] exactly once"
    assert error.hint == "its axes are 0, 1, 2, 3"


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((-1, 6, -1), "shape [-1, 6, -1] has more than one -1"),
        ((2, 6, 0, 0, 0), "shape [2, 6, 0, 0, 0] copies a size that float32[2, 6, height, width] does not have"),
        ((5, -1), "cannot reshape float32[2, 6, height, width] to [5, -1]"),
        ((3, 3, 0, 0), "cannot reshape float32[2, 6, height, width] to [3, 3, 0, 0]"),
        ((12, 20), "cannot reshape float32[2, 6, height, width] to [12, 20]"),
    ],
)
def test_error_reshape(refused: Refused, shape: tuple[int, ...], message: str) -> None:
    assert refused(Reshape(shape=shape), X).message == message


def test_error_entries(refused: Refused) -> None:
    assert refused(Select(axis=1, index=6), X).message == (
        "an axis of 6 entries in float32[2, 6, height, width] has no entry 6"
    )
    assert refused(Slice(axis=1, start=-2, size=3), X).message == "3 entries from -2 on extend beyond the end"
    (limit,) = Slice(axis=2, start=1, size=3).signature(X).limits
    assert (limit.dim, limit.minimum) == (H, 4)
