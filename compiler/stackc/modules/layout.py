"""Axes exchanged, and entries of an axis taken."""

from torch import Tensor, nn


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

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """[n₀, n₁, …] → [s₀, s₁, …]."""
        return x.reshape([size or x.shape[i] for i, size in enumerate(self.shape)])


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

    def __init__(self, axis: int, start: int, size: int) -> None:
        super().__init__()
        self.axis = axis
        self.start = start
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """[..., n, ...] → [..., size, ...]."""
        return x.narrow(self.axis, self.start, self.size)
