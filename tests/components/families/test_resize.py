"""Resizing against torch.nn.functional.interpolate, in the form of the module and in the form of the export."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from stackc.components.base import SignatureError
from stackc.components.families.resize import Resize
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

HEIGHT, WIDTH, ROWS = (Dim.symbol(name) for name in ("height", "width", "rows"))
IMAGE = TensorType("float32", shape(Dim.symbol("batch"), 3, HEIGHT, WIDTH))
LIKE = TensorType("float32", shape(1, 1, ROWS, ROWS + 1))


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
def test_sizes_of_another_tensor(mode: Any, antialias: bool) -> None:
    """Sizes 1, below, equal and above; the form of an export computes in whole numbers, so in float64 it is exact."""
    if antialias and "nearest" in mode:
        return
    module: Any = Resize(mode=mode, antialias=antialias).module(IMAGE, LIKE)
    exported = module.export_forward(18, "onnx")
    for height, width, rows in itertools.product((1, 2, 3, 7, 12), (1, 5, 9), (1, 2, 3, 6, 11)):
        x, like = torch.randn(2, 3, height, width, dtype=torch.float64), torch.zeros(1, 1, rows, rows + 1)
        expected = F.interpolate(x, (rows, rows + 1), mode=mode, antialias=antialias)
        torch.testing.assert_close(module(x, like), expected)
        torch.testing.assert_close(exported(x, like), expected)


def test_nearest_entries_are_exact_where_float32_rounds_to_another() -> None:
    x = torch.arange(2.0).reshape(1, 1, 1, 2)
    module: Any = Resize(size=(1, 82)).module(IMAGE.with_shape(1, 1, HEIGHT, WIDTH))
    expected = (torch.arange(82) * 2 // 82).double()
    assert torch.equal(module(x.double())[0, 0, 0], expected)
    assert torch.equal(module.export_forward(18, "onnx")(x)[0, 0, 0].double(), expected)
    assert not torch.equal(F.interpolate(x, (1, 82))[0, 0, 0].double(), expected)


@pytest.mark.parametrize(("scale", "sizes"), [(2.0, (10, 14)), ((1.5, 0.5), (7, 3)), (2.25, (11, 15))])
@pytest.mark.parametrize("corners", [False, True])
def test_factors(scale: Any, sizes: tuple[int, int], corners: bool) -> None:
    x, component = (
        torch.randn(1, 3, 5, 7, dtype=torch.float64),
        Resize(scale=scale, mode="bilinear", align_corners=corners),
    )
    expected = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=corners)
    torch.testing.assert_close(component.module(IMAGE)(x), expected)
    (y,) = component.signature(IMAGE).outputs
    assert tuple(d.evaluate({"height": 5, "width": 7}) for d in y.shape[2:]) == sizes == expected.shape[2:]


def test_sequences() -> None:
    x, sequence = torch.randn(2, 3, 7, dtype=torch.float64), TensorType("float32", shape(1, 3, WIDTH))
    cases: list[dict[str, Any]] = [{"size": 2 * WIDTH + 1}, {"scale": 1.5}, {"size": 4, "align_corners": True}]
    for fields in cases:
        component = Resize(mode="linear", **fields)
        (y,) = component.signature(sequence).outputs
        size = y.shape[2].evaluate({"width": 7})
        corners = bool(fields.get("align_corners"))
        expected = F.interpolate(x, size if "scale" not in fields else None, fields.get("scale"), "linear", corners)
        torch.testing.assert_close(component.module(sequence)(x), expected)


def test_sizes_that_are_a_factor_are_one_operator() -> None:
    """An exact factor keeps ONNX's own Resize; coordinates that a rounded factor would spoil do not."""
    for size, kind in (((2 * HEIGHT, 4 * WIDTH), "ResizeByFactor"), ((HEIGHT, 2 * WIDTH + 1), "Resize")):
        assert type(Resize(size=size, mode="bilinear").module(IMAGE)).__name__ == kind


@pytest.mark.parametrize(
    ("fields", "like", "message"),
    [
        ({}, None, "needs a size, a scale, or a tensor like which it is resized"),
        ({"size": 4, "scale": 2.0}, None, "size and scale exclude each other"),
        ({"size": (4, 4, 4)}, None, "size must have a number for each of height, width, but has 3"),
        ({"size": 4}, LIKE, "like is unused: all sizes are clear without it"),
        ({"size": ROWS}, None, "size rows cannot be computed: no axis of an input determines rows"),
        ({"mode": "linear", "size": 4}, None,
         "mode linear expects [batch, channels, length], got float32[batch, 3, height, width]"),
        ({"antialias": True, "size": 4}, None, "antialias has no effect with mode nearest"),
        ({"antialias": True, "align_corners": True, "mode": "bilinear", "size": 4}, None,
         "antialias and align_corners exclude each other, as in ONNX"),
        ({"antialias": True, "scale": 0.5, "mode": "bilinear"}, None, "antialias takes sizes, not factors"),
        ({"scale": 1.2}, None, "scale 1.2 cannot be calculated exactly"),
    ],
)  # fmt: skip
def test_error_resize(refused: Refused, fields: dict[str, Any], like: TensorType | None, message: str) -> None:
    assert refused(Resize(**fields), IMAGE, like).message == message


def test_error_a_factor_is_written_as_sizes(refused: Refused) -> None:
    assert refused(Resize(scale=1.2), IMAGE).hint == "write sizes, as in `size: [(6*height)//5, (6*width)//5]`"
    (y,) = Resize(size=(6 * HEIGHT // 5, 6 * WIDTH // 5)).signature(IMAGE).outputs
    assert str(y) == "float32[batch, 3, (6*height)//5, (6*width)//5]"
