"""Elementwise arithmetic: functions of one input, and of several inputs that broadcast as in merge.py."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Annotated

from stackc.components.axes import everywhere, pointwise
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
        """Return torch.exp as a module."""
        from stackc.modules.elementwise import Exp

        return construct(Exp)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.exp."""
        return f"{x}.exp()"


@component("log", "x")
class Log(Elementwise):
    """y = log(x), the natural logarithm; NaN if x < 0.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.log as a module."""
        from stackc.modules.elementwise import Log

        return construct(Log)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.log."""
        return f"{x}.log()"


@component("log10", "x")
class Log10(Elementwise):
    """y = log₁₀(x), the decimal logarithm; NaN if x < 0.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.log10 as a module."""
        from stackc.modules.elementwise import Log10

        return construct(Log10)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.log10."""
        return f"{x}.log10()"


@component("sin", "x")
class Sin(Elementwise):
    """y = sin(x), x in radians.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.sin as a module."""
        from stackc.modules.elementwise import Sin

        return construct(Sin)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.sin."""
        return f"{x}.sin()"


@component("cos", "x")
class Cos(Elementwise):
    """y = cos(x), x in radians.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.cos as a module."""
        from stackc.modules.elementwise import Cos

        return construct(Cos)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.cos."""
        return f"{x}.cos()"


@component("sqrt", "x")
class Sqrt(Elementwise):
    """y = √x; NaN if x < 0.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.sqrt as a module."""
        from stackc.modules.elementwise import Sqrt

        return construct(Sqrt)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.sqrt."""
        return f"{x}.sqrt()"


@component("abs", "x")
class Abs(Elementwise):
    """y = |x|.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.abs as a module."""
        from stackc.modules.elementwise import Abs

        return construct(Abs)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.abs."""
        return f"{x}.abs()"


@component("pow", "x")
class Pow(Elementwise):
    """y = x^exponent; NaN if x < 0 and the exponent is not a whole number.

    x: [...] → y: the same.
    """

    exponent: Annotated[float, "the power that every element is raised to"]

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.pow as a module."""
        from stackc.modules.elementwise import Pow

        return construct(Pow, self.exponent)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.pow."""
        return f"{x}.pow({self.exponent})"


@component("clamp", "x")
class Clamp(Elementwise):
    """y = min(max(x, min), max).

    x: [...] → y: the same.
    """

    min: Annotated[float | None, "the least value; by default unbounded"] = None
    max: Annotated[float | None, "the largest value; by default unbounded"] = None

    def signature(self, x: TensorType) -> Signature:
        """Return the same type."""
        if self.min is None and self.max is None:
            raise SignatureError("requires min, max or both", code="T208", field="min")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise SignatureError(f"min {self.min:g} is above max {self.max:g}", field="min")
        return super().signature(x)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.clamp as a module."""
        from stackc.modules.elementwise import Clamp

        return construct(Clamp, self.min, self.max)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.clamp."""
        return f"{x}.clamp({self.min}, {self.max})"


@dataclass(frozen=True, kw_only=True)
class StepFunction(Elementwise):
    """The base class of step functions of one number: piecewise constant, so that their jumps are choices."""

    @property
    def is_step(self) -> bool:
        """Every one jumps."""
        return True

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the function of torch as a module."""
        from stackc.modules.elementwise import StepFunction

        return construct(StepFunction, self.op)

    def expression(self, x: str) -> str:
        """Return a call of the tensor's method."""
        return f"{x}.{self.op}()"


@component("floor", "x")
class Floor(StepFunction):
    """y = ⌊x⌋, the largest whole number up to x.

    x: [...] → y: the same. torch.floor, ONNX's Floor.
    """


@component("ceil", "x")
class Ceil(StepFunction):
    """y = ⌈x⌉, the smallest whole number from x on.

    x: [...] → y: the same. torch.ceil, ONNX's Ceil.
    """


@component("round", "x")
class Round(StepFunction):
    """y = the whole number that is nearest to x; of two as near ones the even one.

    x: [...] → y: the same. torch.round, ONNX's Round.
    """


@component("sign", "x")
class Sign(StepFunction):
    """y = 1 if x > 0, −1 if x < 0, else 0.

    x: [...] → y: the same. torch.sign, ONNX's Sign.
    """


@component("sub", "x", OTHER)
class Sub(Component):
    """y = x − other.

    x: [...], other: [...] → y: their shapes broadcast.
    """

    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, x: TensorType, other: TensorType) -> Signature:
        """Return the broadcast type."""
        require_numbers((x, other))
        return Signature((broadcast((x, other)),))

    def construction(self, x: TensorType, other: TensorType) -> ConstructorCall[nn.Module]:
        """Return the difference as a module."""
        from stackc.modules.elementwise import Sub

        return construct(Sub)

    def expression(self, x: str, other: str) -> str:
        """Return the infix operator."""
        return f"{x} - {other}"


@component("div", "x", OTHER)
class Div(Component):
    """y = x / other.

    x: [...], other: [...] → y: their shapes broadcast.
    """

    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, x: TensorType, other: TensorType) -> Signature:
        """Return the broadcast type."""
        require_floats((x, other))
        return Signature((broadcast((x, other)),))

    def construction(self, x: TensorType, other: TensorType) -> ConstructorCall[nn.Module]:
        """Return the quotient as a module."""
        from stackc.modules.elementwise import Div

        return construct(Div)

    def expression(self, x: str, other: str) -> str:
        """Return the infix operator."""
        return f"{x} / {other}"


@component("maximum", SEVERAL)
class Maximum(Component):
    """y = max(x₁, x₂, …, x_N), elementwise over the inputs: the maxout of Goodfellow et al. 2013, arXiv:1302.4389.

    x: [...] each → y: their shapes broadcast.
    """

    is_commutative = True
    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, *x: TensorType) -> Signature:
        """Return the broadcast type."""
        require_numbers(x)
        return Signature((broadcast(x),))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.maximum as a module."""
        from stackc.modules.elementwise import Maximum

        return construct(Maximum)

    def expression(self, *x: str) -> str:
        """Return nested calls of torch.maximum."""
        return _nested("torch.maximum", x)


@component("minimum", SEVERAL)
class Minimum(Component):
    """y = min(x₁, x₂, …, x_N), elementwise over the inputs.

    x: [...] each → y: their shapes broadcast.
    """

    is_commutative = True
    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, *x: TensorType) -> Signature:
        """Return the broadcast type."""
        require_numbers(x)
        return Signature((broadcast(x),))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.minimum as a module."""
        from stackc.modules.elementwise import Minimum

        return construct(Minimum)

    def expression(self, *x: str) -> str:
        """Return nested calls of torch.minimum."""
        return _nested("torch.minimum", x)


def _nested(function: str, x: tuple[str, ...]) -> str:
    """Return nested calls of a binary function, the innermost on the first two variables."""
    first, *others = x
    return reduce(lambda calls, other: f"{function}({calls}, {other})", others, first)
