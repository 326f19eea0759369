"""An expression over tensors whose names and sizes are known: what it reads, its shape and type, and its value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from stackc.core.types import FLOATS
from stackc.weights.tensor_expressions.operations import Arithmetic, DtypeCast, Joined, Operation, Shape, Stacked

if TYPE_CHECKING:
    from stackc.weights.files import Array


@dataclass(frozen=True, slots=True)
class NamedTensor:
    """A tensor of the file."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ConstantTensor:
    """A number, or a tensor filled with one; a `shape` of None is that of the parameter."""

    value: float
    shape: Shape | None = ()

    def __str__(self) -> str:
        if self.shape == ():
            return f"{self.value:g}"
        return f"{'ones' if self.value else 'zeros'}({', '.join(map(str, self.shape or ()))})"


@dataclass(frozen=True, slots=True)
class Applied:
    """An operation on tensors."""

    operation: Operation
    operands: tuple[TensorExpression, ...]

    def __str__(self) -> str:
        texts = [_text_of(operand) for operand in self.operands]
        if isinstance(self.operation, (Joined, Stacked)):
            return f"{self.operation}({', '.join(map(str, self.operands))}, axis={self.operation.axis})"
        operation = str(self.operation)
        return operation.join(texts) if isinstance(self.operation, Arithmetic) else f"{texts[0]}{operation}"


def _text_of(operand: TensorExpression) -> str:
    """Return an operand as text, in parentheses if it is a sum or a product."""
    nested = isinstance(operand, Applied) and isinstance(operand.operation, Arithmetic)
    return f"({operand})" if nested else str(operand)


TensorExpression: TypeAlias = NamedTensor | ConstantTensor | Applied


def tensor_names(tree: TensorExpression) -> Iterator[str]:
    """Yield the names of the tensors that an expression reads, in its order."""
    if isinstance(tree, NamedTensor):
        yield tree.name
    elif isinstance(tree, Applied):
        for operand in tree.operands:
            yield from tensor_names(operand)


def with_names(tree: TensorExpression, rename: Callable[[str], str]) -> TensorExpression:
    """Return the expression with other names of tensors."""
    if isinstance(tree, NamedTensor):
        return NamedTensor(rename(tree.name))
    if isinstance(tree, ConstantTensor):
        return tree
    return Applied(tree.operation, tuple(with_names(operand, rename) for operand in tree.operands))


def shape_of(tree: TensorExpression, shapes: Mapping[str, Shape], whole: Shape) -> Shape:
    """Return the shape of the value; `whole` is that of the parameter, which constants without a shape take.

    Raises ValueError with a message for the user if an operation does not fit its operands.
    """
    if isinstance(tree, NamedTensor):
        return shapes[tree.name]
    if isinstance(tree, ConstantTensor):
        return whole if tree.shape is None else tree.shape
    inner = [shape_of(operand, shapes, whole) for operand in tree.operands]
    try:
        return tree.operation.shape(inner)
    except ValueError as error:
        raise ValueError(f"`{tree}`: {error}") from None


def dtype_of(tree: TensorExpression, dtypes: Mapping[str, str]) -> str | None:
    """Return the element type of the value, as far as it decides what can be read from it; None for constants."""
    if isinstance(tree, NamedTensor):
        return dtypes[tree.name]
    if isinstance(tree, ConstantTensor):
        return None
    if isinstance(tree.operation, DtypeCast):
        return tree.operation.dtype
    inner = [dtype for operand in tree.operands if (dtype := dtype_of(operand, dtypes)) is not None]
    unreadable = [dtype for dtype in inner if dtype not in FLOATS and not dtype.startswith(("int", "uint"))]
    if isinstance(tree.operation, Arithmetic) and not unreadable:
        return "float64" if "float64" in inner else "float32"
    return next(iter([*unreadable, *(dtype for dtype in inner if dtype in FLOATS), *inner]), None)


def value_of(tree: TensorExpression, read: Callable[[str], Array], whole: Shape) -> Array:
    """Return the value: a view of what `read` returns, as far as NumPy can give one."""
    if isinstance(tree, NamedTensor):
        return read(tree.name)
    if isinstance(tree, ConstantTensor):
        import numpy as np

        shape = whole if tree.shape is None else tree.shape
        return np.broadcast_to(np.float32(tree.value), shape)
    operands = [
        operand.value if isinstance(operand, ConstantTensor) and operand.shape == () else value_of(operand, read, whole)
        for operand in tree.operands
    ]
    return tree.operation.apply(operands)
