"""Recurrent layers with all outputs in one tuple, and their export as one ONNX operator per layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

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

    def forward(self, x: Tensor, h0: Tensor | None = None, c0: Tensor | None = None) -> Tensors:  # type: ignore[override]  # states are arguments, not a tuple
        """x [batch, seq, features], states [layers·directions, batch, hidden] → y, h, c."""
        refresh(self)
        states = None
        if h0 is not None or c0 is not None:
            states = (zeros(self, x) if h0 is None else h0, zeros(self, x) if c0 is None else c0)
        y, (h, c) = super().forward(x, states)
        return y, h, c

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensors]:
        """Export as LSTM operators: PyTorch's gates i, f, g, o are i, o, f, c in ONNX."""
        return lambda x, h0=None, c0=None: onnx_layers(self, "LSTM", (0, 3, 1, 2), {}, x, h0, c0)


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

    def forward(self, x: Tensor, h0: Tensor | None = None) -> Tensors:  # type: ignore[override]  # as above
        """x [batch, seq, features], h0 [layers·directions, batch, hidden] → y, h."""
        refresh(self)
        y, h = super().forward(x, h0)
        return y, h

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensors]:
        """Export as GRU operators: PyTorch's gates r, z, n are z, r, h in ONNX; the reset gate follows the product."""
        return lambda x, h0=None: onnx_layers(self, "GRU", (1, 0, 2), {"linear_before_reset": 1}, x, h0)


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

    def forward(self, x: Tensor, h0: Tensor | None = None) -> Tensors:  # type: ignore[override]  # as above
        """x [batch, seq, features], h0 [layers·directions, batch, hidden] → y, h."""
        refresh(self)
        y, h = super().forward(x, h0)
        return y, h

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensors]:
        """Export as RNN operators, which take an activation for each direction."""
        activations = [self.nonlinearity.capitalize()] * (2 if self.bidirectional else 1)
        return lambda x, h0=None: onnx_layers(self, "RNN", (0,), {"activations": activations}, x, h0)


def refresh(module: nn.RNNBase) -> None:
    """Update the list of weights that torch.nn keeps: parametrizing a weight does not."""
    if parametrize.is_parametrized(module):
        module._flat_weights = [getattr(module, name) for name in module._flat_weights_names]


def zeros(module: nn.RNNBase, x: Tensor) -> Tensor:
    """The default first state, [layers·directions, batch, hidden]."""
    directions = 2 if module.bidirectional else 1
    return x.new_zeros(module.num_layers * directions, x.shape[0], module.hidden_size)


def onnx_layers(
    module: nn.RNNBase,
    operator: str,
    gates: tuple[int, ...],
    attributes: Mapping[str, Attribute],
    x: Tensor,
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

    for layer in range(module.num_layers):
        own_states = slice(layer * directions, (layer + 1) * directions)
        joined, *states = torch.onnx.ops.symbolic_multi_out(
            f"::{operator}",
            [y, *onnx_weights(module, layer, gates), None, *(None if s is None else s[own_states] for s in first)],
            {**attributes, "hidden_size": module.hidden_size, "direction": direction},
            dtypes=[x.dtype] * (1 + len(first)),
            shapes=[[y.shape[0], *state], *(state for _ in first)],
        )
        # [seq, directions, batch, hidden] → [seq, batch, directions·hidden]
        y = joined.transpose(1, 2).flatten(2) if module.bidirectional else joined.squeeze(1)
        last.append(tuple(states))

    return y.transpose(0, 1), *(torch.cat(states) for states in zip(*last, strict=True))


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
