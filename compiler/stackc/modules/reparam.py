"""Parametrizations: a parameter as a function of the one that is trained, for torch.nn.utils.parametrize."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Standardized(nn.Module):
    """Zero mean and unit standard deviation, over all axes or over some."""

    def __init__(self, axes: tuple[int, ...] | None = None, eps: float = 1e-5) -> None:
        super().__init__()
        self.axes = axes
        self.eps = eps

    def forward(self, w: Tensor) -> Tensor:
        """(w − mean(w)) / (std(w) + eps), std of the population."""
        axes = tuple(range(w.dim())) if self.axes is None else self.axes
        mean = w.mean(dim=axes, keepdim=True)
        std = w.std(dim=axes, correction=0, keepdim=True)
        return (w - mean) / (std + self.eps)


class MinMaxScaled(nn.Module):
    """The least element becomes `low`, the largest `high`."""

    def __init__(self, low: float = -1.0, high: float = 1.0) -> None:
        super().__init__()
        self.low = low
        self.high = high

    def forward(self, w: Tensor) -> Tensor:
        """low + (high − low) · (w − min(w)) / (max(w) − min(w)); `low` where all elements are equal."""
        least, largest = w.min(), w.max()
        span = largest - least
        span = span.masked_fill(span == 0, 1)
        return self.low + (self.high - self.low) * (w - least) / span


class WeightNormed(nn.Module):
    """Lengths and directions, along an axis."""

    def __init__(self, axis: int = 0) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        """g [1, …, n, …, 1], v [..., n, ...] → g · v / ‖v‖."""
        return g * v / self.lengths(v)

    def right_inverse(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """The lengths of w, and w for the directions."""
        return self.lengths(w), w

    def lengths(self, v: Tensor) -> Tensor:
        """The norms over all axes but one, which stay as 1."""
        others = tuple(i for i in range(v.dim()) if i != self.axis % v.dim())
        return v.square().sum(dim=others, keepdim=True).sqrt() if others else v.abs()


class SpectralNormed(nn.Module):
    """Division by the largest singular value, which power iterations follow in training."""

    _u: Tensor
    _v: Tensor

    def __init__(self, axis: int = 0, iterations: int = 1, eps: float = 1e-12) -> None:
        super().__init__()
        self.axis = axis
        self.iterations = iterations
        self.eps = eps

    def forward(self, w: Tensor) -> Tensor:
        """w / (uᵀ·w·v)."""
        matrix = self.matrix(w)
        if self.training:
            self.follow(matrix, self.iterations)
        u, v = self._u.clone(), self._v.clone()  # the next iterations change them in place
        return w / torch.dot(u, torch.mv(matrix, v))

    def right_inverse(self, w: Tensor) -> Tensor:
        """w itself; where it is the first one, its singular vectors are found from a start that no seed decides."""
        if "_u" not in self._buffers:
            matrix = self.matrix(w)
            self.register_buffer("_u", matrix.new_ones(matrix.shape[0]))
            self.register_buffer("_v", F.normalize(matrix.new_ones(matrix.shape[1]), dim=0))
            self.follow(matrix, 15)
        return w

    @torch.no_grad()
    def follow(self, matrix: Tensor, iterations: int) -> None:
        """Turn u and v towards the singular vectors."""
        for _ in range(iterations):
            self._u.copy_(F.normalize(matrix @ self._v, dim=0, eps=self.eps))
            self._v.copy_(F.normalize(matrix.T @ self._u, dim=0, eps=self.eps))

    def matrix(self, w: Tensor) -> Tensor:
        """[the axis, all other axes]."""
        return w.movedim(self.axis, 0).flatten(1)
