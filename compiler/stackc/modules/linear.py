"""The feed-forward network."""

from torch import Tensor, nn


class Mlp(nn.Module):
    """Two linear maps with an activation between them."""

    def __init__(
        self, features: int, hidden: int, out: int, activation: nn.Module, dropout: float = 0.0, bias: bool = True
    ) -> None:
        super().__init__()
        self.up = nn.Linear(features, hidden, bias)
        self.activation = activation
        self.dropout = nn.Dropout(dropout)
        self.down = nn.Linear(hidden, out, bias)

    def forward(self, x: Tensor) -> Tensor:
        """[..., features] → [..., out]."""
        hidden = self.dropout(self.activation(self.up(x)))  # [..., hidden]
        y: Tensor = self.down(hidden)
        return y
