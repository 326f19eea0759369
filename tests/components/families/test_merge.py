"""Merging components, against closed forms."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from stackc.components.base import SignatureError
from stackc.components.families.merge import SIDE_BY_SIDE, Add, Concat, GatedSum, Mean, Mul, WeightedSum
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
X = TensorType("float32", shape(BATCH, SEQ, 8))


@pytest.fixture
def tensors() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, 3, 8, dtype=torch.float64) for _ in range(3)]


def test_words_of_merge_name_components() -> None:
    from stackc.components import REGISTRY

    assert set(SIDE_BY_SIDE.values()) <= REGISTRY.keys()


def test_sum_product_mean(tensors: list[torch.Tensor]) -> None:
    arrays = np.stack([t.numpy() for t in tensors])
    types = [X] * 3
    for component, expected in [(Add(), arrays.sum(0)), (Mul(), arrays.prod(0)), (Mean(), arrays.mean(0))]:
        np.testing.assert_allclose(component.module(*types)(*tensors), expected, rtol=1e-14)


def test_one_arrow_passes_through(tensors: list[torch.Tensor]) -> None:
    for component in (Add(), Mul(), Mean(), WeightedSum(), Concat()):
        assert component.signature(X).outputs == (X,)
        torch.testing.assert_close(component.module(X).double()(tensors[0]), tensors[0])


def test_concat_keeps_the_order_of_arrows(tensors: list[torch.Tensor]) -> None:
    y = Concat(axis=1).module(X, X, X)(*tensors)
    np.testing.assert_array_equal(y, np.concatenate([t.numpy() for t in tensors], axis=1))
    assert Concat(axis=1).signature(X, X, X).outputs[0].shape == shape(BATCH, 3 * SEQ, 8)


def test_weighted_sum_is_the_scalar_mix_of_elmo(tensors: list[torch.Tensor]) -> None:
    module = WeightedSum().module(X, X, X).double()
    np.testing.assert_allclose(
        module(*tensors).detach(), np.mean([t.numpy() for t in tensors], axis=0), err_msg="starts as the mean"
    )
    scores, gamma = np.array([0.5, -1.0, 2.0]), 1.75
    module.load_state_dict({"weight": torch.tensor(scores), "gamma": torch.tensor(gamma).double()})
    share = np.exp(scores) / np.exp(scores).sum()
    expected = gamma * sum(s * t.numpy() for s, t in zip(share, tensors, strict=True))
    np.testing.assert_allclose(module(*tensors).detach(), expected, rtol=1e-14)


def test_gate_weighs_the_branches_at_each_position(tensors: list[torch.Tensor]) -> None:
    torch.manual_seed(1)
    module = GatedSum().module(X, X, X, X).double()
    x = torch.randn(2, 3, 8, dtype=torch.float64)
    weight, bias = (p.detach().numpy() for p in module.parameters())
    scores = np.exp(x.numpy() @ weight.T + bias)
    shares = scores / scores.sum(axis=-1, keepdims=True)
    expected = sum(shares[..., i : i + 1] * t.numpy() for i, t in enumerate(tensors))
    np.testing.assert_allclose(module(x, *tensors).detach(), expected, rtol=1e-12)


def test_error_branches_differ_or_have_no_gate_each(refused: Refused) -> None:
    error = refused(GatedSum(), X, X, X.with_last(6))
    assert error.message == ("expects branches of one type, got float32[batch, seq, 8] and float32[batch, seq, 6]")
    error = refused(GatedSum(), X, X.with_shape(BATCH, 8))
    assert error.message == (
        "expects branches float32[batch, seq, …] for a gate of float32[batch, seq, 8], got float32[batch, 8]"
    )
    assert error.port == "branch"


def test_position_rows_broadcast_over_the_batch() -> None:
    rows = X.with_shape(1, SEQ, 8)
    assert Add().signature(rows, X).outputs == (X,)
    assert Mul().signature(X, X.with_shape(8)).outputs == (X,)


def test_error_sizes_differ(refused: Refused) -> None:
    error = refused(Add(), X, X.with_last(1), X.with_last(6))
    assert error.message == ("cannot combine float32[batch, seq, 8] and float32[batch, seq, 6]: 8 is not 6 at axis -1")
    assert (error.code, error.port, error.hint) == ("T201", "x", "sizes must be equal, or one of them must be 1")


def test_error_symbols_that_may_differ_at_run_time(refused: Refused) -> None:
    error = refused(Mean(), X, X.with_shape(BATCH, 8))
    assert error.message == ("cannot combine float32[batch, seq, 8] and float32[batch, 8]: seq is not batch at axis -2")


def test_error_element_types_differ(refused: Refused) -> None:
    error = refused(Add(), X, TensorType("int64", X.shape))
    assert error.message == "expects a single element type, got float32[batch, seq, 8] and int64[batch, seq, 8]"
    assert (error.code, error.port) == ("T203", "x")


def test_error_booleans_have_no_sum(refused: Refused) -> None:
    error = refused(Mul(), TensorType("bool", shape(BATCH)))
    assert (error.code, error.message) == ("T203", "expects numbers, got bool[batch]")


def test_error_mean_of_whole_numbers(refused: Refused) -> None:
    assert refused(Mean(), TensorType("int64", shape(BATCH))).code == "T203"


@pytest.mark.parametrize("other", [X.with_shape(BATCH, 1, 8), X.with_shape(BATCH, 8), X.with_shape(SEQ, SEQ, 8)])
def test_error_concat_of_other_shapes(refused: Refused, other: TensorType) -> None:
    error = refused(Concat(), X, other)
    assert error.message == f"cannot concatenate float32[batch, seq, 8] and {other} along axis -1"
    assert (error.code, error.port, error.hint) == ("T201", "x", "all other axes must be equal")


def test_error_concat_axis_outside(refused: Refused) -> None:
    error = refused(Concat(axis=3), X, X)
    assert error.message == "axis 3 is out of range for float32[batch, seq, 8], which has 3 axes"
    assert error.field == "axis"
