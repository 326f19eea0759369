"""Arithmetic on elements, against NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from stackc.components.base import Component, SignatureError
from stackc.components.families.elementwise import Abs, Clamp, Div, Exp, Log, Maximum, Minimum, Pow, Sqrt, Sub
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]
Array = np.ndarray[Any, Any]

X = TensorType("float64", shape(Dim.symbol("batch"), 5))

OF_ONE: list[tuple[Component, Callable[..., Array]]] = [
    (Exp(), np.exp),
    (Log(), np.log),
    (Sqrt(), np.sqrt),
    (Abs(), np.abs),
    (Pow(exponent=-1.5), lambda x: x**-1.5),
    (Clamp(min=0.5), lambda x: np.maximum(x, 0.5)),
    (Clamp(max=1), lambda x: np.minimum(x, 1)),
    (Clamp(min=0.5, max=1), lambda x: np.clip(x, 0.5, 1)),
]
OF_TWO: list[tuple[Component, Callable[..., Array]]] = [
    (Sub(), np.subtract),
    (Div(), np.divide),
    (Maximum(), np.maximum),
    (Minimum(), np.minimum),
]


@pytest.mark.parametrize(("component", "formula"), [pytest.param(*case, id=str(case[0])) for case in OF_ONE])
def test_of_one(component: Component, formula: Callable[[Array], Array]) -> None:
    x = np.random.default_rng(0).uniform(0.1, 3, (4, 5))
    np.testing.assert_allclose(component.module(X)(torch.from_numpy(x)), formula(x), rtol=1e-14)


@pytest.mark.parametrize(("component", "formula"), [pytest.param(*case, id=str(case[0])) for case in OF_TWO])
def test_of_two(component: Component, formula: Callable[[Array, Array], Array]) -> None:
    a, b = (np.random.default_rng(0).standard_normal(size) for size in ((4, 5), (5,)))
    row = X.with_shape(5)
    np.testing.assert_array_equal(component.module(X, row)(*map(torch.from_numpy, (a, b))), formula(a, b))
    assert component.signature(X, row).outputs == (X,)


def test_of_several_and_of_one() -> None:
    a, b, c = (torch.randn(4, 5) for _ in range(3))
    assert Maximum().module(X, X, X)(a, b, c).equal(torch.stack((a, b, c)).amax(0))
    assert Minimum().module(X)(a).equal(a)
    assert Maximum().expression("a", "b", "c") == "torch.maximum(torch.maximum(a, b), c)"


def test_error_clamp(refused: Refused) -> None:
    assert refused(Clamp(), X).message == "requires min, max or both"
    assert refused(Clamp(min=2, max=1), X).message == "min 2 is above max 1"


def test_error_quotient_of_whole_numbers(refused: Refused) -> None:
    whole = TensorType("int64", X.shape)
    assert refused(Div(), whole, whole).code == "T203"
    assert Sub().signature(whole, whole).outputs == (whole,)
