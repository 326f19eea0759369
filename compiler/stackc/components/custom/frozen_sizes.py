"""Operators that torch.export takes at symbolic sizes, but writes for the traced size alone: refused as the check runs.

Each names the component that computes the same at any size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import SymInt, Tensor, nn

from stackc.components.base import SignatureError
from stackc.core.torch_internals import TorchDispatchMode, dispatched_without_dynamo

_POOLS = {
    torch.ops.aten._adaptive_avg_pool2d.default: "adaptive_avg_pool2d",
    torch.ops.aten._adaptive_avg_pool3d.default: None,
    torch.ops.aten.adaptive_max_pool2d.default: "adaptive_max_pool2d",
    torch.ops.aten.adaptive_max_pool3d.default: None,
}
"""Poolings to a size, and the component of each: their windows are of different sizes, which become constants."""

_LAYERS = {nn.LSTM: "lstm", nn.GRU: "gru", nn.RNN: "rnn"}
"""Layers that run a loop along a sequence: it is unrolled, to the length that was traced."""


@dispatched_without_dynamo
class RefuseFrozenSizes(TorchDispatchMode):
    """Raise SignatureError (T211) at an operator that would be exported for one of the sizes that its dims allow."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in _POOLS and any(isinstance(size, SymInt) for size in args[0].shape[2:]):
            raise _frozen("an adaptive pool", "the size of its input", _component_of(func, args[0]))
        return func(*args, **(kwargs or {}))


def _component_of(pool: Any, x: Tensor) -> str | None:
    """Return the component of a pool: PyTorch pools a sequence as an image of height 1."""
    op = _POOLS[pool]
    is_sequence = isinstance(x.shape[-2], int) and x.shape[-2] == 1
    return op.replace("2d", "1d") if op and is_sequence else op


def refuse_frozen_lengths(module: nn.Module) -> None:
    """Make every recurrent layer in a module refuse a sequence whose length is a dim."""
    for layer in module.modules():
        if isinstance(layer, tuple(_LAYERS)):
            layer.register_forward_pre_hook(_require_fixed_length, with_kwargs=True)


def _require_fixed_length(layer: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Raise SignatureError (T211) if the input [seq, batch, size] of a recurrent layer, or [batch, seq, …], is open."""
    assert isinstance(layer, nn.RNNBase)
    sequence = inputs[0] if inputs else named.get("input")
    if not isinstance(sequence, Tensor):
        return  # a packed sequence depends on the values of its lengths, or the layer refuses what it is called with

    length: object = sequence.shape[1 if layer.batch_first and sequence.dim() == 3 else 0]
    if isinstance(length, SymInt):
        op = next(op for make, op in _LAYERS.items() if isinstance(layer, make))
        raise _frozen(f"nn.{type(layer).__name__}", "the length of the sequence", op)


def _frozen(what: str, size: str, op: str | None) -> SignatureError:
    message = f"{what} in it is exported for one size only, and {size} may vary"
    hint = (
        f"the component `{op}` computes the same at any size: write `op: {op}`" if op else "fix the size in the shape"
    )
    return SignatureError(message, code="T211", hint=hint)
