"""Reparametrizations, against NumPy and through torch.nn.utils.parametrize."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from stackc.components.base import SignatureError
from stackc.components.reparam import MinMax, Reparam, SpectralNorm, Standardize, WeightNorm
from stackc.core.types import TensorType, shape

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


@pytest.mark.parametrize("reparam", [Standardize(axes=(1,)), MinMax(), SpectralNorm()])
def test_trains_through_parametrize(reparam: Reparam) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(4, 3)
    parametrize.register_parametrization(linear, "weight", reparam.parametrization())
    assert [name for name, _ in linear.named_parameters()] == ["bias", "parametrizations.weight.original"]
    original = linear.get_parameter("parametrizations.weight.original")
    linear(torch.randn(5, 4)).square().sum().backward()
    assert original.grad is not None
    assert original.grad.abs().max() > 0


def reparametrized(module: nn.Module, reparam: Reparam) -> nn.Module:
    parametrize.register_parametrization(module, "weight", reparam.parametrization())
    return module


def declared(reparam: Reparam, weight: torch.Tensor | nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the state that stackc declares for a weight, under PyTorch's names."""
    assert isinstance(weight, torch.Tensor)
    type_ = TensorType("float32", shape(*weight.shape))
    stored = {**reparam.originals(type_), **reparam.buffers(type_)}
    return {f"parametrizations.weight.{n}": tuple(d.evaluate({}) for d in t.shape) for n, t in stored.items()}


MODULES = [
    lambda: nn.Linear(4, 3, bias=False),
    lambda: nn.Conv2d(2, 5, 3, bias=False),
    lambda: nn.ConvTranspose2d(2, 5, 3, bias=False),
]


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("axis", [0, 1])
def test_weight_norm_is_that_of_torch(make: Callable[[], nn.Module], axis: int) -> None:
    torch.manual_seed(0)
    theirs = torch.nn.utils.parametrizations.weight_norm(make(), dim=axis)
    ours = reparametrized(make(), WeightNorm(axis))
    assert {name: tuple(t.shape) for name, t in ours.state_dict().items()} == declared(WeightNorm(axis), theirs.weight)
    torch.testing.assert_close(ours.weight, ours.get_parameter("parametrizations.weight.original1"))
    state = {name: t + 0.5 * torch.rand_like(t) for name, t in theirs.state_dict().items()}
    theirs.load_state_dict(state)
    ours.load_state_dict(state)
    torch.testing.assert_close(ours.weight, theirs.weight)


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("axis", [0, 1])
def test_spectral_norm_is_that_of_torch(make: Callable[[], nn.Module], axis: int) -> None:
    torch.manual_seed(0)
    theirs = torch.nn.utils.parametrizations.spectral_norm(make(), dim=axis, n_power_iterations=2)
    ours = reparametrized(make(), SpectralNorm(axis, iterations=2))
    assert {name: tuple(t.shape) for name, t in ours.state_dict().items()} == declared(
        SpectralNorm(axis), theirs.weight
    )
    ours.load_state_dict(theirs.state_dict())
    for training in (True, False):
        ours.train(training)
        theirs.train(training)
        torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_spectral_norm_starts_near_a_largest_singular_value_of_1() -> None:
    torch.manual_seed(0)
    module = reparametrized(nn.Linear(8, 6), SpectralNorm()).eval()
    assert torch.linalg.matrix_norm(module.weight, 2).item() == pytest.approx(1.0, abs=0.02)
    state = {name: t.clone() for name, t in module.state_dict().items()}
    module(torch.randn(2, 8))
    torch.testing.assert_close(module.state_dict(), state, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("reparam", "message", "field"),
    [
        (Standardize(axes=(3,)), "axis 3 is out of range for float32[6, 5, 4], which has 3 axes", "axes"),
        (Standardize(axes=(2, -1)), "axes [2, -1] names an axis of float32[6, 5, 4] twice", "axes"),
        (WeightNorm(axis=3), "axis 3 is out of range for float32[6, 5, 4], which has 3 axes", "axis"),
        (SpectralNorm(axis=-4), "axis -4 is out of range for float32[6, 5, 4], which has 3 axes", "axis"),
        (MinMax(1.0, -1.0), "minmax [1, -1] must give the lower end first", None),
    ],
)
def test_error_misfit(reparam: Reparam, message: str, field: str | None) -> None:
    with pytest.raises(SignatureError) as caught:
        reparam.check(W)
    assert (caught.value.message, caught.value.field) == (message, field)
