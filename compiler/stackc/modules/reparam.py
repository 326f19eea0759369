"""Parametrizations for torch.nn.utils.parametrize: a parameter as a function of the tensors that are trained."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Standardized(nn.Module):
    """Zero mean and unit standard deviation, over all axes or some."""

    def __init__(self, axes: tuple[int, ...] | None = None, eps: float = 1e-5) -> None:
        super().__init__()
        self.axes = axes
        self.eps = eps

    def forward(self, w: Tensor) -> Tensor:
        """(w − mean(w)) / (std(w) + eps) with the population's std."""
        axes = tuple(range(w.dim())) if self.axes is None else self.axes
        centred = w - self.mean(w, axes)
        centred = centred - self.mean(centred, axes)  # what rounding has left of a large mean
        return centred / (centred.std(dim=axes, correction=0, keepdim=True) + self.eps)

    def mean(self, w: Tensor, axes: tuple[int, ...]) -> Tensor:
        """The mean over one axis after another: the fewer numbers a sum has, the fewer digits it loses."""
        for axis in axes:
            w = w.mean(dim=axis, keepdim=True)
        return w


class MinMaxScaled(nn.Module):
    """Scaling of the least element to `low` and of the largest to `high`."""

    def __init__(self, low: float = -1.0, high: float = 1.0) -> None:
        super().__init__()
        self.low = low
        self.high = high

    def forward(self, w: Tensor) -> Tensor:
        """low + (high − low) · (w − min(w)) / (max(w) − min(w)); `low` if all elements are equal."""
        least, largest = w.min(), w.max()
        span = largest - least
        span = span.masked_fill(span == 0, 1)
        return self.low + (self.high - self.low) * (w - least) / span


class WeightNormed(nn.Module):
    """Products of lengths and directions along an axis."""

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
        """The norms over all axes but one, which are kept with size 1."""
        others = tuple(i for i in range(v.dim()) if i != self.axis % v.dim())
        return v.square().sum(dim=others, keepdim=True).sqrt() if others else v.abs()


class SpectralNormed(nn.Module):
    """Division by the largest singular value, which power iterations update in training."""

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
            self.iterate(matrix, self.iterations)
        u, v = self._u.clone(), self._v.clone()  # later iterations change them in place
        return w / torch.dot(u, torch.mv(matrix, v))

    def right_inverse(self, w: Tensor) -> Tensor:
        """w itself; the first one also initializes the singular vectors, from ones, so that no seed is needed."""
        if "_u" not in self._buffers:
            matrix = self.matrix(w)
            self.register_buffer("_u", matrix.new_ones(matrix.shape[0]))
            self.register_buffer("_v", F.normalize(matrix.new_ones(matrix.shape[1]), dim=0))
            self.iterate(matrix, 15)
        return w

    @torch.no_grad()
    def iterate(self, matrix: Tensor, iterations: int) -> None:
        """Move u and v towards the singular vectors by power iterations."""
        for _ in range(iterations):
            self._u.copy_(F.normalize(matrix @ self._v, dim=0, eps=self.eps))
            self._v.copy_(F.normalize(matrix.T @ self._u, dim=0, eps=self.eps))

    def matrix(self, w: Tensor) -> Tensor:
        """w as a matrix [the axis, all other axes]."""
        return w.movedim(self.axis, 0).flatten(1)


class LowRankAdapted(nn.Module):
    """Low-rank adaptation: the product of two small matrices is added."""

    lora_A: nn.Parameter  # peft's name
    lora_B: nn.Parameter

    def __init__(self, rank: int, alpha: float | None = None) -> None:
        super().__init__()
        self.rank = rank
        self.scale = (rank if alpha is None else alpha) / rank

    def forward(self, w: Tensor) -> Tensor:
        """w [m, ...] + scale · B [m, rank] · A [rank, n], where n is the product of the other axes."""
        return w + self.scale * (self.lora_B @ self.lora_A).reshape(w.shape)

    def right_inverse(self, w: Tensor) -> Tensor:
        """What w is the sum of; the first one also initializes the factors, so that their product is 0."""
        if "lora_A" not in self._parameters:
            self.lora_A = nn.Parameter(w.new_empty(self.rank, w[0].numel()))
            self.lora_B = nn.Parameter(w.new_zeros(w.shape[0], self.rank))
            nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        return w - self.scale * (self.lora_B @ self.lora_A).reshape(w.shape)
