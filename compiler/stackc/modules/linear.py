"""Scales, and feed-forward networks."""

import math

import torch
from torch import Tensor, nn


class Scale(nn.Module):
    """A product with a constant, plus another."""

    def __init__(self, factor: float, offset: float = 0.0) -> None:
        super().__init__()
        self.factor = factor
        self.offset = offset

    def forward(self, x: Tensor) -> Tensor:
        """factor·x + offset."""
        scaled = x * self.factor
        return scaled + self.offset if self.offset else scaled


class LearnedScale(nn.Module):
    """A learned factor, or the exponential of one, for each feature or for all."""

    def __init__(
        self, features: int | None = None, initial: float = 1.0, *, behind: int = 0, exponential: bool = False
    ) -> None:
        super().__init__()
        start = math.log(initial) if exponential else initial
        self.weight = nn.Parameter(torch.full([] if features is None else [features], start))
        self.exponential = exponential
        self.behind = behind

    def forward(self, x: Tensor) -> Tensor:
        """[..., features, ...] → the same shape; `behind` is how many axes follow the features."""
        factor = self.weight.exp() if self.exponential else self.weight
        return x * (factor.reshape(-1, *[1] * self.behind) if self.behind else factor)


class Mlp(nn.Module):
    """Two linear layers with an activation between them."""

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
    """Two parallel linear layers, one of them activated, whose product enters a third one."""

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
