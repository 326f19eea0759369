"""Comparisons, logic and selection by a condition."""

from functools import reduce

import torch
from torch import Tensor, nn


class Comparison(nn.Module):
    """One of torch's comparisons: eq, ne, lt, le, gt or ge; with another input, or with a number."""

    def __init__(self, name: str, value: float | None = None) -> None:
        super().__init__()
        self.name = name
        self.value = value

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """[...] → whether it holds, elementwise."""
        y: Tensor = getattr(torch, self.name)(x, self.value if other is None else other)
        return y


class Logical(nn.Module):
    """`logical_and`, `logical_or` or `logical_xor` of its inputs."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, *x: Tensor) -> Tensor:
        """[...] each → [...]; a nonzero whole number is true."""
        return reduce(getattr(torch, self.name), (condition.bool() for condition in x))


class LogicalNot(nn.Module):
    """The negation."""

    def forward(self, x: Tensor) -> Tensor:
        """[...] → the same shape; a nonzero whole number is true."""
        return x.bool().logical_not()


class Where(nn.Module):
    """Values of x where a condition holds, else those of another input, or a number."""

    def __init__(self, value: float | None = None) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor, condition: Tensor, other: Tensor | None = None) -> Tensor:
        """[...] each → [...]; a nonzero whole number is true."""
        if other is None:
            other = torch.full((), self.value, dtype=x.dtype, device=x.device)  # type: ignore[arg-type]  # one is there
        return torch.where(condition.bool(), x, other)
