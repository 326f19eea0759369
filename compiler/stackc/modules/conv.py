"""Patch embeddings of images, and causal convolutions."""

from torch import Tensor, nn
from torch.nn import functional as F


class PatchEmbed(nn.Module):
    """A linear layer on each patch of an image."""

    def __init__(self, channels: int, dim: int, patch: int | tuple[int, int], bias: bool = True) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch, patch, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, height, width] → [batch, patches, dim]."""
        y: Tensor = self.proj(x)
        return y.flatten(2).transpose(1, 2)


class CausalConv1d(nn.Conv1d):
    """A convolution of a sequence, preceded by zeros, whose outputs depend on no later position."""

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, length] → [batch, out, positions]."""
        before = self.dilation[0] * (self.kernel_size[0] - 1)
        return super().forward(F.pad(x, (before, 0)))
