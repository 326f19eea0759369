"""Trigonometric and hyperbolic functions, against NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from stackc.components import REGISTRY
from stackc.core.types import Dim, TensorType, shape

X = TensorType("float64", shape(Dim.symbol("batch"), 5))
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": lambda x: np.arccosh(1 + x),
    "atanh": np.arctanh,
    "erf": np.vectorize(math.erf),
}


@pytest.mark.parametrize("op", FUNCTIONS)
def test_is_numpys(op: str) -> None:
    x = np.random.default_rng(0).uniform(0.01, 0.99, (4, 5))
    operand = torch.from_numpy(1 + x if op == "acosh" else x)
    np.testing.assert_allclose(REGISTRY[op]().module(X)(operand), FUNCTIONS[op](x), rtol=1e-13)
