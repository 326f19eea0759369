"""Reshaping, permuting and slicing."""

from typing import Any

from torch import Tensor, nn


def extent(size: Any, *x: Tensor | None) -> int:
    """Evaluate a size: a number, or a sum of terms, each a coefficient and its factors.

    A factor is (tensor, axis), the size of an axis, or (terms, divisor), another sum divided and rounded down.
    """
    if isinstance(size, int):
        return size

    total = 0
    for term, factors in size:
        for source, number in factors:
            tensor = x[source] if isinstance(source, int) else None
            term = term * (extent(source, *x) // number if tensor is None else tensor.shape[number])
        total = total + term
    return total


class Transpose(nn.Module):
    """Two axes exchanged."""

    def __init__(self, axis0: int, axis1: int) -> None:
        super().__init__()
        self.axes = axis0, axis1

    def forward(self, x: Tensor) -> Tensor:
        """[..., m, ..., n, ...] → [..., n, ..., m, ...]."""
        return x.transpose(*self.axes)


class Reshape(nn.Module):
    """The same elements in another shape: 0 copies the size of x at that position, -1 is the remaining size."""

    def __init__(self, shape: tuple[Any, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """[n₀, n₁, …] → [s₀, s₁, …]."""
        return x.reshape([x.shape[i] if size == 0 else extent(size, x, like) for i, size in enumerate(self.shape)])


class Unflatten(nn.Module):
    """An axis split into several, the last of which varies fastest."""

    def __init__(self, axis: int, size: tuple[Any, ...]) -> None:
        super().__init__()
        self.axis = axis
        self.size = size

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """[..., n, ...] → [..., n / (s₁·…·s_k), s₁, …, s_k, ...]."""
        sizes = [extent(size, x, like) for size in self.size]
        y: Tensor = x.unflatten(self.axis, [-1, *sizes])
        return y


class Permute(nn.Module):
    """The axes in another order."""

    def __init__(self, order: tuple[int, ...]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        """Axis i of the result is axis order[i] of x."""
        return x.permute(self.order)


class Select(nn.Module):
    """One entry of an axis."""

    def __init__(self, axis: int, index: int) -> None:
        super().__init__()
        self.axis = axis
        self.index = index

    def forward(self, x: Tensor) -> Tensor:
        """[..., n, ...] → [..., ...]."""
        return x.select(self.axis, self.index)


class Slice(nn.Module):
    """Consecutive entries of an axis."""

    def __init__(self, axis: int, start: int, size: Any) -> None:
        super().__init__()
        self.axis = axis
        self.start = start
        self.size = size

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """[..., n, ...] → [..., size, ...]."""
        return x.narrow(self.axis, self.start, extent(self.size, x, like))


class Split(nn.Module):
    """An axis split in two parts."""

    def __init__(self, axis: int, size: int) -> None:
        super().__init__()
        self.axis = axis
        self.size = size

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[..., n, ...] → [..., size, ...], [..., n − size, ...]; a negative size counts the entries of the rest."""
        entries = x.shape[self.axis]
        size = self.size if self.size > 0 else entries + self.size
        return x.narrow(self.axis, 0, size), x.narrow(self.axis, size, entries - size)


class Squeeze(nn.Module):
    """An axis of size 1 removed."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """[..., 1, ...] → [..., ...]."""
        return x.squeeze(self.axis)


class Unsqueeze(nn.Module):
    """An axis of size 1 inserted."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """[..., ...] → [..., 1, ...]."""
        return x.unsqueeze(self.axis)
