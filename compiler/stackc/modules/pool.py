"""Sequence pooling, axis reductions and choices, cumulative sums, and L2 normalization."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MeanPool(nn.Module):
    """The mean over the positions that a mask keeps."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x [batch, seq, dim], mask [batch, seq] → [batch, dim]."""
        if mask is None:
            return x.mean(dim=1)
        kept = mask.bool().unsqueeze(-1)  # [batch, seq, 1]
        total = x.masked_fill(~kept, 0).sum(dim=1)  # [batch, dim]; padding is left out, even NaN
        count = kept.sum(dim=1).clamp(min=1)  # [batch, 1]
        return total / count.to(x.dtype)


class MaxPool(nn.Module):
    """The maximum over the positions that a mask keeps."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x [batch, seq, dim], mask [batch, seq] → [batch, dim]."""
        if mask is None:
            return x.amax(dim=1)
        kept = mask.bool()
        largest = x.masked_fill(~kept.unsqueeze(-1), torch.finfo(x.dtype).min).amax(dim=1)  # [batch, dim]
        return largest.masked_fill(~kept.any(dim=1, keepdim=True), 0)


class Reduction(nn.Module):
    """The mean, sum, amax or amin along one or several axes."""

    def __init__(self, name: str, axis: int | tuple[int, ...] = -1, keepdim: bool = False) -> None:
        super().__init__()
        self.name = name
        self.axis = axis
        self.keepdim = keepdim

    def forward(self, x: Tensor) -> Tensor:
        """[..., n, ...] → [..., ...], or [..., 1, ...] with keepdim."""
        y: Tensor = getattr(x, self.name)(dim=self.axis, keepdim=self.keepdim)
        return y

    def export_forward(self, opset: int, target: str) -> Callable[[Tensor], Tensor] | None:
        """Sum over several axes one after another: ONNX Runtime's sum over all at once has a larger error."""
        axes = self.axis
        if isinstance(axes, int) or self.name not in ("sum", "mean"):
            return None

        def forward(x: Tensor) -> Tensor:
            for axis in sorted((axis % x.dim() for axis in axes), reverse=True):
                x = getattr(x, self.name)(dim=axis, keepdim=self.keepdim)
            return x

        return forward


class ClsPool(nn.Module):
    """The first position."""

    def forward(self, x: Tensor) -> Tensor:
        """[batch, seq, dim] → [batch, dim]."""
        return x[:, 0]


class L2Normalize(nn.Module):
    """Vectors scaled to length 1."""

    def __init__(self, axis: int | tuple[int, ...] = -1, eps: float = 1e-12) -> None:
        super().__init__()
        self.axis = axis
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """x / max(‖x‖₂, eps) along the axis or axes."""
        return F.normalize(x, p=2.0, dim=self.axis, eps=self.eps)  # type: ignore[arg-type]  # its stub has no tuples


class ArgReduction(nn.Module):
    """The index of the largest or smallest number along an axis, the first of equal ones."""

    def __init__(self, name: str, axis: int = -1, keepdim: bool = False) -> None:
        super().__init__()
        self.name = name
        self.axis = axis
        self.keepdim = keepdim

    def forward(self, x: Tensor) -> Tensor:
        """[..., n, ...] → [..., ...], or [..., 1, ...] with keepdim."""
        y: Tensor = getattr(x, self.name)(dim=self.axis, keepdim=self.keepdim)
        return y


class CumSum(nn.Module):
    """The sum of all entries up to each, in the element type of x."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """[..., n, ...] → the same shape."""
        return x.cumsum(self.axis, dtype=x.dtype)
