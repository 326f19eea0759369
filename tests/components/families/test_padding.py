"""Entries around a tensor, against numpy.pad."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from stackc.components.base import SignatureError
from stackc.components.families.padding import Pad
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

IMAGE = TensorType("float64", shape(Dim.symbol("batch"), 3, Dim.symbol("height"), Dim.symbol("width")))


@pytest.mark.parametrize(
    ("fields", "widths", "options"),
    [
        ({"axis": 1, "before": 2, "value": 0.5}, ((0, 0), (2, 0), (0, 0), (0, 0)), {"constant_values": 0.5}),
        ({"axis": (3, 0), "before": (1, 0), "after": 2}, ((0, 2), (0, 0), (0, 0), (1, 2)), {}),
        ({"before": 1, "after": 3, "mode": "reflect"}, ((0, 0), (0, 0), (0, 0), (1, 3)), {"mode": "reflect"}),
        ({"axis": 2, "after": 2, "mode": "replicate"}, ((0, 0), (0, 0), (0, 2), (0, 0)), {"mode": "edge"}),
        ({"axis": (2, 3), "before": (4, 0), "after": (1, 5), "mode": "circular"},
         ((0, 0), (0, 0), (4, 1), (0, 5)), {"mode": "wrap"}),
        ({"axis": (2, 3), "before": 1, "after": (0, 2), "mode": "reflect"},
         ((0, 0), (0, 0), (1, 0), (1, 2)), {"mode": "reflect"}),
    ],
)  # fmt: skip
def test_pad(fields: dict[str, Any], widths: tuple[tuple[int, int], ...], options: dict[str, Any]) -> None:
    x, component = np.random.default_rng(0).standard_normal((2, 3, 4, 5)), Pad(**fields)
    y = component.module(IMAGE)(torch.from_numpy(x))
    np.testing.assert_array_equal(y, np.pad(x, widths, **options))
    sizes = {"batch": 2, "height": 4, "width": 5}
    assert tuple(d.evaluate(sizes) for d in component.signature(IMAGE).outputs[0].shape) == tuple(y.shape)


def test_a_mirror_needs_what_it_shows() -> None:
    (limit,) = Pad(axis=2, before=3, after=1, mode="reflect").signature(IMAGE).limits
    assert (str(limit.dim), limit.minimum) == ("height", 4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"axis": (2, -2)}, "axis [2, -2] must name one or more axes of float64[batch, 3, height, width], each once"),
        ({"axis": (2, 3), "before": (1, 2, 3)}, "before [1, 2, 3] must have one number per axis, 2 in total"),
        ({"axis": 1, "before": 1, "mode": "reflect"},
         "reflect pads the positions of [batch, channels, ...positions], not on float64[batch, 3, height, width]"),
        ({"value": 1.0, "mode": "replicate"}, "value has no effect with mode replicate"),
    ],
)  # fmt: skip
def test_error_pad(refused: Refused, fields: dict[str, Any], message: str) -> None:
    assert refused(Pad(**fields), IMAGE).message.startswith(message[:60])


def test_numbers_with_dims_fill_up_to_a_multiple() -> None:
    height = IMAGE.shape[2]
    component = Pad(axis=2, after=(height + 6) // 7 * 7 - height, value=2.0)
    (y,), (limit,) = component.signature(IMAGE).outputs, component.signature(IMAGE).limits
    assert (y.shape[2], limit.dim) == ((height + 6) // 7 * 7, Dim.of(0))
    for rows in (1, 6, 7, 8):
        x = np.random.default_rng(0).standard_normal((2, 3, rows, 5))
        expected = np.pad(x, ((0, 0), (0, 0), (0, -rows % 7), (0, 0)), constant_values=2.0)
        np.testing.assert_array_equal(component.module(IMAGE)(torch.from_numpy(x)), expected)


def test_numbers_of_another_tensor() -> None:
    like = TensorType("float64", shape(Dim.symbol("rows"), 2))
    component = Pad(before=Dim.symbol("rows"))
    y = component.module(IMAGE, like)(torch.ones(1, 3, 2, 2), torch.ones(4, 2))
    assert [*y.shape] == [
        d.evaluate({"batch": 1, "height": 2, "width": 2, "rows": 4}) for d in y_shape(component, like)
    ]
    np.testing.assert_array_equal(y[0, 0, 0], [0, 0, 0, 0, 1, 1])


def y_shape(component: Pad, like: TensorType) -> tuple[Dim, ...]:
    return component.signature(IMAGE, like).outputs[0].shape


def test_error_numbers_that_may_be_negative(refused: Refused) -> None:
    height, width = IMAGE.shape[2:]
    error = refused(Pad(axis=2, after=width - height), IMAGE)
    assert (error.message, error.field) == ("-height + width entries may be fewer than none", "after")
    assert error.hint == "fill up to a multiple, as in `(width + 31)//32*32 - width`, or remove entries by slice"


def test_error_a_ring_of_too_little(refused: Refused) -> None:
    (limit,) = Pad(axis=2, before=3, after=1, mode="circular").signature(IMAGE).limits
    assert (str(limit.dim), limit.minimum) == ("height", 3)
    error = refused(Pad(before=6, mode="circular"), IMAGE.with_shape(1, 3, 5))
    assert error.message == "cannot repeat 6 entries of an axis of 5: it must be longer"


def test_error_a_mirror_of_too_little(refused: Refused) -> None:
    error = refused(Pad(before=5, mode="reflect"), IMAGE.with_shape(1, 3, 5))
    assert error.message == "cannot mirror 5 entries of an axis of 5: it must be longer"
