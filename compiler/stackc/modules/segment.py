"""Entries combined by index: each belongs to the segment of its index.

Sums are torch.scatter_add with an index for each element, not index_add: that becomes a ScatterND, which ONNX Runtime
adds up in parallel without care for indices that are there twice.
"""

from typing import Any

from torch import Tensor, nn

from stackc.modules.layout import extent


def index_of_each(x: Tensor, index: Tensor, axis: int) -> Tensor:
    """Repeat the index of each entry of an axis for all elements of the entry."""
    shape = [1] * x.dim()
    shape[axis] = -1
    return index.long().reshape(shape).expand_as(x)


def with_size(x: Tensor, axis: int, size: int) -> list[int]:
    """Return the shape of x with another size of an axis."""
    return [*x.shape[:axis], size, *x.shape[axis + 1 :]]


class SegmentReduction(nn.Module):
    """The sum, mean, amax or amin of the entries of each segment, 0 if there is none."""

    def __init__(self, name: str, size: Any, axis: int = 0) -> None:
        super().__init__()
        self.name = name
        self.size = size
        self.axis = axis

    def forward(self, x: Tensor, index: Tensor, like: Tensor | None = None) -> Tensor:
        """x [..., m, ...], index [m] → [..., size, ...]."""
        size = extent(self.size, x, like)
        shape, each = with_size(x, self.axis, size), index_of_each(x, index, self.axis)
        if self.name == "sum":
            return x.new_zeros(shape).scatter_add(self.axis, each, x)

        along = [1] * x.dim()
        along[self.axis] = size
        if self.name == "mean":
            count = x.new_zeros(size).scatter_add(0, index.long(), x.new_ones(index.shape))
            return x.new_zeros(shape).scatter_add(self.axis, each, x) / count.clamp(min=1).reshape(along)

        beyond = float("-inf") if self.name == "amax" else float("inf")
        y = x.new_full(shape, beyond).scatter_reduce(self.axis, each, x, self.name)
        occupied = x.new_zeros(size).scatter(0, index.long(), 1) > 0
        return y.masked_fill(~occupied.reshape(along), 0)


class SegmentSoftmax(nn.Module):
    """Entries exponentiated and divided by their sum over their segment."""

    def __init__(self, size: Any, axis: int = 0) -> None:
        super().__init__()
        self.size = size
        self.axis = axis

    def forward(self, x: Tensor, index: Tensor, like: Tensor | None = None) -> Tensor:
        """x [..., m, ...], index [m] → the same."""
        shape = with_size(x, self.axis, extent(self.size, x, like))
        each = index_of_each(x, index, self.axis)
        largest = x.detach().new_full(shape, float("-inf")).scatter_reduce(self.axis, each, x.detach(), "amax")
        powers = (x - largest.gather(self.axis, each)).exp()
        total = x.new_zeros(shape).scatter_add(self.axis, each, powers)
        return powers / total.gather(self.axis, each)


class ScatterAdd(nn.Module):
    """Entries added to those of a tensor, by index."""

    def __init__(self, axis: int = 0) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor, index: Tensor, source: Tensor) -> Tensor:
        """x [..., n, ...], index [m], source [..., m, ...] → the type of x."""
        return x.scatter_add(self.axis, index_of_each(source, index, self.axis), source)


class Degree(nn.Module):
    """How often each index is there."""

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """x [edges], like [nodes, ...] → [nodes]."""
        return like.new_zeros(like.shape[0]).scatter_add(0, x.long(), like.new_ones(x.shape))
