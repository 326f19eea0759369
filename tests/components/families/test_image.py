"""Pooling and resampling of images, against NumPy."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stackc.components.base import SignatureError
from stackc.components.families.image import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AvgPool1d,
    AvgPool2d,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool1d,
    MaxPool2d,
    PixelShuffle,
    Upsample,
)
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

IMAGE = TensorType("float32", shape(Dim.symbol("batch"), 3, Dim.symbol("height", 2), Dim.symbol("width", 2)))


def test_windows_of_two_halve_the_sizes() -> None:
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    windows = x.numpy().reshape(2, 3, 2, 2, 3, 2)
    np.testing.assert_array_equal(MaxPool2d(kernel=2).module(IMAGE)(x), windows.max(axis=(3, 5)))
    np.testing.assert_allclose(AvgPool2d(kernel=2).module(IMAGE)(x), windows.mean(axis=(3, 5)), rtol=1e-14)
    assert str(MaxPool2d(kernel=2).signature(IMAGE).outputs[0]) == "float32[batch, 3, height/2, width/2]"


def test_what_lies_outside_is_zero_to_the_mean_and_nothing_to_the_maximum() -> None:
    x = torch.full((1, 1, 2, 2), -1.0)
    padded: dict[str, Any] = {"kernel": 2, "stride": 2, "padding": 1}
    assert MaxPool2d(**padded).module(IMAGE)(x).flatten().tolist() == [-1.0] * 4
    assert AvgPool2d(**padded).module(IMAGE)(x).flatten().tolist() == [-0.25] * 4


def test_each_axis_may_have_numbers_of_its_own() -> None:
    x = torch.randn(2, 3, 6, 9, dtype=torch.float64)
    image = TensorType("float32", shape(2, 3, 6, 9))
    strips = x.numpy().reshape(2, 3, 6, 3, 3).max(axis=4)
    np.testing.assert_array_equal(MaxPool2d(kernel=(1, 3)).module(image)(x), strips)
    mean = F.avg_pool2d(x, (3, 2), (1, 2), (1, 0))
    average = AvgPool2d(kernel=(3, 2), stride=(1, 2), padding=(1, 0))
    np.testing.assert_array_equal(average.module(image)(x), mean)
    assert average.signature(image).outputs == (image.with_shape(*mean.shape),)
    wide = Upsample(scale=(1, 3))
    np.testing.assert_array_equal(wide.module(image)(x), x.numpy().repeat(3, axis=3))
    assert wide.signature(image).outputs == (image.with_shape(2, 3, 6, 27),)


def test_global_pools() -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    np.testing.assert_allclose(GlobalAvgPool().module(IMAGE)(x), x.numpy().mean(axis=(2, 3)), rtol=1e-13)
    np.testing.assert_array_equal(GlobalMaxPool().module(IMAGE)(x), x.numpy().max(axis=(2, 3)))


def test_upsample() -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    near = Upsample(scale=3).module(IMAGE)(x)
    np.testing.assert_array_equal(near, x.numpy().repeat(3, axis=2).repeat(3, axis=3))
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    smooth = Upsample(scale=2, mode="bilinear").module(IMAGE)(ramp)
    assert smooth[0, 0, 3].tolist() == [0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]


def test_error_padding_and_layout(refused: Refused) -> None:
    error = refused(MaxPool2d(kernel=3, padding=2), IMAGE)
    assert (error.message, error.field) == ("padding 2 exceeds half the window 3", "padding")
    error = refused(GlobalAvgPool(), IMAGE.with_shape(4, 3))
    assert error.message == "expects [batch, channels, ...positions], got float32[4, 3]"


def test_windows_of_a_sequence() -> None:
    sequence = TensorType("float32", shape(2, 3, Dim.symbol("length")))
    x = torch.randn(2, 3, 7, dtype=torch.float64)
    windows = x.numpy()[:, :, :6].reshape(2, 3, 3, 2)
    np.testing.assert_array_equal(MaxPool1d(kernel=2).module(sequence)(x), windows.max(axis=3))
    np.testing.assert_allclose(AvgPool1d(kernel=2).module(sequence)(x), windows.mean(axis=3), rtol=1e-14)
    last = MaxPool1d(kernel=2, ceil_mode=True)
    np.testing.assert_array_equal(last.module(sequence)(x)[:, :, 3], x[:, :, 6])
    assert str(last.signature(sequence).outputs[0]) == "float32[2, 3, (length + 1)//2]"


def test_error_a_last_window_without_anything(refused: Refused) -> None:
    error = refused(MaxPool2d(kernel=2, stride=3, ceil_mode=True), IMAGE)
    assert error.message == "with ceil_mode the last window could be empty: kernel 2 is below 3"


def test_means_of_parts() -> None:
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    component, expected = AdaptiveAvgPool2d(size=(2, 1)), F.adaptive_avg_pool2d(x, (2, 1))
    torch.testing.assert_close(component.module(IMAGE)(x), expected)
    fixed = IMAGE.with_shape(2, 3, 4, 6)
    torch.testing.assert_close(AdaptiveAvgPool2d(size=4).module(fixed)(x), F.adaptive_avg_pool2d(x, 4))
    assert str(component.signature(IMAGE).outputs[0]) == "float32[batch, 3, 2, 1]"


@pytest.mark.parametrize("kind", [AdaptiveAvgPool1d, AdaptiveMaxPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool2d])
def test_parts_of_any_size_are_pytorch_s(kind: Any) -> None:
    """The form that an export takes, below, at and above the number of parts."""
    rank, function = int(kind.op[-2]), getattr(F, kind.op)
    image = TensorType("float32", shape(2, 3, *[Dim.symbol("a"), Dim.symbol("b")][:rank]))
    module = kind(size=(3, 4)[:rank]).module(image)
    exported = module.export_forward(18, "onnx")
    for sizes in itertools.product(range(1, 9), repeat=rank):
        x = torch.randn(2, 3, *sizes, dtype=torch.float64)
        expected = function(x, (3, 4)[:rank])
        torch.testing.assert_close(module(x), expected)
        torch.testing.assert_close(exported(x), expected)


def test_partial_windows_and_their_counts_are_pytorch_s() -> None:
    for counted, padding in itertools.product([False, True], [0, 1]):
        x = torch.randn(2, 3, 7, 8, dtype=torch.float64)
        fields: dict[str, Any] = {"kernel": 3, "stride": 2, "padding": padding, "ceil_mode": True}
        component = AvgPool2d(**fields, count_include_pad=counted)
        expected = F.avg_pool2d(x, 3, 2, padding, ceil_mode=True, count_include_pad=counted)
        torch.testing.assert_close(component.module(IMAGE)(x), expected)
        image = IMAGE.with_shape(2, 3, 7, 8)
        assert component.signature(image).outputs == (image.with_shape(*expected.shape),)


def test_global_pools_that_keep_the_axes() -> None:
    x = torch.randn(2, 3, 4, 5)
    for component, expected in (
        (GlobalAvgPool(keepdim=True), x.mean((2, 3))),
        (GlobalMaxPool(keepdim=True), x.amax((2, 3))),
    ):
        torch.testing.assert_close(component.module(IMAGE)(x), expected[:, :, None, None])
        assert str(component.signature(IMAGE).outputs[0]) == "float32[batch, 3, 1, 1]"


def test_channels_become_positions(refused: Refused) -> None:
    x = torch.randn(2, 8, 3, 5)
    image = IMAGE.with_shape(2, 8, *IMAGE.shape[2:])
    expected = x.numpy().reshape(2, 2, 2, 2, 3, 5).transpose(0, 1, 4, 2, 5, 3).reshape(2, 2, 6, 10)
    np.testing.assert_array_equal(PixelShuffle(factor=2).module(image)(x), expected)
    assert refused(PixelShuffle(factor=3), image).message == "factor² = 9 does not divide channels 8"
