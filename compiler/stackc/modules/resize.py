"""Resizing of sequences and images, and sampling of images, channels first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackc.modules.layout import extent


class Resize(nn.Module):
    """torch.nn.functional.interpolate to sizes; the nearest entry in whole numbers, where that rounds a quotient."""

    def __init__(
        self, size: tuple[Any, ...], mode: str, *, align_corners: bool | None = None, antialias: bool = False
    ) -> None:
        super().__init__()
        self.size = size
        self.mode = mode
        self.align_corners = align_corners
        self.antialias = antialias

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """[batch, channels, ...positions] → [batch, channels, ...size]."""
        size = [extent(each, x, like) for each in self.size]
        if self.mode.startswith("nearest"):
            return nearest(x, size, zip(x.shape[2:], size, strict=True), self.mode == "nearest-exact")
        return F.interpolate(x, size, None, self.mode, self.align_corners, antialias=self.antialias)

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensor]:
        """Export coordinates as fractions of whole numbers: those of ONNX Runtime are quotients by a rounded factor."""

        def forward(x: Tensor, like: Tensor | None = None) -> Tensor:
            size = [extent(each, x, like) for each in self.size]
            if self.mode.startswith("nearest"):
                return nearest(x, size, zip(x.shape[2:], size, strict=True), self.mode == "nearest-exact")
            if self.align_corners:  # a quotient of whole numbers in ONNX Runtime too
                whole = torch.cat([torch.full((1,), each, dtype=torch.int64) for each in (*x.shape[:2], *size)])
                return onnx_resize(x, [None, None, whole], size, self.mode, "align_corners")
            for axis, entries in enumerate(size, start=2):
                x = (averaged if self.antialias else interpolated)(x, axis, entries, self.mode == "bicubic")
            return x

        return forward


class ResizeByFactor(nn.Module):
    """torch.nn.functional.interpolate by factors, each a fraction; the nearest entry in whole numbers, as above."""

    def __init__(self, factors: tuple[tuple[int, int], ...], mode: str, *, align_corners: bool | None = None) -> None:
        super().__init__()
        self.factors = factors
        self.mode = mode
        self.align_corners = align_corners

    def forward(self, x: Tensor, like: None = None) -> Tensor:
        """[batch, channels, ...positions] → [batch, channels, …positions · factor]."""
        if self.mode.startswith("nearest"):
            ratios = [(below, above) for above, below in self.factors]
            size = [entries * above // below for entries, (below, above) in zip(x.shape[2:], ratios, strict=True)]
            return nearest(x, size, ratios, self.mode == "nearest-exact")
        scale = [above / below for above, below in self.factors]
        return F.interpolate(x, None, scale, self.mode, self.align_corners)

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensor]:
        """Export as one Resize, or as whole numbers where the nearest entry is no repetition."""

        def forward(x: Tensor, like: None = None) -> Tensor:
            axes = zip(x.shape[2:], self.factors, strict=True)
            size = [each * numerator // denominator for each, (numerator, denominator) in axes]
            if self.mode == "nearest-exact":
                return nearest(x, size, ((below, above) for above, below in self.factors), True)

            scale = torch.cat([torch.full((1,), above / below) for above, below in ((1, 1), (1, 1), *self.factors)])
            smooth = "align_corners" if self.align_corners else "half_pixel"
            return onnx_resize(x, [None, scale], size, self.mode, "asymmetric" if self.mode == "nearest" else smooth)

        return forward


def nearest(x: Tensor, size: Sequence[int], ratios: Any, exact: bool) -> Tensor:
    """Entry ⌊i·n/m⌋ of x, or ⌊(i + ½)·n/m⌋, for each entry i of an axis and its ratio n/m."""
    for axis, (entries, (numerator, denominator)) in enumerate(zip(size, ratios, strict=True), start=2):
        number = torch.arange(entries)
        doubled = 2 * number + 1 if exact else 2 * number
        x = x.index_select(axis, doubled * numerator // (2 * denominator))
    return x


def interpolated(x: Tensor, axis: int, size: int, is_cubic: bool) -> Tensor:
    """An axis of n entries at ((2i + 1)·n − m) / 2m, for each i of m: two entries around interpolated, or four."""
    entries, unit = x.shape[axis], torch.full((), 2 * size)
    position = (2 * torch.arange(size) + 1) * entries - size
    first = position // unit
    t = (position - first * unit).to(x.dtype) / unit.to(x.dtype)

    weights = [cubic(distance, -0.75) for distance in (t + 1, t, 1 - t, 2 - t)] if is_cubic else [1 - t, t]
    behind = [1] * (x.dim() - axis - 1)
    last, total = torch.full((), entries - 1), None
    for number, weight in enumerate(weights, start=-1 if is_cubic else 0):
        taken = x.index_select(axis, torch.minimum((first + number).clamp(min=0), last))
        weighted = taken * weight.reshape(-1, *behind)
        total = weighted if total is None else total + weighted
    assert total is not None
    return total


def averaged(x: Tensor, axis: int, size: int, is_cubic: bool) -> Tensor:
    """An axis of n entries as a product with [m, n]: a triangle, or Keys' cubic, as wide as what shrinks into one."""
    entries = x.shape[axis]
    centers, places = 2 * torch.arange(size).unsqueeze(1) + 1, 2 * torch.arange(entries) + 1
    unit = 2 * torch.maximum(torch.full((), size), torch.full((), entries))
    distance = (places * size - centers * entries).abs().to(x.dtype) / unit.to(x.dtype)  # [m, n]

    kernel = cubic(distance, -0.5) if is_cubic else (1 - distance).clamp(min=0)
    weights = kernel / kernel.sum(1, keepdim=True)
    return weights @ x if axis == x.dim() - 2 else x @ weights.mT


def cubic(distance: Tensor, a: float) -> Tensor:
    """The kernel of Keys 1981 at a distance d: (a + 2)d³ − (a + 3)d² + 1 to 1, a·(d³ − 5d² + 8d − 4) to 2, then 0."""
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return torch.where(distance < 1, near, torch.where(distance < 2, far, torch.zeros_like(far)))


def onnx_resize(x: Tensor, target: list[Tensor | None], size: Sequence[int], mode: str, coordinates: str) -> Tensor:
    """ONNX's Resize of an image, for an export only: it computes no values. `target` has its inputs after x."""
    if x.dim() == 3:  # a sequence is an image of one row
        row = torch.ones(1, dtype=torch.int64 if len(target) == 3 else torch.float32)
        target = [None if each is None else torch.cat([each[:2], row, each[2:]]) for each in target]
        return onnx_resize(x.unsqueeze(2), target, [1, *size], mode, coordinates).squeeze(2)

    attributes: dict[str, Any] = {"mode": {"bicubic": "cubic", "nearest": "nearest"}.get(mode, "linear")}
    attributes |= {"coordinate_transformation_mode": coordinates}
    attributes |= {"cubic_coeff_a": -0.75} if mode == "bicubic" else {"nearest_mode": "floor"}
    shape = [*x.shape[:2], *size]
    return torch.onnx.ops.symbolic("::Resize", [x, *target], attributes, dtype=x.dtype, shape=shape)


class GridSample(nn.Module):
    """An image at the places of a grid."""

    def __init__(self, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool = False) -> None:
        super().__init__()
        self.mode = mode
        self.padding_mode = padding_mode
        self.align_corners = align_corners

    def forward(self, x: Tensor, grid: Tensor) -> Tensor:
        """x [batch, channels, height, width], grid [batch, rows, columns, 2] → [batch, channels, rows, columns]."""
        return F.grid_sample(x, grid, self.mode, self.padding_mode, self.align_corners)
