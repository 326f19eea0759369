"""Patch embeddings of images, and convolutions that add margins by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackc.modules.padding import WRAP, wrapped


class PatchEmbed(nn.Module):
    """A linear layer on each patch of an image."""

    def __init__(self, channels: int, dim: int, patch: int | tuple[int, int], bias: bool = True) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch, patch, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, height, width] → [batch, patches, dim]."""
        y: Tensor = self.proj(x)
        return y.flatten(2).transpose(1, 2)


class CausalConv1d(nn.Conv1d):
    """A convolution of a sequence, preceded by zeros, whose outputs depend on no later position."""

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, length] → [batch, out, positions]."""
        before = self.dilation[0] * (self.kernel_size[0] - 1)
        return super().forward(F.pad(x, (before, 0)))


class UnevenMargins(nn.Module):
    """What convolutions of every rank share that add `margins`, other ones before than after an axis."""

    margins: tuple[int, ...]
    mode: str

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, …sizes] → [batch, out, …positions]."""
        y: Tensor = super().forward(F.pad(x, self.margins, self.mode))
        return y

    def export_forward(self, opset: int, target: str) -> Callable[[Tensor], Tensor] | None:
        """Join the entries of circular margins where ONNX's Pad has no mode for them."""
        if self.mode != "circular" or opset >= WRAP:
            return None
        convolve = super().forward
        return lambda x: convolve(wrapped(x, self.margins))


class PaddedConv1d(UnevenMargins, nn.Conv1d):
    """A convolution of a sequence with other margins before than after its axes."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int,
        stride: int,
        margins: tuple[int, ...],
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        mode: str = "zeros",
    ) -> None:
        super().__init__(channels, out, kernel, stride, 0, dilation, groups, bias)
        self.margins = margins
        self.mode = "constant" if mode == "zeros" else mode


class PaddedConv2d(UnevenMargins, nn.Conv2d):
    """A convolution of an image with other margins before than after its axes."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int | tuple[int, int],
        stride: int | tuple[int, int],
        margins: tuple[int, ...],
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        mode: str = "zeros",
    ) -> None:
        super().__init__(channels, out, kernel, stride, 0, dilation, groups, bias)
        self.margins = margins
        self.mode = "constant" if mode == "zeros" else mode


class PaddedConv3d(UnevenMargins, nn.Conv3d):
    """A convolution of a volume with other margins before than after its axes."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int | tuple[int, int, int],
        stride: int | tuple[int, int, int],
        margins: tuple[int, ...],
        dilation: int | tuple[int, int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        mode: str = "zeros",
    ) -> None:
        super().__init__(channels, out, kernel, stride, 0, dilation, groups, bias)
        self.margins = margins
        self.mode = "constant" if mode == "zeros" else mode


class SameMargins(nn.Module):
    """What convolutions of every rank share that add the zeros which give ⌈size / stride⌉ positions."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, …sizes] → [batch, out, …, each size / stride, rounded up]."""
        y: Tensor = super().forward(F.pad(x, zeros_around(x.shape[2:], self.kernel_size, self.stride)))
        return y

    def export_forward(self, opset: int, target: str) -> Callable[[Tensor], Tensor]:
        """Export as one operator, which reads the margins off the sizes."""
        return lambda x: same_convolution(self, x)


class SameConv1d(SameMargins, nn.Conv1d):
    """A convolution of a sequence with the zeros that give ⌈size / stride⌉ positions, an odd one behind."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int,
        stride: int,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(channels, out, kernel, stride, groups=groups, bias=bias)


class SameConv2d(SameMargins, nn.Conv2d):
    """A convolution of an image with the zeros that give ⌈size / stride⌉ positions, an odd one behind."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int | tuple[int, int],
        stride: int | tuple[int, int],
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(channels, out, kernel, stride, groups=groups, bias=bias)


class SameConv3d(SameMargins, nn.Conv3d):
    """A convolution of a volume with the zeros that give ⌈size / stride⌉ positions, an odd one behind."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int | tuple[int, int, int],
        stride: int | tuple[int, int, int],
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(channels, out, kernel, stride, groups=groups, bias=bias)


def zeros_around(sizes: torch.Size, kernel: tuple[int, ...], stride: tuple[int, ...]) -> list[int]:
    """The zeros before and after each axis, from the last one on: (⌈size/stride⌉ − 1)·stride + kernel − size in all."""
    margins: list[int] = []
    for size, taps, step in zip(reversed(sizes), reversed(kernel), reversed(stride), strict=True):
        added = max((-(-size // step) - 1) * step + taps - size, 0)
        margins += [added // 2, added - added // 2]
    return margins


def same_convolution(module: Any, x: Tensor) -> Tensor:
    """ONNX's convolution with SAME_UPPER, for an export only: it computes no values."""
    sizes = [(size + step - 1) // step for size, step in zip(x.shape[2:], module.stride, strict=True)]
    attributes: dict[str, Any] = {"auto_pad": "SAME_UPPER", "strides": list(module.stride), "group": module.groups}
    inputs = [x, module.weight, *([] if module.bias is None else [module.bias])]
    shape = [x.shape[0], module.out_channels, *sizes]
    return torch.onnx.ops.symbolic("::Conv", inputs, attributes, dtype=x.dtype, shape=shape)
