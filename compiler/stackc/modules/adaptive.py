"""Adaptive pooling: over a fixed number of parts of every axis, whatever its size."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class MeanOfParts(nn.Module):
    """The mean of each of several equal parts of an image."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows = rows
        self.columns = columns

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, height, width] → [batch, channels, rows, columns]."""
        height, width = x.shape[2] // self.rows, x.shape[3] // self.columns
        return x.reshape(*x.shape[:2], self.rows, height, self.columns, width).mean(dim=(3, 5))


class AdaptiveAvgPool1d(nn.AdaptiveAvgPool1d):
    """The mean of each of several parts of a sequence."""

    def export_forward(self, opset: int, target: str) -> Callable[[Tensor], Tensor]:
        """Compute the parts from the size: PyTorch's own export freezes them."""
        return lambda x: mean_of_parts(x, 2, int(self.output_size))  # type: ignore[arg-type]  # a number here


class AdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):
    """The mean of each of several parts of an image."""

    def export_forward(self, opset: int, target: str) -> Callable[[Tensor], Tensor]:
        """Compute the parts from the sizes, axis by axis: PyTorch's own export freezes them."""
        rows, columns = both(self.output_size)
        return lambda x: mean_of_parts(mean_of_parts(x, 2, rows), 3, columns)


class AdaptiveMaxPool1d(nn.AdaptiveMaxPool1d):
    """The maximum of each of several parts of a sequence."""

    def export_forward(self, opset: int, target: str) -> Callable[[Tensor], Tensor]:
        """Compute the parts from the size: PyTorch's own export freezes them."""
        return lambda x: largest_of_parts(x, 2, int(self.output_size))  # type: ignore[arg-type]  # as above


class AdaptiveMaxPool2d(nn.AdaptiveMaxPool2d):
    """The maximum of each of several parts of an image."""

    def export_forward(self, opset: int, target: str) -> Callable[[Tensor], Tensor]:
        """Compute the parts from the sizes, axis by axis: PyTorch's own export freezes them."""
        rows, columns = both(self.output_size)
        return lambda x: largest_of_parts(largest_of_parts(x, 2, rows), 3, columns)


def both(size: int | Sequence[int | None] | None) -> tuple[int, int]:
    """One size for rows and columns, or one for each."""
    rows, columns = (size, size) if isinstance(size, int) or size is None else size
    assert rows is not None and columns is not None  # noqa: PT018
    return rows, columns


def entries_of_parts(size: int, parts: int) -> tuple[Tensor, Tensor]:
    """Return the entries of each part, [parts, most], the last one repeated, and how many each part has, [parts, 1].

    Part i goes from ⌊i·size / parts⌋ to ⌈(i + 1)·size / parts⌉, which are at most ⌊size / parts⌋ + 2 entries.
    """
    number = torch.arange(parts).unsqueeze(1)
    first, end = number * size // parts, ((number + 1) * size + parts - 1) // parts
    entries = first + torch.arange(size // parts + 2)
    return torch.minimum(entries, end - 1), end - first


def largest_of_parts(x: Tensor, axis: int, parts: int) -> Tensor:
    """The maximum of each part of an axis."""
    entries, _ = entries_of_parts(x.shape[axis], parts)
    taken = x.index_select(axis, entries.flatten()).unflatten(axis, (parts, -1))
    y: Tensor = taken.amax(axis + 1)
    return y


def mean_of_parts(x: Tensor, axis: int, parts: int) -> Tensor:
    """The mean of each part of an axis: the sum of its entries, in which those that are repeated are zeros."""
    entries, counts = entries_of_parts(x.shape[axis], parts)
    taken = x.index_select(axis, entries.flatten()).unflatten(axis, (parts, -1))

    behind = [1] * (x.dim() - axis - 1)
    counted = (torch.arange(x.shape[axis] // parts + 2) < counts).reshape(parts, -1, *behind)
    total: Tensor = taken.masked_fill(~counted, 0).sum(axis + 1)
    return total / counts.to(x.dtype).reshape(parts, *behind)
