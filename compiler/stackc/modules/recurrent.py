"""Recurrent layers with all outputs in one tuple, and their export as one ONNX operator per layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

Tensors = tuple[Tensor, ...]
Attribute = int | float | str | bool | Sequence[int] | Sequence[float] | Sequence[str] | Sequence[bool]


class Lstm(nn.LSTM):
    """torch.nn.LSTM, batch first."""

    def __init__(
        self,
        features: int,
        hidden: int,
        *,
        layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(features, hidden, layers, bias, True, dropout, bidirectional)

    def forward(  # type: ignore[override]  # states are arguments, not a tuple
        self, x: Tensor, h0: Tensor | None = None, c0: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensors:
        """x [batch, seq, features], states [layers·directions, batch, hidden], lengths [batch] → y, h, c."""
        refresh(self)
        states = None
        if h0 is not None or c0 is not None or lengths is not None:
            states = (zeros(self, x) if h0 is None else h0, zeros(self, x) if c0 is None else c0)
        if lengths is None or states is None:
            y, (h, c) = super().forward(x, states)
            return y, h, c

        packed, (h, c) = super().forward(pack(x, lengths), states)
        return unpack(packed, x, lengths), kept(h, states[0], lengths), kept(c, states[1], lengths)

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensors]:
        """Export as LSTM operators: PyTorch's gates i, f, g, o are i, o, f, c in ONNX."""
        return lambda x, h0=None, c0=None, lengths=None: onnx_layers(self, "LSTM", (0, 3, 1, 2), {}, x, lengths, h0, c0)


class Gru(nn.GRU):
    """torch.nn.GRU, batch first."""

    def __init__(
        self,
        features: int,
        hidden: int,
        *,
        layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(features, hidden, layers, bias, True, dropout, bidirectional)

    def forward(self, x: Tensor, h0: Tensor | None = None, lengths: Tensor | None = None) -> Tensors:  # type: ignore[override]  # as above
        """x [batch, seq, features], h0 [layers·directions, batch, hidden], lengths [batch] → y, h."""
        refresh(self)
        if lengths is None:
            y, h = super().forward(x, h0)
            return y, h

        h0 = zeros(self, x) if h0 is None else h0
        packed, h = super().forward(pack(x, lengths), h0)
        return unpack(packed, x, lengths), kept(h, h0, lengths)

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensors]:
        """Export as GRU operators: PyTorch's gates r, z, n are z, r, h in ONNX; the reset gate follows the product."""
        attributes = {"linear_before_reset": 1}
        return lambda x, h0=None, lengths=None: onnx_layers(self, "GRU", (1, 0, 2), attributes, x, lengths, h0)


class Rnn(nn.RNN):
    """torch.nn.RNN, batch first."""

    def __init__(
        self,
        features: int,
        hidden: int,
        *,
        activation: str = "tanh",
        layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(features, hidden, layers, activation, bias, True, dropout, bidirectional)

    def forward(self, x: Tensor, h0: Tensor | None = None, lengths: Tensor | None = None) -> Tensors:  # type: ignore[override]  # as above
        """x [batch, seq, features], h0 [layers·directions, batch, hidden], lengths [batch] → y, h."""
        refresh(self)
        if lengths is None:
            y, h = super().forward(x, h0)
            return y, h

        h0 = zeros(self, x) if h0 is None else h0
        packed, h = super().forward(pack(x, lengths), h0)
        return unpack(packed, x, lengths), kept(h, h0, lengths)

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensors]:
        """Export as RNN operators, which take an activation for each direction."""
        activations = [self.nonlinearity.capitalize()] * (2 if self.bidirectional else 1)
        attributes = {"activations": activations}
        return lambda x, h0=None, lengths=None: onnx_layers(self, "RNN", (0,), attributes, x, lengths, h0)


class LstmCell(nn.LSTMCell):
    """torch.nn.LSTMCell."""

    def __init__(self, features: int, hidden: int, bias: bool = True) -> None:
        super().__init__(features, hidden, bias)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> Tensors:  # type: ignore[override]  # as above
        """x [batch, features], h and c [batch, hidden] → the next h and c."""
        h, c = super().forward(x, (h, c))
        return h, c


def refresh(module: nn.RNNBase) -> None:
    """Update the list of weights that torch.nn keeps: parametrizing a weight does not."""
    if parametrize.is_parametrized(module):
        module._flat_weights = [getattr(module, name) for name in module._flat_weights_names]


def zeros(module: nn.RNNBase, x: Tensor) -> Tensor:
    """The default first state, [layers·directions, batch, hidden]."""
    directions = 2 if module.bidirectional else 1
    return x.new_zeros(module.num_layers * directions, x.shape[0], module.hidden_size)


def pack(x: Tensor, lengths: Tensor) -> PackedSequence:
    """Return the positions of x [batch, seq, features] that count; the first one of a sample without any."""
    counted = lengths.clamp(min=1).clamp(max=x.shape[1])
    return pack_padded_sequence(x, counted.to("cpu", torch.int64), batch_first=True, enforce_sorted=False)


def unpack(packed: PackedSequence, x: Tensor, lengths: Tensor) -> Tensor:
    """Return y [batch, seq, features] with 0 at positions that do not count."""
    y, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    return torch.where((lengths > 0)[:, None, None], y, 0)


def kept(last: Tensor, first: Tensor, lengths: Tensor) -> Tensor:
    """Return the last states [layers·directions, batch, hidden]; the first ones of samples without positions."""
    return torch.where((lengths > 0)[:, None], last, first)


def onnx_layers(
    module: nn.RNNBase,
    operator: str,
    gates: tuple[int, ...],
    attributes: Mapping[str, Attribute],
    x: Tensor,
    lengths: Tensor | None,
    *first: Tensor | None,
) -> Tensors:
    """Return the outputs of the module as ONNX operators, one per layer, for an export only: they compute no values.

    `gates` has, for each gate of ONNX, its index in PyTorch; `first` are the first states, or None.
    """
    directions = 2 if module.bidirectional else 1
    direction = "bidirectional" if module.bidirectional else "forward"
    y = x.transpose(0, 1)  # [seq, batch, features]
    state = [directions, x.shape[0], module.hidden_size]
    last: list[Tensors] = []
    if lengths is not None:
        lengths = torch.minimum(lengths.clamp(min=0), lengths.new_full((), x.shape[1])).to(torch.int32)

    for layer in range(module.num_layers):
        own_states = slice(layer * directions, (layer + 1) * directions)
        joined, *states = torch.onnx.ops.symbolic_multi_out(
            f"::{operator}",
            [y, *onnx_weights(module, layer, gates), lengths, *(None if s is None else s[own_states] for s in first)],
            {**attributes, "hidden_size": module.hidden_size, "direction": direction},
            dtypes=[x.dtype] * (1 + len(first)),
            shapes=[[y.shape[0], *state], *(state for _ in first)],
        )
        # [seq, directions, batch, hidden] → [seq, batch, directions·hidden]
        y = joined.transpose(1, 2).flatten(2) if module.bidirectional else joined.squeeze(1)
        last.append(tuple(states))

    ends = [torch.cat(states) for states in zip(*last, strict=True)]
    if lengths is not None:  # ONNX Runtime returns zeros for a sequence without positions
        ends = [end if f is None else kept(end, f, lengths) for end, f in zip(ends, first, strict=True)]
    return y.transpose(0, 1), *ends


def onnx_weights(module: nn.RNNBase, layer: int, gates: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor | None]:
    """W [directions, gates·hidden, features], R [directions, gates·hidden, hidden], B [directions, 2·gates·hidden]."""

    def reordered(name: str) -> Tensor:
        parts = getattr(module, name).chunk(len(gates))
        return torch.cat([parts[gate] for gate in gates])

    suffixes = [f"_l{layer}", f"_l{layer}_reverse"][: 2 if module.bidirectional else 1]
    inputs, states = (
        torch.stack([reordered(name + suffix) for suffix in suffixes]) for name in ("weight_ih", "weight_hh")
    )

    if not module.bias:
        return inputs, states, None
    both = [torch.cat([reordered(f"bias_{name}{suffix}") for name in ("ih", "hh")]) for suffix in suffixes]
    return inputs, states, torch.stack(both)
