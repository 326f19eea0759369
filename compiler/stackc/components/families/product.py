"""Dot products, cosine similarity and matrix multiplication."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.axes import Axes, everywhere
from stackc.components.base import Component, Port, Signature, SignatureError, axis_of
from stackc.components.construction import ConstructorCall, construct
from stackc.components.families.merge import SEVERAL, broadcast, require_floats
from stackc.components.fields import Epsilon
from stackc.components.registry import component
from stackc.core.types import TensorType, product

if TYPE_CHECKING:
    from torch import nn

Axis = Annotated[int, "the axis of the vectors, counted from 0, or from the end if negative"]


def _pair(x: tuple[TensorType, ...], axis: int) -> Signature:
    """Return one number per pair of vectors, without their axis. Raises SignatureError unless two inputs fit."""
    require_floats(x)
    if len(x) != 2:
        raise SignatureError(f"expects two arrows, one per factor, got {len(x)}", port="x")

    both = broadcast(x)
    vector_axis = axis_of(axis, both)
    from_end = vector_axis - both.rank
    if any(t.rank < -from_end or t.shape[from_end] != both.shape[vector_axis] for t in x):
        raise SignatureError(f"the vectors of {x[0]} and {x[1]} differ in length", port="x")

    return Signature((both.with_shape(*both.shape[:vector_axis], *both.shape[vector_axis + 1 :]),))


def _without_vectors(component: Dot | CosineSimilarity, *x: TensorType) -> tuple[Axes, ...]:
    """Return the axes that the inputs share, except for that of the vectors."""
    vectors = axis_of(component.axis, max(x, key=lambda t: t.rank))
    return tuple(
        {axis: (place - (place > vectors),) for axis, (place,) in axes.items() if place != vectors}
        for axes in everywhere(component, *x)
    )


@component("dot", SEVERAL)
class Dot(Component):
    """y = Σᵢ aᵢ·bᵢ along an axis, for two arrows into x, a and b.

    x: [..., n, ...] each → y: [..., ...], their shapes broadcast, without the axis.
    For vectors of length 1 it is their cosine.
    """

    axis: Axis = -1

    pointwise_axes = _without_vectors

    def signature(self, *x: TensorType) -> Signature:
        """Return the type without the axis."""
        return _pair(x, self.axis)

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the sum of products as a module."""
        from stackc.modules.product import Dot

        return construct(Dot, self.axis)

    def expression(self, a: str, b: str) -> str:
        """Return the sum of products, written out."""
        return f"({a} * {b}).sum(dim={self.axis})"


@component("cosine_similarity", SEVERAL)
class CosineSimilarity(Component):
    """y = Σᵢ aᵢ·bᵢ / (max(‖a‖₂, eps) · max(‖b‖₂, eps)) along an axis, for two arrows into x, a and b.

    x: [..., n, ...] each → y: [..., ...], their shapes broadcast, without the axis.
    """

    axis: Axis = -1
    eps: Annotated[Epsilon, "the smallest norm to divide by"] = 1e-8

    pointwise_axes = _without_vectors

    def signature(self, *x: TensorType) -> Signature:
        """Return the type without the axis."""
        return _pair(x, self.axis)

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.CosineSimilarity."""
        from torch import nn

        return construct(nn.CosineSimilarity, self.axis, self.eps)


@component("matmul", "x", Port("other"))
class Matmul(Component):
    """y = x · other, the product of two matrices, or of each pair of matrices along the other axes.

    x: [..., m, k], other: [..., k, n], or [..., n, k] if transposed → y: [..., m, n]; the other axes broadcast.
    """

    transposed: Annotated[bool, "exchange the last two axes of `other`"] = False

    def pointwise_axes(self, x: TensorType, other: TensorType) -> tuple[Axes, ...]:
        """Return the rows of x, the columns of `other`, and the axes of the pairs of matrices."""
        rows, columns = everywhere(self, x, other)
        last = max(x.rank, other.rank) - 1
        inner = other.rank - 1 if self.transposed else other.rank - 2
        return (
            {axis: place for axis, place in rows.items() if axis != x.rank - 1},
            {axis: place if axis < other.rank - 2 else (last,) for axis, place in columns.items() if axis != inner},
        )

    def signature(self, x: TensorType, other: TensorType) -> Signature:
        """Return the type without the inner axis."""
        require_floats((x, other))
        for port, t in (("x", x), ("other", other)):
            if t.rank < 2:
                raise SignatureError(f"expects [..., rows, columns], got {t}", port=port)

        inner, columns = other.shape[-2:] if not self.transposed else other.shape[:-3:-1]
        if inner != x.shape[-1]:
            raise SignatureError(
                f"cannot multiply {x} by {other}: {x.shape[-1]} is not {inner}",
                port="other",
                hint="write `transposed: true` to exchange its last two axes",
            )

        outer = broadcast((x.with_shape(*x.shape[:-2]), other.with_shape(*other.shape[:-2]))).shape
        y = x.with_shape(*outer, x.shape[-2], columns)
        return Signature((y,), flops=2 * product(y.shape) * inner)

    def construction(self, x: TensorType, other: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.matmul as a module."""
        from stackc.modules.product import Matmul

        return construct(Matmul, self.transposed)

    def expression(self, x: str, other: str) -> str:
        """Return the operator."""
        return f"{x} @ {other}.transpose(-2, -1)" if self.transposed else f"{x} @ {other}"
