"""Transcendental functions: trigonometric, hyperbolic, their inverses, and the error function."""

from torch import Tensor, nn
from torch.nn import functional as F


class Tan(nn.Module):
    """The tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """tan(x)."""
        return x.tan()


class Asin(nn.Module):
    """The arc sine."""

    def forward(self, x: Tensor) -> Tensor:
        """arcsin(x)."""
        return x.asin()


class Acos(nn.Module):
    """The arc cosine."""

    def forward(self, x: Tensor) -> Tensor:
        """arccos(x)."""
        return x.acos()


class Atan(nn.Module):
    """The arc tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """arctan(x)."""
        return x.atan()


class Sinh(nn.Module):
    """The hyperbolic sine."""

    def forward(self, x: Tensor) -> Tensor:
        """(exp(x) − exp(−x)) / 2."""
        return x.sinh()


class Cosh(nn.Module):
    """The hyperbolic cosine."""

    def forward(self, x: Tensor) -> Tensor:
        """(exp(x) + exp(−x)) / 2."""
        return x.cosh()


class Asinh(nn.Module):
    """The inverse hyperbolic sine."""

    def forward(self, x: Tensor) -> Tensor:
        """log(x + √(x² + 1))."""
        return x.asinh()


class Acosh(nn.Module):
    """The inverse hyperbolic cosine."""

    def forward(self, x: Tensor) -> Tensor:
        """log(x + √(x² − 1))."""
        return x.acosh()


class Atanh(nn.Module):
    """The inverse hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """log((1 + x) / (1 − x)) / 2."""
        return x.atanh()


class Erf(nn.Module):
    """The error function."""

    def forward(self, x: Tensor) -> Tensor:
        """2 / √π · ∫₀ˣ exp(−t²) dt."""
        return x.erf()


class LogSigmoid(nn.Module):
    """The logarithm of the sigmoid; the exporter's translation of torch.nn's own is −∞ where the sigmoid is 0."""

    def forward(self, x: Tensor) -> Tensor:
        """log(1 / (1 + exp(−x)))."""
        return x.clamp(max=0.0) - F.softplus(-x.abs())
