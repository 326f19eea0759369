"""Maps with fixed numbers, and the feed-forward networks."""

from torch import Tensor, nn


class Scale(nn.Module):
    """A product with one number, and a sum with another."""

    def __init__(self, factor: float, offset: float = 0.0) -> None:
        super().__init__()
        self.factor = factor
        self.offset = offset

    def forward(self, x: Tensor) -> Tensor:
        """factor·x + offset."""
        scaled = x * self.factor
        return scaled + self.offset if self.offset else scaled


class Mlp(nn.Module):
    """Two linear maps with an activation between them."""

    def __init__(
        self, features: int, *, hidden: int, out: int, activation: nn.Module, dropout: float = 0.0, bias: bool = True
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


class GatedMlp(nn.Module):
    """Two linear maps side by side, one of them behind an activation, multiplied; and a third behind their product."""

    def __init__(
        self, features: int, *, hidden: int, out: int, activation: nn.Module, dropout: float = 0.0, bias: bool = True
    ) -> None:
        super().__init__()
        self.gate = nn.Linear(features, hidden, bias)
        self.up = nn.Linear(features, hidden, bias)
        self.activation = activation
        self.dropout = nn.Dropout(dropout)
        self.down = nn.Linear(hidden, out, bias)

    def forward(self, x: Tensor) -> Tensor:
        """[..., features] → [..., out]."""
        hidden = self.dropout(self.activation(self.gate(x)) * self.up(x))  # [..., hidden]
        y: Tensor = self.down(hidden)
        return y
