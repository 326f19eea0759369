"""Regularization that acts in training alone."""

import torch
from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """A branch that is left out of training at random, for each sample or for all of them."""

    def __init__(self, p: float, mode: str = "row") -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        """[batch, ...] → the same shape."""
        if not self.training or self.p == 0.0:
            return x
        size = [x.shape[0] if self.mode == "row" else 1, *[1] * (x.dim() - 1)]
        kept = torch.rand(size, dtype=x.dtype, device=x.device) >= self.p  # [batch, 1, …]
        return x * kept / (1.0 - self.p)
