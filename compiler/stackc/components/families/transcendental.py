"""Transcendental functions: trigonometric, hyperbolic, their inverses, and the error function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackc.components.construction import ConstructorCall, construct
from stackc.components.families.activation import Elementwise
from stackc.components.registry import component
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn


@component("tan", "x")
class Tan(Elementwise):
    """y = tan(x), the tangent.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.tan as a module."""
        from stackc.modules.transcendental import Tan

        return construct(Tan)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.tan."""
        return f"{x}.tan()"


@component("asin", "x")
class Asin(Elementwise):
    """y = arcsin(x), the arc sine; NaN if |x| > 1.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.asin as a module."""
        from stackc.modules.transcendental import Asin

        return construct(Asin)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.asin."""
        return f"{x}.asin()"


@component("acos", "x")
class Acos(Elementwise):
    """y = arccos(x), the arc cosine; NaN if |x| > 1.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.acos as a module."""
        from stackc.modules.transcendental import Acos

        return construct(Acos)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.acos."""
        return f"{x}.acos()"


@component("atan", "x")
class Atan(Elementwise):
    """y = arctan(x), the arc tangent.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.atan as a module."""
        from stackc.modules.transcendental import Atan

        return construct(Atan)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.atan."""
        return f"{x}.atan()"


@component("sinh", "x")
class Sinh(Elementwise):
    """y = (exp(x) − exp(−x)) / 2, the hyperbolic sine.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.sinh as a module."""
        from stackc.modules.transcendental import Sinh

        return construct(Sinh)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.sinh."""
        return f"{x}.sinh()"


@component("cosh", "x")
class Cosh(Elementwise):
    """y = (exp(x) + exp(−x)) / 2, the hyperbolic cosine.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.cosh as a module."""
        from stackc.modules.transcendental import Cosh

        return construct(Cosh)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.cosh."""
        return f"{x}.cosh()"


@component("asinh", "x")
class Asinh(Elementwise):
    """y = log(x + √(x² + 1)), the inverse hyperbolic sine.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.asinh as a module."""
        from stackc.modules.transcendental import Asinh

        return construct(Asinh)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.asinh."""
        return f"{x}.asinh()"


@component("acosh", "x")
class Acosh(Elementwise):
    """y = log(x + √(x² − 1)), the inverse hyperbolic cosine; NaN if x < 1.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.acosh as a module."""
        from stackc.modules.transcendental import Acosh

        return construct(Acosh)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.acosh."""
        return f"{x}.acosh()"


@component("atanh", "x")
class Atanh(Elementwise):
    """y = log((1 + x) / (1 − x)) / 2, the inverse hyperbolic tangent; NaN if |x| > 1.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.atanh as a module."""
        from stackc.modules.transcendental import Atanh

        return construct(Atanh)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.atanh."""
        return f"{x}.atanh()"


@component("erf", "x")
class Erf(Elementwise):
    """y = 2 / √π · ∫₀ˣ exp(−t²) dt, the error function.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.erf as a module."""
        from stackc.modules.transcendental import Erf

        return construct(Erf)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.erf."""
        return f"{x}.erf()"
