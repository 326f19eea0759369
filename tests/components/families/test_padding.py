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


def test_error_a_mirror_of_too_little(refused: Refused) -> None:
    error = refused(Pad(before=5, mode="reflect"), IMAGE.with_shape(1, 3, 5))
    assert error.message == "cannot mirror 5 entries of an axis of 5: it must be longer"
