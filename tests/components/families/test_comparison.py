"""Comparisons, logic and selection, against ONNX's reference evaluator and PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.components.families.test_values import by_onnx

from stackc.components.base import Component, SignatureError
from stackc.components.families.comparison import (
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    LogicalXor,
    NotEqual,
    Where,
)
from stackc.components.size_expressions import Variable
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]
BATCH = Dim.symbol("batch")
X = TensorType("float32", shape(BATCH, 4))
IDS = TensorType("int64", shape(BATCH, 4))
MASK = TensorType("bool", shape(BATCH, 4))
ROW = torch.tensor([[-1.0, 0.0, 0.5, 2.0]])
OTHER = torch.tensor([[-1.0, 1.0, float("nan"), 0.5]])


@pytest.mark.parametrize(
    ("component", "op"),
    [
        (Equal, "Equal"),
        (Less, "Less"),
        (LessEqual, "LessOrEqual"),
        (Greater, "Greater"),
        (GreaterEqual, "GreaterOrEqual"),
    ],
)
def test_comparison_is_that_of_onnx(component: type[Component], op: str) -> None:
    y = component().module(X, X)(ROW, OTHER)
    np.testing.assert_array_equal(y, by_onnx(op, ROW.numpy(), OTHER.numpy()))
    whole = ROW.long()
    np.testing.assert_array_equal(component().module(IDS, IDS)(whole, whole), by_onnx(op, whole.numpy(), whole.numpy()))


def test_comparison_with_a_number() -> None:
    assert Greater(value=0.0).module(X)(ROW).tolist() == [[False, False, True, True]]
    assert NotEqual(value=0).module(IDS)(ROW.long()).tolist() == [[True, False, False, True]]
    assert NotEqual().module(X, X)(ROW, OTHER).tolist() == [[False, True, True, True]]
    assert Greater(value=0.0).signature(X, None).outputs == (TensorType("bool", X.shape),)
    assert Greater(value=0.5).expression("x") == "x > 0.5"


def test_a_float_that_float32_rounds_equals_itself() -> None:
    """x is 0.1 as float32 has it: the number is rounded as well, as in ONNX."""
    assert Equal(value=0.1).module(X)(torch.tensor([0.1])).all()


def test_error_comparisons(refused: Refused) -> None:
    error = refused(Greater(), X, None)
    assert (error.code, error.message) == ("T208", "requires a second input at the port 'other', or a value")
    assert refused(Greater(value=1), X, X).message == "has both a second input at the port 'other' and a value"
    assert refused(Greater(value=0.5), IDS, None).message == "value 0.5 is not of type int64"
    assert "expects a single element type" in refused(Greater(), X, IDS).message
    assert refused(Less(), MASK, MASK).code == "T203"
    assert Equal().signature(MASK, MASK).outputs == (MASK,)


@pytest.mark.parametrize(("component", "op"), [(LogicalAnd, "And"), (LogicalOr, "Or"), (LogicalXor, "Xor")])
def test_logic_is_that_of_onnx(component: type[Component], op: str) -> None:
    a, b = torch.tensor([[True, True, False, False]]), torch.tensor([[True, False, True, False]])
    y = component().module(MASK, MASK)(a, b)
    np.testing.assert_array_equal(y, by_onnx(op, a.numpy(), b.numpy()))
    assert component().module(IDS, MASK)(3 * a.long(), b).equal(y), "a nonzero whole number is true"
    assert component().module(MASK)(a).equal(a)


def test_not() -> None:
    assert LogicalNot().module(IDS)(torch.tensor([[0, 1, 2, 0]])).tolist() == [[True, False, False, True]]


def test_where_is_that_of_pytorch_and_onnx() -> None:
    condition = torch.tensor([[True, False, True, False]])
    y = Where().module(X, MASK, X)(ROW, condition, OTHER)
    np.testing.assert_array_equal(y, by_onnx("Where", condition.numpy(), ROW.numpy(), OTHER.numpy()))
    assert Where().module(X, IDS, X)(ROW, 2 * condition.long(), -ROW).equal(ROW.where(condition, -ROW))
    assert Where(value=-9).module(X, MASK)(ROW, condition).equal(ROW.masked_fill(~condition, -9))


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "float32", "float64"])
def test_where_keeps_the_element_type_of_x_when_printed(dtype: str) -> None:
    x, condition = TensorType(dtype, shape(BATCH, 4)), torch.tensor([[True, False, True, False]])
    values = ROW.to(getattr(torch, dtype))
    printed = Where(value=1).expression(Variable.of("values", x), "condition")
    assert eval(printed).equal(values.masked_fill(~condition, 1))


def test_where_broadcasts() -> None:
    column = TensorType("bool", shape(BATCH, 1))
    number = TensorType("float32", ())
    assert Where().signature(X, column, number).outputs == (X,)
    assert Where().pointwise_axes(X, column, number) == ({0: (0,), 1: (1,)}, {0: (0,)}, {})


def test_error_where(refused: Refused) -> None:
    assert refused(Where(), X, X, X).message == "expects a mask of integers or booleans, got float32[batch, 4]"
    assert refused(Where(value=0.5), IDS, MASK, None).code == "T203"
