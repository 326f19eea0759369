"""Products of vectors and matrices."""

from torch import Tensor, nn


class Dot(nn.Module):
    """The dot product of two vectors along an axis."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """[..., n, ...] each → [..., ...]."""
        return (a * b).sum(dim=self.axis)


class Matmul(nn.Module):
    """The product of two matrices."""

    def __init__(self, transposed: bool = False) -> None:
        super().__init__()
        self.transposed = transposed

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """x [..., m, k], other [..., k, n], or [..., n, k] if transposed → [..., m, n]."""
        return x @ (other.transpose(-2, -1) if self.transposed else other)
