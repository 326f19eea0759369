"""The mask of a causal attention, by itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CausalMask(nn.Module):
    """Whether each query may attend to each key by their places: the last query to all keys."""

    def __init__(self, window: int = 0) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """x [batch, queries, ...], context [batch, keys, ...], mask [batch, keys] → [batch, queries, keys]."""
        count = (x if context is None else context).shape[1]
        keys = torch.arange(count, device=x.device)
        last = (torch.arange(x.shape[1], device=x.device) + (count - x.shape[1])).unsqueeze(1)

        within = keys <= last
        within = within & (keys > last - self.window) if self.window else within
        if mask is not None:
            return within & mask.bool().unsqueeze(1)
        return within.expand(x.shape[0], -1, -1)
