"""Parametrizations: a parameter as a function of the one that is trained, for torch.nn.utils.parametrize."""

from torch import Tensor, nn


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
