"""Recurrent layers against torch.nn, by the same weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from stackc.components.base import SignatureError
from stackc.components.families.recurrent import Gru, Lstm, Rnn
from stackc.components.reparam import Standardize
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
X, STATE = TensorType("float32", shape(BATCH, SEQ, 6)), TensorType("float32", shape(4, BATCH, 5))
LENGTHS = TensorType("int64", shape(BATCH))


@pytest.fixture
def x() -> Tensor:
    return torch.randn(3, 7, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def states() -> tuple[Tensor, Tensor]:
    h0, c0 = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(1))
    return h0, c0


def with_weights_of(theirs: nn.RNNBase, module: nn.Module) -> nn.Module:
    module.load_state_dict(theirs.state_dict())
    return module.eval()


@torch.no_grad()
def test_lstm_with_and_without_first_states(x: Tensor, states: tuple[Tensor, Tensor]) -> None:
    theirs = nn.LSTM(6, 5, 2, batch_first=True, bidirectional=True)
    ours = with_weights_of(theirs, Lstm(hidden=5, layers=2, bidirectional=True).module(X, STATE, STATE))
    zeros = torch.zeros_like(states[0])
    for h0, c0 in [(None, None), (states[0], None), (None, states[1]), states]:
        y, (h, c) = theirs(x, (zeros if h0 is None else h0, zeros if c0 is None else c0))
        torch.testing.assert_close(ours(x, h0, c0), (y, h, c))


@torch.no_grad()
def test_gru_with_and_without_a_first_state(x: Tensor, states: tuple[Tensor, Tensor]) -> None:
    theirs = nn.GRU(6, 5, 2, batch_first=True, bidirectional=True, bias=False)
    ours = with_weights_of(theirs, Gru(hidden=5, layers=2, bidirectional=True, bias=False).module(X, STATE))
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours(x, states[0]), theirs(x, states[0]))


@torch.no_grad()
def test_rnn_with_relu(x: Tensor) -> None:
    theirs = nn.RNN(6, 5, nonlinearity="relu", batch_first=True)
    ours = with_weights_of(theirs, Rnn(hidden=5, activation="relu").module(X))
    torch.testing.assert_close(ours(x), theirs(x))


@torch.no_grad()
def test_a_reparametrized_weight_is_the_one_that_is_used(x: Tensor) -> None:
    """torch.nn keeps a list of the original weights."""
    module = Gru(hidden=5).module(X).eval()
    weight = module.get_parameter("weight_hh_l0").clone()
    parametrize.register_parametrization(module, "weight_hh_l0", Standardize().parametrization())
    theirs = nn.GRU(6, 5, batch_first=True)
    state = {
        name.replace("parametrizations.", "").replace(".original", ""): w for name, w in module.state_dict().items()
    }
    state["weight_hh_l0"] = (weight - weight.mean()) / (weight.std(correction=0) + 1e-5)
    theirs.load_state_dict(state)
    torch.testing.assert_close(module(x), theirs(x))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_lstm_with_lengths_is_torch_on_packed_sequences(
    dtype: torch.dtype, x: Tensor, states: tuple[Tensor, Tensor]
) -> None:
    theirs = nn.LSTM(6, 5, 2, batch_first=True, bidirectional=True)
    ours = with_weights_of(theirs, Lstm(hidden=5, layers=2, bidirectional=True).module(X, STATE, STATE, LENGTHS))
    packed = pack_padded_sequence(x, torch.tensor([2, 6, 1]), batch_first=True, enforce_sorted=False)
    y, (h, c) = theirs(packed, states)
    y, _ = pad_packed_sequence(y, batch_first=True, total_length=7)
    torch.testing.assert_close(ours(x, *states, torch.tensor([2, 6, 1], dtype=dtype)), (y, h, c))


@torch.no_grad()
@pytest.mark.parametrize("kind", [(Gru, nn.GRU), (Rnn, nn.RNN)])
def test_lengths_are_those_of_each_sample_alone(
    kind: tuple[type[Gru | Rnn], type[nn.GRU | nn.RNN]], x: Tensor, states: tuple[Tensor, Tensor]
) -> None:
    """Length 0 leaves y at 0 and the state as it was; a length beyond the end counts every position."""
    component, reference = kind
    theirs = reference(6, 5, 2, batch_first=True, bidirectional=True)
    module = component(hidden=5, layers=2, bidirectional=True).module(X, STATE, LENGTHS)
    ours = with_weights_of(theirs, module)
    y, h = ours(x, states[0], torch.tensor([3, 0, 9]))
    for sample, length in ((0, 3), (2, 7)):
        alone, last = theirs(x[sample : sample + 1, :length], states[0][:, sample : sample + 1])
        torch.testing.assert_close(y[sample : sample + 1, :length], alone)
        torch.testing.assert_close(h[:, sample : sample + 1], last)
    assert not y[0, 3:].any()
    assert not y[1].any()
    assert torch.equal(h[:, 1], states[0][:, 1])


def test_error_dropout_of_one_layer(refused: Refused) -> None:
    error = refused(Lstm(hidden=5, dropout=0.1), X)
    assert (error.code, error.field) == ("T208", "dropout")
    assert error.message == "dropout needs two or more layers: it acts between them"


def test_error_first_state_of_another_shape(refused: Refused) -> None:
    error = refused(Gru(hidden=5), X, STATE)
    assert error.port == "h0"
    assert error.message == "expects a first state float32[1, batch, 5], got float32[4, batch, 5]"


def test_error_lengths(refused: Refused) -> None:
    error = refused(Gru(hidden=5), X, None, TensorType("int64", shape(BATCH, SEQ)))
    assert error.port == "lengths"
    assert error.message == "expects a length for each sample, int64[batch], got int64[batch, seq]"
    error = refused(Gru(hidden=5), X, None, TensorType("float32", shape(BATCH)))
    assert (error.code, error.port) == ("T203", "lengths")
    assert error.hint == "lengths are integers: declare the input with `dtype: int64`"


def test_error_no_sequence(refused: Refused) -> None:
    error = refused(Rnn(hidden=5), TensorType("float32", shape(BATCH, 6)))
    assert error.message == "expects [batch, seq, features], got float32[batch, 6]"
