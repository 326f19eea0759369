"""Normalization of parameters, against NumPy and through torch.nn.utils.parametrize."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from stackc.components.base import Misfit
from stackc.components.reparam import MinMax, Reparam, Standardize
from stackc.types import TensorType, shape

W = TensorType("float32", shape(6, 5, 4))


@pytest.fixture
def w() -> torch.Tensor:
    torch.manual_seed(0)
    return 3 + 2 * torch.randn(6, 5, 4, dtype=torch.float64)


@pytest.mark.parametrize("axes", [None, (0,), (1, 2), (-1,)])
def test_standardize_has_mean_0_and_standard_deviation_1(w: torch.Tensor, axes: tuple[int, ...] | None) -> None:
    a = w.numpy()
    expected = (a - a.mean(axis=axes, keepdims=True)) / (a.std(axis=axes, keepdims=True) + 1e-3)
    np.testing.assert_allclose(Standardize(axes, eps=1e-3).parametrization()(w), expected, rtol=1e-12)


def test_minmax_reaches_both_ends(w: torch.Tensor) -> None:
    a = w.numpy()
    y = MinMax(-1.0, 3.0).parametrization()(w).numpy()
    np.testing.assert_allclose(y, np.interp(a, [a.min(), a.max()], [-1.0, 3.0]), rtol=1e-12, atol=1e-12)
    assert (y.min(), y.max()) == (-1.0, 3.0)


@pytest.mark.parametrize(("reparam", "value"), [(Standardize(), 0.0), (MinMax(0.0, 1.0), 0.0)])
def test_equal_elements_stay_finite(reparam: Reparam, value: float) -> None:
    w = torch.full((3, 2), 7.0, requires_grad=True)
    y = reparam.parametrization()(w)
    torch.testing.assert_close(y, torch.full((3, 2), value))
    y.sum().backward()
    assert w.grad is not None
    assert w.grad.isfinite().all()


@pytest.mark.parametrize("reparam", [Standardize(axes=(1,)), MinMax()])
def test_trains_through_parametrize(reparam: Reparam) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(4, 3)
    parametrize.register_parametrization(linear, "weight", reparam.parametrization())
    assert sorted(linear.state_dict()) == ["bias", "parametrizations.weight.original"]
    original = linear.get_parameter("parametrizations.weight.original")
    linear(torch.randn(5, 4)).square().sum().backward()
    assert original.grad is not None
    assert original.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("reparam", "message", "field"),
    [
        (Standardize(axes=(3,)), "axis 3 is outside float32[6, 5, 4], which has 3 axes", "axes"),
        (Standardize(axes=(2, -1)), "axes [2, -1] name an axis of float32[6, 5, 4] twice", "axes"),
        (MinMax(1.0, -1.0), "minmax [1, -1] has to go from the lower to the higher end", None),
    ],
)
def test_error_misfit(reparam: Reparam, message: str, field: str | None) -> None:
    with pytest.raises(Misfit) as caught:
        reparam.check(W)
    assert (caught.value.message, caught.value.field) == (message, field)
