"""Pooling and unit length, against NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from stackc.components.base import SignatureError
from stackc.components.families.pool import (
    ArgMax,
    ArgMin,
    ClsPool,
    CumSum,
    L2Normalize,
    MaxPool,
    MeanPool,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceSum,
    Reduction,
)
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
X = TensorType("float32", shape(BATCH, SEQ, 8))
MASK = TensorType("int64", shape(BATCH, SEQ))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.bool])
def test_mean_pool_counts_the_kept_positions(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 3, 0, 1]]).to(dtype)
    kept = mask.numpy() != 0
    expected = [rows[keep].mean(axis=0) for rows, keep in zip(x.numpy(), kept, strict=True)]
    np.testing.assert_allclose(MeanPool().module(X, MASK)(x, mask), expected, rtol=1e-14)


def test_mean_pool_of_nothing_is_zero_and_padding_stays_out() -> None:
    x = torch.full((2, 3, 8), torch.nan)
    x[0, 0] = 1.0
    mask = torch.tensor([[1, 0, 0], [0, 0, 0]])
    torch.testing.assert_close(MeanPool().module(X, MASK)(x, mask), torch.tensor([[1.0] * 8, [0.0] * 8]))


def test_mean_pool_without_a_mask() -> None:
    x = torch.randn(3, 5, 8)
    np.testing.assert_allclose(MeanPool().module(X)(x), x.numpy().mean(axis=1), rtol=1e-5, atol=1e-7)


def test_cls_pool_is_the_first_position() -> None:
    x = torch.randn(3, 5, 8)
    np.testing.assert_array_equal(ClsPool().module(X)(x), x.numpy()[:, 0])


def test_l2_normalize_makes_length_1() -> None:
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    x[0, 0] = 0.0
    y = L2Normalize(axis=2).module(X)(x).numpy()
    length = np.linalg.norm(x.numpy(), axis=2, keepdims=True)
    np.testing.assert_allclose(y, x.numpy() / np.where(length == 0, 1, length), rtol=1e-14)


def test_l2_normalize_over_several_axes() -> None:
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    y = L2Normalize(axis=(0, -1)).module(X)(x).numpy()
    np.testing.assert_allclose(y, x.numpy() / np.sqrt((x.numpy() ** 2).sum(axis=(0, 2), keepdims=True)), rtol=1e-14)


def test_max_pool_over_the_kept_positions() -> None:
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 3, 0, 1]])
    expected = np.stack([x[0, :2].amax(0), np.zeros(8), x[2, [2, 4]].amax(0)])
    np.testing.assert_array_equal(MaxPool().module(X, MASK)(x, mask), expected)
    np.testing.assert_array_equal(MaxPool().module(X)(x), x.numpy().max(axis=1))


@pytest.mark.parametrize(
    ("kind", "formula"), [(ReduceMean, np.mean), (ReduceSum, np.sum), (ReduceMax, np.max), (ReduceMin, np.min)]
)
@pytest.mark.parametrize(("axis", "keepdim", "type_"), [(1, False, "[batch, 8]"), ((0, -1), True, "[1, seq, 1]")])
def test_reductions(
    kind: type[Reduction], formula: Any, axis: int | tuple[int, ...], keepdim: bool, type_: str
) -> None:
    x, component = torch.randn(3, 5, 8, dtype=torch.float64), kind(axis=axis, keepdim=keepdim)
    expected = formula(x.numpy(), axis=axis, keepdims=keepdim)
    np.testing.assert_allclose(component.module(X)(x), expected, rtol=1e-13, atol=1e-15)
    assert str(component.signature(X).outputs[0]) == f"float32{type_}"


def test_error_mask_of_another_shape(refused: Refused) -> None:
    error = refused(MeanPool(), X, MASK.with_shape(SEQ, BATCH))
    assert error.message == ("expects a mask int64[batch, seq] for float32[batch, seq, 8], got int64[seq, batch]")
    assert (error.code, error.port) == ("T201", "mask")


def test_error_mask_of_floats(refused: Refused) -> None:
    error = refused(MeanPool(), X, TensorType("float32", MASK.shape))
    assert error.message == "expects a mask of integers or booleans, got float32[batch, seq]"
    assert (error.code, error.port) == ("T203", "mask")


def test_error_no_sequence(refused: Refused) -> None:
    for component in (MeanPool(), ClsPool()):
        error = refused(component, X.with_shape(BATCH, 8))
        assert error.message == "expects [batch, seq, dim], got float32[batch, 8]"
        assert (error.code, error.port) == ("T201", "x")


def test_choices_and_cumulative_sums_are_those_of_numpy() -> None:
    x = np.array([[3.0, 1.0, 3.0], [-1.0, -1.0, 2.0]])
    type_ = TensorType("float64", shape(2, 3))
    for axis in (0, 1):
        np.testing.assert_array_equal(ArgMax(axis=axis).module(type_)(torch.from_numpy(x)), x.argmax(axis))
        np.testing.assert_array_equal(ArgMin(axis=axis).module(type_)(torch.from_numpy(x)), x.argmin(axis))
        np.testing.assert_array_equal(CumSum(axis=axis).module(type_)(torch.from_numpy(x)), x.cumsum(axis))
    assert ArgMax(axis=1, keepdim=True).signature(type_).outputs == (TensorType("int64", shape(2, 1)),)
    whole = torch.tensor([2, 3], dtype=torch.int32)
    assert CumSum().module(TensorType("int32", shape(2)))(whole).dtype == torch.int32
