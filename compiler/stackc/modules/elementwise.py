"""Elementwise arithmetic."""

from functools import reduce

import torch
from torch import Tensor, nn


class Exp(nn.Module):
    """The exponential function."""

    def forward(self, x: Tensor) -> Tensor:
        """exp(x)."""
        return x.exp()


class Log(nn.Module):
    """The natural logarithm."""

    def forward(self, x: Tensor) -> Tensor:
        """log(x)."""
        return x.log()


class Log10(nn.Module):
    """The decimal logarithm."""

    def forward(self, x: Tensor) -> Tensor:
        """log10(x)."""
        return x.log10()


class Sin(nn.Module):
    """The sine."""

    def forward(self, x: Tensor) -> Tensor:
        """sin(x)."""
        return x.sin()


class Cos(nn.Module):
    """The cosine."""

    def forward(self, x: Tensor) -> Tensor:
        """cos(x)."""
        return x.cos()


class Sqrt(nn.Module):
    """The square root."""

    def forward(self, x: Tensor) -> Tensor:
        """√x."""
        return x.sqrt()


class Abs(nn.Module):
    """The absolute value."""

    def forward(self, x: Tensor) -> Tensor:
        """|x|."""
        return x.abs()


class Pow(nn.Module):
    """A power with a constant exponent."""

    def __init__(self, exponent: float) -> None:
        super().__init__()
        self.exponent = exponent

    def forward(self, x: Tensor) -> Tensor:
        """x^exponent."""
        return x.pow(self.exponent)


class Clamp(nn.Module):
    """Values limited to a range."""

    def __init__(self, min: float | None = None, max: float | None = None) -> None:
        super().__init__()
        self.min = min
        self.max = max

    def forward(self, x: Tensor) -> Tensor:
        """min(max(x, min), max)."""
        return x.clamp(self.min, self.max)


class Sub(nn.Module):
    """The difference of two inputs."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """x − other."""
        return x - other


class Div(nn.Module):
    """The quotient of two inputs."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """x / other."""
        return x / other


class Maximum(nn.Module):
    """The elementwise maximum of its inputs."""

    def forward(self, *x: Tensor) -> Tensor:
        """max(x₁, x₂, …, x_N)."""
        return reduce(torch.maximum, x)


class Minimum(nn.Module):
    """The elementwise minimum of its inputs."""

    def forward(self, *x: Tensor) -> Tensor:
        """min(x₁, x₂, …, x_N)."""
        return reduce(torch.minimum, x)


class StepFunction(nn.Module):
    """`floor`, `ceil`, `round` or `sign`."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """[...] → the same shape."""
        y: Tensor = getattr(torch, self.name)(x)
        return y
