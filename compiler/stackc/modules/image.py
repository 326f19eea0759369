"""Pooling of images and sequences, channels first."""

from torch import Tensor, nn


class GlobalAvgPool(nn.Module):
    """The mean over all positions."""

    def __init__(self, keepdim: bool = False) -> None:
        super().__init__()
        self.keepdim = keepdim

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, ...positions] → [batch, channels], or [batch, channels, 1, ...] with keepdim."""
        return x.mean(dim=tuple(range(2, x.dim())), keepdim=self.keepdim)


class GlobalMaxPool(nn.Module):
    """The maximum over all positions."""

    def __init__(self, keepdim: bool = False) -> None:
        super().__init__()
        self.keepdim = keepdim

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, ...positions] → [batch, channels], or [batch, channels, 1, ...] with keepdim."""
        return x.amax(dim=tuple(range(2, x.dim())), keepdim=self.keepdim)


class MaxPool1d(nn.MaxPool2d):
    """The maximum over windows of a sequence, as an image of one row."""

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, length] → [batch, channels, windows]."""
        y: Tensor = super().forward(x.unsqueeze(2))  # [batch, channels, 1, windows]
        return y.squeeze(2)


class Normalize(nn.Module):
    """A shift and a division by constants, with `behind` axes behind that of the channels."""

    def __init__(
        self, mean: float | tuple[float, ...], std: float | tuple[float, ...], scale: float = 1.0, behind: int = 2
    ) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.scale = scale
        self.behind = behind

    def forward(self, x: Tensor) -> Tensor:
        """[..., channels, ...] → the same: (scale · x − mean) / std."""
        mean, std = (x.new_tensor(numbers).reshape(-1, *[1] * self.behind) for numbers in (self.mean, self.std))
        return (x * self.scale - mean) / std
