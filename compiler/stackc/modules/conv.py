"""Images as sequences."""

from torch import Tensor, nn


class PatchEmbed(nn.Module):
    """A linear map of each patch of an image."""

    def __init__(self, channels: int, dim: int, patch: int | tuple[int, int], bias: bool = True) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch, patch, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, height, width] → [batch, patches, dim]."""
        y: Tensor = self.proj(x)
        return y.flatten(2).transpose(1, 2)
