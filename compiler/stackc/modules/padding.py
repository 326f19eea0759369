"""Padding."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackc.modules.layout import extent

WRAP = 19
"""The first opset whose Pad repeats the entries from the other end."""

ONNX_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class Pad(nn.Module):
    """Entries added around a tensor; `pad` has two sizes per axis, before and after, from the last axis on."""

    def __init__(self, pad: tuple[Any, ...], mode: str = "constant", value: float = 0.0) -> None:
        super().__init__()
        self.pad = pad
        self.mode = mode
        self.value = value

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """[..., n, ...] → [..., before + n + after, ...]."""
        pad = [extent(size, x, like) for size in self.pad]
        return F.pad(x, pad, self.mode, self.value if self.mode == "constant" else None)

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensor] | None:
        """Export sizes known only at run time as they are: PyTorch's padding asks whether they are above 0."""
        if self.mode == "circular" and opset < WRAP:
            return lambda x, like=None: wrapped(x, [extent(size, x, like) for size in self.pad])
        if all(isinstance(size, int) for size in self.pad):
            return None
        return lambda x, like=None: onnx_pad(x, [extent(size, x, like) for size in self.pad], self.mode, self.value)


def wrapped(x: Tensor, pad: Sequence[int]) -> Tensor:
    """x with the entries from the other end before and after its axes, from the last one on."""
    for number in range(len(pad) // 2):
        axis, before, after = x.dim() - 1 - number, pad[2 * number], pad[2 * number + 1]
        x = torch.cat([x.narrow(axis, x.shape[axis] - before, before), x, x.narrow(axis, 0, after)], axis)
    return x


def onnx_pad(x: Tensor, pad: Sequence[int], mode: str, value: float) -> Tensor:
    """ONNX's Pad, for an export only: it computes no values."""
    unpadded = [0] * (x.dim() - len(pad) // 2)
    before, after = ([*unpadded, *reversed(pad[first::2])] for first in (0, 1))
    sizes = torch.cat([torch.full((1,), size, dtype=torch.int64) for size in (*before, *after)])

    filling = torch.full((), value, dtype=x.dtype) if mode == "constant" and value else None
    shape = [size + first + last for size, first, last in zip(x.shape, before, after, strict=True)]
    attributes: dict[str, Any] = {"mode": ONNX_MODES[mode]}
    return torch.onnx.ops.symbolic("::Pad", [x, sizes, filling], attributes, dtype=x.dtype, shape=shape)
