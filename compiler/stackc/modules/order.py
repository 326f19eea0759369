"""Entries of an axis in another order."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Flip(nn.Module):
    """The entries of one or several axes in reverse order."""

    def __init__(self, axis: int | tuple[int, ...] = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """[..., n, ...] → the same."""
        return x.flip(self.axis)


class Roll(nn.Module):
    """Entries moved along an axis; those that leave it at its end enter at its start."""

    def __init__(self, shift: int | tuple[int, ...], axis: int | tuple[int, ...] = -1) -> None:
        super().__init__()
        self.shift = shift
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """[..., n, ...] → the same."""
        return x.roll(self.shift, self.axis)


class Sort(nn.Module):
    """Entries sorted along an axis, with their indices; of equal entries the first stays first."""

    def __init__(self, axis: int = -1, descending: bool = False) -> None:
        super().__init__()
        self.axis = axis
        self.descending = descending

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[..., n, ...] → sorted, and the indices in x."""
        y, indices = x.sort(dim=self.axis, descending=self.descending, stable=True)
        return y, indices

    def export_forward(self, opset: int, target: str) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """Become one TopK, which is stable; the exporter knows no stable sort."""

        def forward(x: Tensor) -> tuple[Tensor, Tensor]:
            y, indices = x.sort(dim=self.axis, descending=self.descending)
            return y, indices

        return forward


class TopK(nn.Module):
    """The k largest or smallest entries of an axis, with their indices; of equal entries the first comes first."""

    def __init__(self, k: int, axis: int = -1, largest: bool = True) -> None:
        super().__init__()
        self.k = k
        self.axis = axis
        self.largest = largest

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[..., n, ...] → [..., k, ...], and the indices in x."""
        y, indices = x.sort(dim=self.axis, descending=self.largest, stable=True)  # torch.topk leaves ties open
        return y.narrow(self.axis, 0, self.k), indices.narrow(self.axis, 0, self.k)

    def export_forward(self, opset: int, target: str) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """Become one TopK, in which ties are as above."""

        def forward(x: Tensor) -> tuple[Tensor, Tensor]:
            y, indices = torch.topk(x, self.k, dim=self.axis, largest=self.largest)
            return y, indices

        return forward
