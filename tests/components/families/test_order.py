"""Entries in another order, against NumPy and ONNX's reference evaluator."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from onnx.reference import ReferenceEvaluator

from stackc.components.base import SignatureError
from stackc.components.families.order import Flip, Roll, Sort, TopK
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

X = TensorType("float32", shape(Dim.symbol("batch"), Dim.symbol("seq")))


def tied() -> torch.Tensor:
    """Numbers of which many are equal."""
    return torch.from_numpy(np.random.default_rng(0).integers(0, 4, (5, 12)).astype(np.float32))


def top_k_of_onnx(x: torch.Tensor, k: int, axis: int, largest: bool) -> list[np.ndarray]:
    """TopK as ONNX's reference evaluator computes it."""
    node = helper.make_node("TopK", ["x", "k"], ["y", "i"], axis=axis, largest=int(largest))
    inputs = [helper.make_tensor_value_info("x", 1, [None, None]), helper.make_tensor_value_info("k", 7, [1])]
    outputs = [helper.make_tensor_value_info("y", 1, None), helper.make_tensor_value_info("i", 7, None)]
    graph = helper.make_graph([node], "top", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    return list(ReferenceEvaluator(model).run(None, {"x": x.numpy(), "k": np.array([k])}))


def test_flip_and_roll() -> None:
    x = torch.randn(3, 5, 4)
    three = X.with_shape(3, 5, 4)
    np.testing.assert_array_equal(Flip(axis=(0, -1)).module(three)(x), np.flip(x.numpy(), (0, -1)))
    for shift in (-7, -1, 0, 2, 12):
        np.testing.assert_array_equal(Roll(axis=1, shift=shift).module(three)(x), np.roll(x.numpy(), shift, 1))
    np.testing.assert_array_equal(
        Roll(axis=(1, 2), shift=(-3, 1)).module(three)(x), np.roll(x.numpy(), (-3, 1), (1, 2))
    )


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("axis", [0, 1])
def test_ties_are_those_of_onnx(largest: bool, axis: int) -> None:
    x = tied()
    for k, module in (
        (3, TopK(k=3, axis=axis, largest=largest).module(X)),
        (x.shape[axis], Sort(axis=axis, descending=largest).module(X)),
    ):
        for actual, expected in zip(module(x), top_k_of_onnx(x, k, axis, largest), strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_sort_is_that_of_numpy() -> None:
    y, indices = Sort(axis=1).module(X)(tied())
    np.testing.assert_array_equal(indices, np.argsort(tied().numpy(), axis=1, kind="stable"))
    np.testing.assert_array_equal(y, np.sort(tied().numpy(), axis=1))


def test_gradients_reach_what_is_chosen() -> None:
    x = torch.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
    TopK(k=2).module(X)(x)[0].sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 1.0, 1.0]]


def test_error_too_few_entries(refused: Refused) -> None:
    assert refused(TopK(k=5), X.with_last(4)).message == "an axis of 4 entries in float32[batch, 4] has no entry 4"
    (limit,) = TopK(k=5).signature(X).limits
    assert (limit.minimum, str(limit.dim)) == (5, "seq")


def test_error_shifts_and_axes_differ(refused: Refused) -> None:
    error = refused(Roll(axis=(0, 1), shift=3), X)
    assert error.message == "shift has 1 number, but axis has 2: each axis has its own"
    assert refused(Sort(), TensorType("bool", X.shape)).code == "T203"
