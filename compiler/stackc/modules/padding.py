"""Padding."""

from torch import Tensor, nn
from torch.nn import functional as F


class Pad(nn.Module):
    """Entries added around a tensor; `pad` has two numbers per axis, before and after, from the last axis on."""

    def __init__(self, pad: tuple[int, ...], mode: str = "constant", value: float = 0.0) -> None:
        super().__init__()
        self.pad = pad
        self.mode = mode
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        """[..., n, ...] → [..., before + n + after, ...]."""
        return F.pad(x, self.pad, self.mode, self.value if self.mode == "constant" else None)
