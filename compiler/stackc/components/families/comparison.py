"""Comparisons, logic, and selection by a condition; inputs broadcast as in merge.py."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Annotated, ClassVar

from stackc.components.axes import Axes, everywhere, pointwise
from stackc.components.base import Component, Port, Signature, SignatureError, require_mask
from stackc.components.construction import ConstructorCall, construct
from stackc.components.families.merge import SEVERAL, broadcast, require_numbers
from stackc.components.families.values import require_element
from stackc.components.registry import component
from stackc.components.size_expressions import Variable
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn

OTHER = Port("other", optional=True)
Number = Annotated[int | float | None, "the number to compare with, if no arrow enters `other`"]


def _require_one(value: float | None, x: TensorType, other: TensorType | None) -> None:
    """Raise SignatureError unless there is either a second input or a number, of the element type of x."""
    if value is None and other is None:
        hint = "draw an arrow into it, `… -->|other| …`, or write `value: 0`"
        raise SignatureError("requires a second input at the port 'other', or a value", code="T208", hint=hint)
    if value is not None and other is not None:
        message = "has both a second input at the port 'other' and a value"
        raise SignatureError(message, code="T208", field="value", hint="remove one of them")
    if value is not None:
        require_element(value, x.dtype, "value")


@dataclass(frozen=True, kw_only=True)
class ElementwiseComparison(Component):
    """The base class of comparisons: of two inputs, or of one with a number."""

    torch_name: ClassVar[str]
    operator: ClassVar[str]

    value: Number = None

    empty_axes = pointwise

    def pointwise_axes(self, x: TensorType, other: TensorType | None = None) -> tuple[Axes, ...]:
        """Return every axis."""
        return (*everywhere(self, *(t for t in (x, other) if t)), *([{}] if other is None else []))

    def signature(self, x: TensorType, other: TensorType | None = None) -> Signature:
        """Return the broadcast shape, of booleans."""
        if not (self.torch_name in ("eq", "ne") and other is not None and x.dtype == "bool"):
            require_numbers((x,))
        _require_one(self.value, x, other)
        return Signature((TensorType("bool", broadcast((x, other) if other else (x,)).shape),))

    def construction(self, x: TensorType, other: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """Return the comparison as a module."""
        from stackc.modules.comparison import Comparison

        return construct(Comparison, self.torch_name, self.value)

    def expression(self, x: str, other: str | None = None) -> str:
        """Return the infix operator."""
        return f"{x} {self.operator} {self.value if other is None else other}"


@component("equal", "x", OTHER)
class Equal(ElementwiseComparison):
    """y = true where x = other, or x = value, else false.

    x: [...], other: [...] → y: their shapes broadcast, bool. torch.eq, ONNX's Equal.
    """

    torch_name, operator = "eq", "=="


@component("not_equal", "x", OTHER)
class NotEqual(ElementwiseComparison):
    """y = true where x ≠ other, or x ≠ value, else false.

    x: [...], other: [...] → y: their shapes broadcast, bool. torch.ne.
    """

    torch_name, operator = "ne", "!="


@component("less", "x", OTHER)
class Less(ElementwiseComparison):
    """y = true where x < other, or x < value, else false.

    x: [...], other: [...] → y: their shapes broadcast, bool. torch.lt, ONNX's Less.
    """

    torch_name, operator = "lt", "<"


@component("less_equal", "x", OTHER)
class LessEqual(ElementwiseComparison):
    """y = true where x ≤ other, or x ≤ value, else false.

    x: [...], other: [...] → y: their shapes broadcast, bool. torch.le, ONNX's LessOrEqual.
    """

    torch_name, operator = "le", "<="


@component("greater", "x", OTHER)
class Greater(ElementwiseComparison):
    """y = true where x > other, or x > value, else false.

    x: [...], other: [...] → y: their shapes broadcast, bool. torch.gt, ONNX's Greater.
    """

    torch_name, operator = "gt", ">"


@component("greater_equal", "x", OTHER)
class GreaterEqual(ElementwiseComparison):
    """y = true where x ≥ other, or x ≥ value, else false.

    x: [...], other: [...] → y: their shapes broadcast, bool. torch.ge, ONNX's GreaterOrEqual.
    """

    torch_name, operator = "ge", ">="


@dataclass(frozen=True, kw_only=True)
class Logical(Component):
    """The base class of logic over several masks."""

    torch_name: ClassVar[str]

    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, *x: TensorType) -> Signature:
        """Return the broadcast shape, of booleans."""
        for t in x:
            require_mask(t, "x")
        return Signature((TensorType("bool", broadcast(tuple(TensorType("bool", t.shape) for t in x)).shape),))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the operation as a module."""
        from stackc.modules.comparison import Logical

        return construct(Logical, self.torch_name)

    def expression(self, *x: str) -> str:
        """Return nested calls of the function of torch."""
        first, *others = x
        nested = reduce(lambda calls, other: f"torch.{self.torch_name}({calls}, {other})", others, first)
        return nested if others else f"{first}.bool()"


@component("logical_and", SEVERAL)
class LogicalAnd(Logical):
    """y = x₁ ∧ x₂ ∧ … ∧ x_N: true where all are.

    x: [...] each, booleans, or whole numbers of which 0 is false → y: their shapes broadcast, bool. ONNX's And.
    """

    torch_name = "logical_and"


@component("logical_or", SEVERAL)
class LogicalOr(Logical):
    """y = x₁ ∨ x₂ ∨ … ∨ x_N: true where any is.

    x: [...] each, booleans, or whole numbers of which 0 is false → y: their shapes broadcast, bool. ONNX's Or.
    """

    torch_name = "logical_or"


@component("logical_xor", SEVERAL)
class LogicalXor(Logical):
    """y = x₁ ⊕ x₂ ⊕ … ⊕ x_N: true where an odd number of them are.

    x: [...] each, booleans, or whole numbers of which 0 is false → y: their shapes broadcast, bool. ONNX's Xor.
    """

    torch_name = "logical_xor"


@component("logical_not", "x")
class LogicalNot(Component):
    """y = ¬x: true where x is false.

    x: [...], booleans, or whole numbers of which 0 is false → y: the same shape, bool. ONNX's Not.
    """

    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the same shape, of booleans."""
        require_mask(x, "x")
        return Signature((TensorType("bool", x.shape),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the negation as a module."""
        from stackc.modules.comparison import LogicalNot

        return construct(LogicalNot)

    def expression(self, x: str) -> str:
        """Return a call of torch.logical_not."""
        return f"torch.logical_not({x})"


@component("where", "x", Port("condition"), OTHER)
class Where(Component):
    """y = x where the condition is true, else other, or `value`.

    x: [...], condition: [...], booleans, or whole numbers of which 0 is false, other: [...] → y: their shapes
    broadcast. torch.Tensor.where, ONNX's Where; with a value it is torch.Tensor.masked_fill of the opposite condition.
    """

    value: Annotated[int | float | None, "the number where the condition is false, if no arrow enters `other`"] = None

    empty_axes = pointwise

    def pointwise_axes(self, x: TensorType, condition: TensorType, other: TensorType | None = None) -> tuple[Axes, ...]:
        """Return every axis."""
        connected = (x, condition, other) if other else (x, condition)
        return (*everywhere(self, *connected), *([{}] if other is None else []))

    def signature(self, x: TensorType, condition: TensorType, other: TensorType | None = None) -> Signature:
        """Return the broadcast type."""
        require_mask(condition, "condition")
        _require_one(self.value, x, other)
        selected = TensorType(x.dtype, condition.shape)
        return Signature((broadcast((x, selected, other) if other else (x, selected)),))

    def construction(
        self, x: TensorType, condition: TensorType, other: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return torch.where as a module."""
        from stackc.modules.comparison import Where

        return construct(Where, self.value)

    def expression(self, x: str, condition: str, other: str | None = None) -> str:
        """Return a call of torch.where; a number beside booleans is written as one, which promotes nothing."""
        boolean = isinstance(x, Variable) and x.type is not None and x.type.dtype == "bool"
        value = bool(self.value) if boolean else self.value
        return f"torch.where({condition}.bool(), {x}, {value if other is None else other})"
