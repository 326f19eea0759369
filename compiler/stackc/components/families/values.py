"""Values that no input holds (constants, positions, coordinates), and values in another element type."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.along import Along, Followed, Mixes, counted_along, distances_along, only_axes, pointwise_along
from stackc.components.axes import any_axis, everywhere, leading, pointwise
from stackc.components.base import (
    Component,
    Port,
    Signature,
    SignatureError,
    axis_of,
    require_float,
    require_integer,
)
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Natural, Size
from stackc.components.registry import component
from stackc.core.types import LIMITS, TensorType, shape

if TYPE_CHECKING:
    from torch import nn

ElementType = Literal["float32", "int64", "int32", "bool"]
"""The element types that components compute in."""


@component("cast", "x")
class Cast(Component):
    """y = x in another element type: what turns whole numbers and booleans into numbers for arithmetic.

    To whole numbers it drops the fraction, to bool it is x ≠ 0; true is 1. In the reference, which is calculated in
    float64, float32 is float64 here as everywhere. x: [...] → y: the same shape. ONNX's Cast, torch.Tensor.to.
    """

    dtype: Annotated[ElementType, "the element type of y"] = "float32"

    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the shape with the other element type."""
        return Signature((TensorType(self.dtype, x.shape),))

    def fallback_outputs(self, x: TensorType) -> tuple[TensorType, ...]:
        """Return the shape with the other element type."""
        return (TensorType(self.dtype, x.shape),)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return Tensor.to as a module."""
        from stackc.modules.values import Cast

        return construct(Cast, self.dtype)

    def expression(self, x: str) -> str | None:
        """Return a call of Tensor.to; to float32 it is a module, whose precision `.double()` changes."""
        return f"{x}.to(torch.{self.dtype})" if self.dtype != "float32" else None


@component("constant")
class Constant(Component):
    """y = value, numbers that are not learned; or, without a value, a tensor of the weights that is not learned.

    → y: `shape`; by default that of the value: [] for a number, [n] for a list. A list fills the shape with the last
    axis varying fastest, a single number everywhere. Without a value the tensor is a buffer, NODE.value in the weights,
    and random as long as no weights are loaded. A learned tensor is a learned_query.
    """

    value: Annotated[
        int | float | tuple[int | float, ...] | None, "a number, or a list of numbers; by default read from the weights"
    ] = None
    shape: Annotated[tuple[Size, ...] | None, "the size of each axis; by default that of the value"] = None
    dtype: Annotated[ElementType, "the element type of y"] = "float32"

    def signature(self) -> Signature:
        """Return the type; a buffer if there is no value."""
        if self.value is None and self.shape is None:
            hint = "write `value: 0.5` or `value: [1, 2, 3]`, or the `shape` of a tensor of the weights"
            raise SignatureError("requires a value or a shape", code="T208", field="value", hint=hint)
        y = TensorType(self.dtype, shape(*self._shape()))
        if self.value is None:
            return Signature((y,), buffers={"value": y})

        numbers, count = self._numbers(), math.prod(self._shape())
        if len(numbers) not in (1, count) or (len(numbers) == 1 and isinstance(self.value, tuple) and count != 1):
            message = f"value has {len(numbers)} numbers, but shape {list(self._shape())} holds {count}"
            raise SignatureError(message, code="T202", field="value")
        for number in numbers:
            require_element(number, self.dtype, "value")
        return Signature((y,))

    def construction(self) -> ConstructorCall[nn.Module]:
        """Return the numbers as a module, or a buffer of a module."""
        from stackc.modules.values import Constant, StoredConstant

        if self.value is None:
            return construct(StoredConstant, self._shape(), self.dtype)
        return construct(Constant, self._numbers(), self._shape(), self.dtype)

    def _numbers(self) -> tuple[float, ...]:
        assert self.value is not None, "the tensor is not in the weights"
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def _shape(self) -> tuple[int, ...]:
        if self.shape is not None:
            return self.shape
        return (len(self.value),) if isinstance(self.value, tuple) else ()


def require_element(number: float, dtype: str, field: str) -> None:
    """Raise SignatureError (T203) unless a number of a field is one of this element type."""
    if dtype not in LIMITS:
        return
    least, largest = LIMITS[dtype]
    if number != int(number) or not least <= number <= largest:
        hint = "write a whole number, or put `cast` before it to compare floats" if number != int(number) else None
        raise SignatureError(f"{field} {number:g} is not of type {dtype}", code="T203", field=field, hint=hint)


@component("positions", "x")
class Positions(Component):
    """y[i] = start + i: the positions along an axis of x, as ids for an embedding or as numbers.

    x: [..., n, ...]; only the size of the axis is read → y: [n]. torch.arange, ONNX's Range.
    """

    axis: Annotated[int, "the axis whose positions are counted, from 0, or from the end if negative"] = 1
    start: Annotated[int, "the first position"] = 0
    dtype: Annotated[Literal["int64", "int32", "float32"], "the element type of y"] = "int64"

    empty_axes = any_axis

    def along(self, followed: Followed, x: TensorType) -> Along | Mixes:
        """Return that it reads how many positions there are, and where they start."""
        part = followed.axes[0].get(axis_of(self.axis, x))
        return counted_along({} if part is None else {0: part})

    def step_form(self, along: Along, *inputs: TensorType | None) -> Component:
        """Return the positions that new entries have."""
        from stackc.components.steps.positions import PositionsStep

        return PositionsStep(of=self) if along.needs_positions else self

    def signature(self, x: TensorType) -> Signature:
        """Return one number for each entry of the axis."""
        return Signature((TensorType(self.dtype, (x.shape[axis_of(self.axis, x)],)),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.arange as a module."""
        from stackc.modules.values import Positions

        return construct(Positions, self.axis, self.start, self.dtype)


@component("relative_positions", "x", Port("context", optional=True))
class RelativePositions(Component):
    """y[i, j] = min(max(size + b(i − j), 0), 2·size − 1): distances of positions, as ids of learned vectors.

    b(d) = d; with max_distance, distances beyond n = size / 2 share ids that widen,
    b(d) = sign(d)·(n + ⌈(n − 1)·log(|d| / n) / log((max_distance − 1) / n)⌉).
    x: [batch, queries, ...], context: [batch, keys, ...], by default x itself; only their lengths are read
    → y: [queries, keys]. He et al. 2020, arXiv:2006.03654; with max_distance as in its code, DeBERTa-v2.
    """

    size: Annotated[Size, "ids for each of the two directions"]
    max_distance: Annotated[Natural, "the distance from which all share the last id; 0 has no shared ids before"] = 0

    def along(self, followed: Followed, x: TensorType, context: TensorType | None = None) -> Along | Mixes:
        """Return that it reads how many positions there are, and where queries start."""
        return distances_along(followed.axes[0], followed.axes[1] if context else None, queries=0)

    def signature(self, x: TensorType, context: TensorType | None = None) -> Signature:
        """Return an id for each query and key."""
        for port, t in (("x", x), ("context", context)):
            if t is not None and t.rank < 2:
                raise SignatureError(f"expects [batch, positions, ...], got {t}", port=port)
        if self.max_distance:
            self._require_room()
        keys = (x if context is None else context).shape[1]
        return Signature((TensorType("int64", (x.shape[1], keys)),))

    def construction(self, x: TensorType, context: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """Return the distances as a module."""
        from stackc.modules.values import RelativePositions

        return construct(RelativePositions, self.size, self.max_distance)

    @property
    def reach(self) -> int:
        """The distance from which all share the last id."""
        return self.max_distance or self.size

    def _require_room(self) -> None:
        """Raise SignatureError unless there are ids, and distances, beyond those that have an id each."""
        if self.size % 2 or self.size < 4:
            message = f"size {self.size} must be even and at least 4: half of it are distances with an id each"
            raise SignatureError(message, field="size")
        nearest = self.size // 2 + 1
        if self.max_distance <= nearest:
            message = f"max_distance {self.max_distance} must be above {nearest}: shorter distances have an id each"
            raise SignatureError(message, field="max_distance")


@component("coordinates", "x")
class Coordinates(Component):
    """y[b, j, i₁, …, i_k] = min + i_j / (n_j − 1) · (max − min): where each entry of a grid is, along each axis.

    With `align_corners: false` it is min + (i_j + ½) / n_j · (max − min), the centers of cells that fill the range.
    x: [batch, channels, n₁, …, n_k]; only sizes are read → y: [batch, k, n₁, …, n_k], to be concatenated with x along
    axis 1. Liu et al. 2018, arXiv:1807.03247.
    """

    min: Annotated[float, "the coordinate at the start of each axis"] = -1.0
    max: Annotated[float, "the coordinate at its end"] = 1.0
    align_corners: Annotated[bool, "the first and last entries are at the ends, else half a step inside"] = True

    mixes = ("divides positions by the last one", None)
    pointwise_axes = leading(1)

    def along(self, followed: Followed, x: TensorType) -> Along | Mixes:
        """Return that it reads sizes alone, and not that of the channels."""
        return pointwise_along(self, [only_axes(followed.axes[0], 0, *range(2, x.rank))], (x,))

    def signature(self, x: TensorType) -> Signature:
        """Return one channel for each axis of the grid, in the element type of x."""
        require_float(x)
        if x.rank < 3:
            raise SignatureError(f"expects [batch, channels, n, ...], got {x}", port="x")
        return Signature((x.with_shape(x.shape[0], x.rank - 2, *x.shape[2:]),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the coordinates as a module."""
        from stackc.modules.values import Coordinates

        return construct(Coordinates, self.min, self.max, self.align_corners)


@component("one_hot", "x")
class OneHot(Component):
    """y[..., c] = 1 if x[...] = c, else 0; all 0 for an id that is no class.

    x: [...] whole numbers from 0 to classes − 1 → y: [..., classes]. ONNX's OneHot, torch.nn.functional.one_hot.
    """

    classes: Annotated[Size, "the number of classes"]
    dtype: Annotated[ElementType, "the element type of y"] = "float32"

    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return x with an additional last axis of `classes`."""
        require_integer(x)
        return Signature((TensorType(self.dtype, shape(*x.shape, self.classes)),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the comparison with each class as a module."""
        from stackc.modules.values import OneHot

        return construct(OneHot, self.classes, self.dtype)
