"""Pooling of images and sequences, channels first."""

from torch import Tensor, nn


class GlobalAvgPool(nn.Module):
    """The mean over all positions."""

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, ...positions] → [batch, channels]."""
        return x.mean(dim=tuple(range(2, x.dim())))


class GlobalMaxPool(nn.Module):
    """The maximum over all positions."""

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, ...positions] → [batch, channels]."""
        return x.amax(dim=tuple(range(2, x.dim())))


class MeanOfParts(nn.Module):
    """The mean of each of several equal parts of an image."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows = rows
        self.columns = columns

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, height, width] → [batch, channels, rows, columns]."""
        height, width = x.shape[2] // self.rows, x.shape[3] // self.columns
        return x.reshape(*x.shape[:2], self.rows, height, self.columns, width).mean(dim=(3, 5))


class MaxPool1d(nn.MaxPool2d):
    """The maximum over windows of a sequence, as an image of one row."""

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, length] → [batch, channels, windows]."""
        y: Tensor = super().forward(x.unsqueeze(2))  # [batch, channels, 1, windows]
        return y.squeeze(2)
