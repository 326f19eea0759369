"""Activations, against closed forms in NumPy."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stackc.components.base import Component, SignatureError
from stackc.components.families.activation import (
    Celu,
    Dropout,
    Elu,
    Gelu,
    Glu,
    Hardswish,
    LeakyRelu,
    LogSigmoid,
    LogSoftmax,
    Mish,
    Prelu,
    QuickGelu,
    Relu,
    Relu6,
    Selu,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from stackc.components.families.threshold import Hardshrink, Hardsigmoid, Softshrink, Threshold
from stackc.core.types import Dim, TensorType, shape

Array = NDArray[np.float64]
Refused = Callable[..., SignatureError]

X = TensorType("float64", shape(Dim.symbol("batch"), 101))


erf = np.vectorize(math.erf)

FORMULAS: list[tuple[Component, Callable[[Array], Array]]] = [
    (Relu(), lambda x: np.maximum(x, 0)),
    (Tanh(), np.tanh),
    (Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
    (Silu(), lambda x: x / (1 + np.exp(-x))),
    (LeakyRelu(slope=0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
    (Prelu(), lambda x: np.where(x > 0, x, 0.25 * x)),
    (Elu(alpha=2.0), lambda x: np.where(x > 0, x, 2 * np.expm1(x))),
    (Gelu(), lambda x: x * (1 + erf(x / np.sqrt(2))) / 2),
    (Gelu(approximate="tanh"), lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
    (QuickGelu(), lambda x: x / (1 + np.exp(-1.702 * x))),
    (Softmax(), lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)),
    (Softmax(axis=0), lambda x: np.exp(x) / np.exp(x).sum(axis=0)),
    (LogSoftmax(axis=0), lambda x: x - np.log(np.exp(x).sum(axis=0))),
    (Relu6(), lambda x: np.clip(x, 0, 6)),
    (Hardswish(), lambda x: x * np.clip(x + 3, 0, 6) / 6),
    (Mish(), lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    (Softplus(), lambda x: np.log1p(np.exp(x))),
    (Softplus(beta=2.0), lambda x: np.log1p(np.exp(2 * x)) / 2),
    (Selu(), lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))),
    (Celu(alpha=2.0), lambda x: np.where(x > 0, x, 2 * np.expm1(x / 2))),
    (Softsign(), lambda x: x / (1 + np.abs(x))),
    (LogSigmoid(), lambda x: -np.log1p(np.exp(-x))),
    (Hardsigmoid(), lambda x: np.clip(x + 3, 0, 6) / 6),
    (Hardshrink(), lambda x: np.where(np.abs(x) > 0.5, x, 0)),
    (Softshrink(threshold=1.5), lambda x: np.sign(x) * np.maximum(np.abs(x) - 1.5, 0)),
    (Threshold(threshold=0.5, value=-2.0), lambda x: np.where(x > 0.5, x, -2)),
    (Dropout(), lambda x: x),
]


@pytest.mark.parametrize(("component", "formula"), [pytest.param(*case, id=str(case[0])) for case in FORMULAS])
def test_formula(component: Component, formula: Callable[[Array], Array]) -> None:
    x = np.stack([np.linspace(-5, 5, 101), np.linspace(2, -3, 101)])
    y = component.module(X).eval().double()(torch.from_numpy(x))
    np.testing.assert_allclose(y.detach(), formula(x), rtol=1e-12, atol=1e-14)


def test_dropout_scales_what_it_keeps() -> None:
    torch.manual_seed(0)
    y = Dropout(p=0.25).module(X)(torch.ones(100, 101, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(np.unique(y), [0, 4 / 3])
    assert abs((y == 0).mean() - 0.25) < 0.02


def test_error_softmax_axis_outside(refused: Refused) -> None:
    error = refused(Softmax(axis=-3), X)
    assert error.message == "axis -3 is out of range for float64[batch, 101], which has 2 axes"
    assert (error.code, error.field) == ("T201", "axis")


def test_glu_gates_one_half_with_the_other() -> None:
    x = np.random.default_rng(0).standard_normal((3, 8))
    y = Glu().module(X.with_last(8))(torch.from_numpy(x))
    np.testing.assert_allclose(y, x[:, :4] / (1 + np.exp(-x[:, 4:])), rtol=1e-12)


def test_error_no_half(refused: Refused) -> None:
    error = refused(Glu(), X)
    assert (error.message, error.code) == (
        "axis -1 of float64[batch, 101] cannot be halved: 2 does not divide 101",
        "T202",
    )


def test_prelu_learns_a_slope_for_each_channel() -> None:
    assert str(Prelu(per_channel=True).signature(X).parameters["weight"]) == "float64[101]"
