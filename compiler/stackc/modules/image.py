"""One vector of all positions of an image or a sequence, channels first."""

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
