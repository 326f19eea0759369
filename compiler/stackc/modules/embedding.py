"""Vectors by position."""

from torch import Tensor, nn


class LearnedPosition(nn.Embedding):
    """A table of one vector a position."""

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, seq, ...] → the vectors of its positions, [1, seq, dim]."""
        return self.weight[: x.shape[1]].unsqueeze(0)
