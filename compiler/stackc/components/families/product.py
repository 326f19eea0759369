"""Dot products, cosine similarity, matrix multiplication, and sums of products by subscripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from stackc.components.axes import Axes, everywhere, pointwise
from stackc.components.base import Component, Port, Signature, SignatureError, axis_of
from stackc.components.construction import ConstructorCall, construct
from stackc.components.families.merge import SEVERAL, broadcast, require_floats
from stackc.components.fields import Epsilon
from stackc.components.registry import component
from stackc.core.types import Dim, TensorType, product

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

    is_commutative = True
    reduces = "sums over the axis"
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

    is_commutative = True
    reduces = "sums over the axis"
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

    empty_axes = pointwise

    reduces = "sums over the axis"

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


@component("einsum", SEVERAL)
class Einsum(Component):
    """y = the sum of products that an equation of subscripts writes, as torch.einsum and ONNX have it.

    `equation: "bid,bjd->bij"` is y[b, i, j] = Σ_d a[b, i, d]·c[b, j, d] for arrows from a and c, in written order: each
    letter is an axis, letters without a place after `->` are summed over, a letter twice in one list is the diagonal.
    x: one tensor for each list of letters → y: the axes after `->`.
    """

    equation: Annotated[str, "the letters of each input's axes, separated by commas, then `->` and those of y"]

    reduces = "sums over the axis"

    def pointwise_axes(self, *x: TensorType) -> tuple[Axes, ...]:
        """Return the axes whose letter y has too, once each."""
        inputs, output = self._letters(len(x))
        return tuple(
            {axis: (output.index(a),) for axis, a in enumerate(own) if a in output and own.count(a) == 1}
            for own in inputs
        )

    def signature(self, *x: TensorType) -> Signature:
        """Return the axes of y, in the element type that all inputs have."""
        require_floats(x)
        inputs, output = self._letters(len(x))
        sizes: dict[str, Dim] = {}
        for letters, t in zip(inputs, x, strict=True):
            if t.rank != len(letters):
                message = f"'{letters}' has {len(letters)} axes, but the input is {t}"
                raise SignatureError(message, field="equation")
            for letter, size in zip(letters, t.shape, strict=True):
                if sizes.setdefault(letter, size) != size:
                    message = f"{letter} of '{self.equation}' is {sizes[letter]} in one place and {size} in {t}"
                    raise SignatureError(message, port="x")

        y = x[0].with_shape(*(sizes[letter] for letter in output))
        return Signature((y,), flops=_einsum_flops(inputs, output, sizes))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.einsum as a module."""
        from stackc.modules.product import Einsum

        return construct(Einsum, self._compact)

    def expression(self, *x: str) -> str:
        """Return a call of torch.einsum."""
        return f'torch.einsum("{self._compact}", {", ".join(x)})'

    @property
    def _compact(self) -> str:
        """The equation without blanks."""
        return self.equation.replace(" ", "")

    def _letters(self, count: int) -> tuple[list[str], str]:
        """Return the letters of each input and of y. Raises SignatureError for an equation that has no such form."""
        if not re.fullmatch(r"[A-Za-z]*(,[A-Za-z]*)*->[A-Za-z]*", self._compact):
            message = f"equation '{self.equation}' is not of the form 'ij,jk->ik': letters, commas and one ->"
            raise SignatureError(message, field="equation")

        left, output = self._compact.split("->")
        inputs = left.split(",")
        if len(inputs) != count:
            lists = f"{len(inputs)} list{'s' * (len(inputs) != 1)} of letters"
            raise SignatureError(f"equation '{self.equation}' has {lists}, but {count} arrows enter", field="equation")
        for letter in output:
            if letter not in left or output.count(letter) > 1:
                reason = "is there twice" if letter in left else "is an axis of no input"
                raise SignatureError(f"{letter} after -> of '{self.equation}' {reason}", field="equation")
        return inputs, output


def _einsum_flops(inputs: list[str], output: str, sizes: dict[str, Dim]) -> Dim:
    """Return 2 FLOPs per multiply-add of the products of two inputs each, from the left.

    That is how the exported model computes them, and PyTorch too, unless the package opt_einsum lets it find an order.

    A product that sums over no letter is elementwise, and a letter of one input alone is summed over before.
    """
    total, first = Dim.of(0), inputs[0]
    for place, second in enumerate(inputs[1:], 2):
        needed = set(output).union(*inputs[place:])
        joined = set(first) & set(second)
        kept = [*dict.fromkeys(letter for letter in first + second if letter in joined | needed)]
        if joined - needed:
            total = total + 2 * product(sizes[letter] for letter in kept)
        first = "".join(letter for letter in kept if letter in needed)
    return total
