"""Positions of new entries that follow past ones, and what is made of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stackc.modules.embedding import SinusoidalPosition
from stackc.modules.values import Positions, element_type


class PositionsAfterPast(nn.Module):
    """The positions of new entries, counted on from the number of past ones."""

    def __init__(self, axis: int, past_axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.past_axis = past_axis

    def forward(self, x: Tensor, past: Tensor) -> Tensor:
        """x [..., new, ...], past [..., past, ...] → [1, new]."""
        new = torch.arange(x.shape[self.axis], device=x.device)
        return (new + past.shape[self.past_axis]).unsqueeze(0)


class LearnedPositionStep(nn.Embedding):
    """The vectors of new positions in the table of `LearnedPosition`."""

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:  # type: ignore[override]  # x has the number
        """x [batch, new, ...], positions [1, new] → [1, new, dim]."""
        return super().forward(positions)


class SinusoidalPositionStep(SinusoidalPosition):
    """The sinusoids of new positions."""

    def forward(self, x: Tensor, mask: None, positions: Tensor) -> Tensor:  # type: ignore[override]  # as above
        """x [batch, new, features], positions [1, new] → [1, new, dim]."""
        places = positions.to(x.dtype) + self.start
        return self.sinusoids(places if self.scale == 1.0 else places * self.scale, self.dim)


class PositionsStep(Positions):
    """The positions of new entries, counted from `start`."""

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:  # type: ignore[override]  # x has the number
        """x [..., new, ...], positions [1, new] → [new]."""
        return (positions.squeeze(0) + self.start).to(element_type(self.dtype, self.like))
