"""Arithmetic on every element: functions of one input, and of two or more that are broadcast as in merge.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.base import Component, Port, Signature, SignatureError
from stackc.components.construction import ConstructorCall, construct
from stackc.components.families.activation import Elementwise
from stackc.components.families.merge import SEVERAL, broadcast, require_floats, require_numbers
from stackc.components.registry import component
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn

OTHER = Port("other")


@component("exp", "x")
class Exp(Elementwise):
    """y = exp(x).

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.exp as a module."""
        from stackc.modules.elementwise import Exp

        return construct(Exp)

    def expression(self, x: str) -> str:
        """Tensor.exp."""
        return f"{x}.exp()"


@component("log", "x")
class Log(Elementwise):
    """y = log(x), the natural logarithm; no number where x is below 0.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.log as a module."""
        from stackc.modules.elementwise import Log

        return construct(Log)

    def expression(self, x: str) -> str:
        """Tensor.log."""
        return f"{x}.log()"


@component("sqrt", "x")
class Sqrt(Elementwise):
    """y = √x; no number where x is below 0.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.sqrt as a module."""
        from stackc.modules.elementwise import Sqrt

        return construct(Sqrt)

    def expression(self, x: str) -> str:
        """Tensor.sqrt."""
        return f"{x}.sqrt()"


@component("abs", "x")
class Abs(Elementwise):
    """y = |x|.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.abs as a module."""
        from stackc.modules.elementwise import Abs

        return construct(Abs)

    def expression(self, x: str) -> str:
        """Tensor.abs."""
        return f"{x}.abs()"


@component("pow", "x")
class Pow(Elementwise):
    """y = x^exponent; no number where x is below 0 and the exponent is not whole.

    x: [...] → y: the same.
    """

    exponent: Annotated[float, "what every element is raised to"]

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.pow as a module."""
        from stackc.modules.elementwise import Pow

        return construct(Pow, self.exponent)

    def expression(self, x: str) -> str:
        """Tensor.pow."""
        return f"{x}.pow({self.exponent})"


@component("clamp", "x")
class Clamp(Elementwise):
    """y = min(max(x, min), max).

    x: [...] → y: the same.
    """

    min: Annotated[float | None, "the least value; by default there is none"] = None
    max: Annotated[float | None, "the largest value; by default there is none"] = None

    def signature(self, x: TensorType) -> Signature:
        """The same type."""
        if self.min is None and self.max is None:
            raise SignatureError("needs min, max or both", code="T208", field="min")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise SignatureError(f"min {self.min:g} is above max {self.max:g}", field="min")
        return super().signature(x)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.clamp as a module."""
        from stackc.modules.elementwise import Clamp

        return construct(Clamp, self.min, self.max)

    def expression(self, x: str) -> str:
        """Tensor.clamp."""
        return f"{x}.clamp({self.min}, {self.max})"


@component("sub", "x", OTHER)
class Sub(Component):
    """y = x − other.

    x: [...], other: [...] → y: their shapes broadcast.
    """

    def signature(self, x: TensorType, other: TensorType) -> Signature:
        """The broadcast type."""
        require_numbers((x, other))
        return Signature((broadcast((x, other)),))

    def construction(self, x: TensorType, other: TensorType) -> ConstructorCall[nn.Module]:
        """The difference as a module."""
        from stackc.modules.elementwise import Sub

        return construct(Sub)

    def expression(self, x: str, other: str) -> str:
        """The operator."""
        return f"{x} - {other}"


@component("div", "x", OTHER)
class Div(Component):
    """y = x / other.

    x: [...], other: [...] → y: their shapes broadcast.
    """

    def signature(self, x: TensorType, other: TensorType) -> Signature:
        """The broadcast type."""
        require_floats((x, other))
        return Signature((broadcast((x, other)),))

    def construction(self, x: TensorType, other: TensorType) -> ConstructorCall[nn.Module]:
        """The quotient as a module."""
        from stackc.modules.elementwise import Div

        return construct(Div)

    def expression(self, x: str, other: str) -> str:
        """The operator."""
        return f"{x} / {other}"


@component("maximum", SEVERAL)
class Maximum(Component):
    """y = max(x₁, x₂, …, x_N), elementwise over the inputs: the maxout of Goodfellow et al. 2013, arXiv:1302.4389.

    x: [...] each → y: their shapes broadcast.
    """

    def signature(self, *x: TensorType) -> Signature:
        """The broadcast type."""
        require_numbers(x)
        return Signature((broadcast(x),))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.maximum as a module."""
        from stackc.modules.elementwise import Maximum

        return construct(Maximum)

    def expression(self, *x: str) -> str:
        """torch.maximum, of one and the next."""
        return _nested("torch.maximum", x)


@component("minimum", SEVERAL)
class Minimum(Component):
    """y = min(x₁, x₂, …, x_N), elementwise over the inputs.

    x: [...] each → y: their shapes broadcast.
    """

    def signature(self, *x: TensorType) -> Signature:
        """The broadcast type."""
        require_numbers(x)
        return Signature((broadcast(x),))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.minimum as a module."""
        from stackc.modules.elementwise import Minimum

        return construct(Minimum)

    def expression(self, *x: str) -> str:
        """torch.minimum, of one and the next."""
        return _nested("torch.minimum", x)


def _nested(function: str, x: tuple[str, ...]) -> str:
    """A function of two at work on several, the first two first."""
    text, *others = x
    for other in others:
        text = f"{function}({text}, {other})"
    return text
