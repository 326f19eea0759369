"""`padding: same` of pools is TensorFlow's SAME, pools of volumes are PyTorch's, grid_sample is PyTorch's."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stackc.components import REGISTRY
from stackc.components.base import Component, SignatureError
from stackc.core.types import Dim, TensorType, shape

BATCH, LENGTH, HEIGHT, WIDTH = (Dim.symbol(name) for name in ("batch", "length", "height", "width"))
WAVE = TensorType("float32", shape(BATCH, 2, LENGTH))
IMAGE = TensorType("float32", shape(BATCH, 2, HEIGHT, WIDTH))
CLIP = TensorType("float32", shape(BATCH, 2, 5, HEIGHT, WIDTH))


def windows(n: int, kernel: int, stride: int) -> list[tuple[int, int]]:
    """The start and end of each window of TensorFlow's SAME, as its documentation defines them."""
    count = -(-n // stride)
    total = max((count - 1) * stride + kernel - n, 0)
    return [(i * stride - total // 2, i * stride - total // 2 + kernel) for i in range(count)]


def make(op: str, **fields: Any) -> Component:
    return REGISTRY[op](**fields)


@pytest.mark.parametrize(("kernel", "stride"), [*itertools.product([1, 2, 3, 4], [1, 2, 3])])
def test_same_is_that_of_tensorflow(kernel: int, stride: int) -> None:
    for n in (1, 2, 5, 8):
        x = torch.randn(2, 2, n, dtype=torch.float64)
        parts = [x[..., max(start, 0) : end] for start, end in windows(n, kernel, stride)]
        expected = {
            "max_pool1d": [part.amax(-1) for part in parts],
            "avg_pool1d": [part.sum(-1) / kernel for part in parts],
            "without zeros": [part.mean(-1) for part in parts],
        }
        for name, columns in expected.items():
            fields = {"count_include_pad": False} if name == "without zeros" else {}
            op = "avg_pool1d" if fields else name
            component = make(op, kernel=kernel, stride=stride, padding="same", **fields)
            torch.testing.assert_close(component.module(WAVE)(x), torch.stack(columns, -1), rtol=1e-12, atol=1e-12)
            assert component.signature(WAVE).outputs[0].shape[2].evaluate({"length": n}) == len(parts)


def test_same_pads_each_axis_by_itself() -> None:
    x = torch.randn(1, 2, 5, 7)
    y = make("max_pool2d", kernel=(3, 2), stride=(2, 3), padding="same").module(IMAGE)(x)
    for i, (top, bottom) in enumerate(windows(5, 3, 2)):
        for j, (left, right) in enumerate(windows(7, 2, 3)):
            assert torch.equal(y[..., i, j], x[..., max(top, 0) : bottom, max(left, 0) : right].amax((2, 3)))


def test_same_has_no_ceil_mode(refused: Callable[..., SignatureError]) -> None:
    error = refused(make("max_pool2d", kernel=2, padding="same", ceil_mode=True), IMAGE)
    assert (error.code, error.field, error.hint) == ("T208", "ceil_mode", "remove ceil_mode: same rounds up by itself")


@pytest.mark.parametrize(
    ("op", "fields", "expected"),
    [
        ("max_pool3d", {"kernel": (2, 3, 2), "stride": 2}, lambda x: F.max_pool3d(x, (2, 3, 2), 2)),
        ("avg_pool3d", {"kernel": 3, "padding": 1}, lambda x: F.avg_pool3d(x, 3, 3, 1)),
    ],
)
def test_pools_of_volumes_are_those_of_pytorch(op: str, fields: dict[str, Any], expected: Any) -> None:
    x = torch.randn(2, 2, 5, 7, 6)
    torch.testing.assert_close(make(op, **fields).module(CLIP)(x), expected(x))


def test_a_mean_over_volumes_needs_an_axis_as_long_as_its_window() -> None:
    """PyTorch refuses a longer window whatever the padding, where its maximum does not."""
    component = make("avg_pool3d", kernel=3, padding=1)
    assert [(str(limit.dim), limit.minimum) for limit in component.signature(CLIP).limits] == [
        ("height", 3),
        ("width", 3),
    ]
    with pytest.raises(RuntimeError, match="smaller than kernel size"):
        component.module(CLIP)(torch.randn(1, 2, 5, 2, 4))
    assert make("max_pool3d", kernel=3, padding=1).module(CLIP)(torch.randn(1, 2, 5, 2, 4)).numel()


def test_a_transposed_convolution_of_volumes_is_the_adjoint_of_conv3d() -> None:
    """⟨conv(a), b⟩ = ⟨a, convᵀ(b)⟩."""
    spread = make("conv_transpose3d", out=3, kernel=(2, 3, 2), stride=(1, 2, 1), padding=(0, 1, 0), bias=False)
    module = spread.module(CLIP).double()
    b = torch.randn(1, 2, 4, 3, 5, dtype=torch.float64)
    a = torch.randn(1, 3, 5, 5, 6, dtype=torch.float64)
    convolved = F.conv3d(a, module.get_parameter("weight"), stride=(1, 2, 1), padding=(0, 1, 0))
    torch.testing.assert_close((convolved * b).sum(), (a * module(b)).sum())


def test_a_grid_of_pixels_samples_the_image() -> None:
    """With align_corners the places 2i / (n − 1) − 1 are the pixels themselves."""
    x = torch.randn(2, 2, 4, 5)
    rows, columns = torch.linspace(-1, 1, 4), torch.linspace(-1, 1, 5)
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).expand(2, 4, 5, 2)
    types = IMAGE, TensorType("float32", shape(BATCH, HEIGHT, WIDTH, 2))
    y = make("grid_sample", align_corners=True).module(*types)(x, grid)
    np.testing.assert_allclose(y, x, atol=1e-6)
    flipped = make("grid_sample", align_corners=True).module(*types)(x, -grid)
    np.testing.assert_allclose(flipped, x.flip((2, 3)), atol=1e-6)


def test_only_the_nearest_pixel_jumps() -> None:
    assert [make("grid_sample", mode=mode).is_step for mode in ("bilinear", "nearest", "bicubic")] == [0, 1, 0]


def test_a_grid_of_another_batch_is_refused(refused: Callable[..., SignatureError]) -> None:
    error = refused(make("grid_sample"), IMAGE, TensorType("float32", shape(3, HEIGHT, WIDTH, 2)))
    assert error.message == "expects a grid float32[batch, rows, columns, 2], got float32[3, height, width, 2]"
