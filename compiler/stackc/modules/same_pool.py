"""Pooling with the margins that give sizes divided by the stride, rounded up: TensorFlow's SAME."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackc.modules.conv import zeros_around


class SamePool(nn.Module):
    """What both pools share: windows along the last axes, and an export that reads the margins off the sizes."""

    operator: str

    def __init__(self, kernel: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride

    def extra_repr(self) -> str:
        """The windows."""
        return f"kernel={self.kernel}, stride={self.stride}"

    def padded(self, x: Tensor, value: float = 0.0) -> Tensor:
        """x with its margins, which hold `value`."""
        return F.pad(x, zeros_around(x.shape[2:], self.kernel, self.stride), value=value)

    def attributes(self) -> dict[str, Any]:
        """The attributes of ONNX's operator."""
        return {"auto_pad": "SAME_UPPER", "kernel_shape": list(self.kernel), "strides": list(self.stride)}

    def export_forward(self, opset: int, target: str) -> Callable[[Tensor], Tensor]:
        """Export as one operator, for an export only: it computes no values."""

        def forward(x: Tensor) -> Tensor:
            sizes = [(size + step - 1) // step for size, step in zip(x.shape[2:], self.stride, strict=True)]
            shape = [*x.shape[:2], *sizes]
            return torch.onnx.ops.symbolic(self.operator, [x], self.attributes(), dtype=x.dtype, shape=shape)

        return forward


class SameMaxPool(SamePool):
    """The maximum over windows, ⌈size / stride⌉ along each axis."""

    operator = "::MaxPool"

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, …sizes] → [batch, channels, …windows]."""
        pool = getattr(F, f"max_pool{len(self.kernel)}d")
        y: Tensor = pool(self.padded(x, -math.inf), self.kernel, self.stride)
        return y


class SameAvgPool(SamePool):
    """The mean over windows, ⌈size / stride⌉ along each axis, with or without the zeros of the margins."""

    operator = "::AveragePool"

    def __init__(self, kernel: tuple[int, ...], stride: tuple[int, ...], count_include_pad: bool = True) -> None:
        super().__init__(kernel, stride)
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, …sizes] → [batch, channels, …windows]."""
        means = self.mean(x)
        return means if self.count_include_pad else means / self.mean(torch.ones_like(x))

    def mean(self, x: Tensor) -> Tensor:
        """The mean with the zeros of the margins."""
        pool = getattr(F, f"avg_pool{len(self.kernel)}d")
        y: Tensor = pool(self.padded(x), self.kernel, self.stride)
        return y

    def attributes(self) -> dict[str, Any]:
        """The attributes of ONNX's operator."""
        return super().attributes() | {"count_include_pad": int(self.count_include_pad)}
