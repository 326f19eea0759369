"""Axes exchanged, joined and parted, and entries of an axis taken."""

from typing import Any

from torch import Tensor, nn


def extent(size: Any, *x: Tensor | None) -> int:
    """A size that may hang on those of tensors: a number, or a sum of terms, each a number and what it is times.

    That is (tensor, axis), the size of an axis, or (terms, divisor), another sum divided and rounded down.
    """
    if isinstance(size, int):
        return size
    total = 0
    for number, factors in size:
        for source, other in factors:
            tensor = x[source] if isinstance(source, int) else None
            number = number * (extent(source, *x) // other if tensor is None else tensor.shape[other])
        total = total + number
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
    """The same elements in another shape: 0 is the size that stood there before, -1 what is left over."""

    def __init__(self, shape: tuple[Any, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """[n₀, n₁, …] → [s₀, s₁, …]."""
        return x.reshape([x.shape[i] if size == 0 else extent(size, x, like) for i, size in enumerate(self.shape)])


class Unflatten(nn.Module):
    """An axis as several, of which the last runs fastest."""

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
        """Axis i of y is axis order[i] of x."""
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
    """Some entries of an axis."""

    def __init__(self, axis: int, start: int, size: Any) -> None:
        super().__init__()
        self.axis = axis
        self.start = start
        self.size = size

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """[..., n, ...] → [..., size, ...]."""
        return x.narrow(self.axis, self.start, extent(self.size, x, like))


class Split(nn.Module):
    """An axis in two parts."""

    def __init__(self, axis: int, size: int) -> None:
        super().__init__()
        self.axis = axis
        self.size = size

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[..., n, ...] → [..., size, ...], [..., n − size, ...]."""
        rest = x.shape[self.axis] - self.size
        return x.narrow(self.axis, 0, self.size), x.narrow(self.axis, self.size, rest)


class Squeeze(nn.Module):
    """An axis of one entry taken away."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """[..., 1, ...] → [..., ...]."""
        return x.squeeze(self.axis)


class Unsqueeze(nn.Module):
    """An axis of one entry put in."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """[..., ...] → [..., 1, ...]."""
        return x.unsqueeze(self.axis)
