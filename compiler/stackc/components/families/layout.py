"""Reshaping, permuting and slicing: elements are moved or selected, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.axes import equal_leading, exchanged, inserted, pointwise, rearranged, replaced
from stackc.components.base import Component, Limit, Port, Signature, SignatureError, axis_of
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Range
from stackc.components.registry import component
from stackc.components.size_checks import at_least_one, read_off_all, require_entries, sizes_text, slice_limits
from stackc.components.size_expressions import Extent, written
from stackc.core.types import Dim, TensorType, product

if TYPE_CHECKING:
    from torch import nn

LIKE = Port("like", optional=True)
Axis = Annotated[int, "the axis, counted from 0, or from the end if negative"]


@component("flatten", "x")
class Flatten(Component):
    """y = x with the axes from `start` to `end`, inclusive, joined into one; the last of them varies fastest.

    x: [..., n₁, …, n_k, ...] → y: [..., n₁·…·n_k, ...].
    """

    start: Annotated[int, "the first axis to join, counted from 0, or from the end if negative"] = 1
    end: Annotated[int, "the last axis to join"] = -1

    mixes = ("merges the axis with another", None)
    pointwise_axes = rearranged(lambda self, x: replaced(x, self.start, 1, end=self.end))
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the type with the product of the sizes in place of the axes."""
        first, last = axis_of(self.start, x, field="start"), axis_of(self.end, x, field="end")
        if first > last:
            raise SignatureError(f"start {self.start} is after end {self.end} in {x}", field="start")

        joined = product(x.shape[first : last + 1])
        return Signature((x.with_shape(*x.shape[:first], joined, *x.shape[last + 1 :]),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Flatten."""
        from torch import nn

        return construct(nn.Flatten, self.start, self.end)


@component("unflatten", "x", LIKE)
class Unflatten(Component):
    """y = x with one axis split into several, the last of which varies fastest: the inverse of flatten.

    x: [..., n, ...] → y: [..., n / size, size, ...], or [..., n / (s₁·…·s_k), s₁, …, s_k, ...] for a list of sizes.
    `like` is any tensor that has the dims named in the sizes: with `size: seq`, [batch·seq, dim] alone does not
    determine seq.
    """

    axis: Axis = -1
    size: Annotated[Extent | tuple[Extent, ...], "the size of each new axis except the first, divisors of that of x"]

    mixes = ("cuts the axis into several", None)
    pointwise_axes = rearranged(lambda self, x: replaced(x, self.axis, 1 + len(self._sizes())))
    empty_axes = pointwise

    def signature(self, x: TensorType, like: TensorType | None = None) -> Signature:
        """Return the type with several axes in place of one."""
        axis, sizes = axis_of(self.axis, x), self._sizes()
        count = x.shape[axis].exactly(product(sizes))
        if count is None:
            message = f"size {sizes_text(self.size)} does not divide {x.shape[axis]}, axis {self.axis} of {x}"
            raise SignatureError(message, code="T202", field="size")

        read_off_all(sizes, x, like, "size")
        y = x.with_shape(*x.shape[:axis], count, *sizes, *x.shape[axis + 1 :])
        return Signature((y,), limits=at_least_one(sizes))

    def construction(self, x: TensorType, like: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """Return torch.unflatten as a module."""
        from stackc.modules.layout import Unflatten

        return construct(Unflatten, self.axis, read_off_all(self._sizes(), x, like, "size"))

    def expression(self, x: str, like: str | None = None) -> str:
        """Return a call of Tensor.unflatten."""
        sizes = (written(size, *filter(None, (x, like))) for size in self._sizes())
        return f"{x}.unflatten({self.axis}, (-1, {', '.join(sizes)}))"

    def _sizes(self) -> tuple[int | Dim, ...]:
        return self.size if isinstance(self.size, tuple) else (self.size,)


@component("reshape", "x", LIKE)
class Reshape(Component):
    """y = x in another shape, with the same elements in the same order; the last axis varies fastest.

    In `shape`, 0 copies the size of x at that position, and one entry may be -1, the remaining size.
    x: [n₀, n₁, …] → y: [s₀, s₁, …] with n₀·n₁·… = s₀·s₁·…. `shape: [0, 0, heads, dim // heads]` splits the last axis,
    `shape: [batch*seq, dim]` joins the first two. `like` is any tensor that has the dims named in the shape.
    """

    shape: Annotated[tuple[Annotated[int | Dim, Range(minimum=-1)], ...], "the size of each axis of y"]

    mixes = ("merges or cuts the axis", "write 0 for axes that stay, from the first one on")
    pointwise_axes = rearranged(lambda self, x: equal_leading(x, self.shape))

    def signature(self, x: TensorType, like: TensorType | None = None) -> Signature:
        """Return the type with the sizes of `shape`, with 0 and -1 resolved."""
        if self.shape.count(-1) > 1:
            raise SignatureError(f"shape {sizes_text(self.shape)} has more than one -1", field="shape")
        if any(size == 0 and i >= x.rank for i, size in enumerate(self.shape)):
            raise SignatureError(f"shape {sizes_text(self.shape)} copies a size that {x} does not have", field="shape")

        copied = {i for i, size in enumerate(self.shape) if size == 0}
        before = product(size for i, size in enumerate(x.shape) if i not in copied)
        sizes = [size for size in self.shape if size not in (0, -1)]
        remaining = before.exactly(product(sizes))
        if remaining is None or (-1 not in self.shape and remaining != 1):
            raise SignatureError(f"cannot reshape {x} to {sizes_text(self.shape)}", code="T202", field="shape")

        read_off_all(self.shape, x, like, "shape")
        resolved = [x.shape[i] if size == 0 else remaining if size == -1 else size for i, size in enumerate(self.shape)]
        return Signature((x.with_shape(*resolved),), limits=at_least_one(sizes))

    def construction(self, x: TensorType, like: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """Return torch.reshape as a module."""
        from stackc.modules.layout import Reshape

        return construct(Reshape, read_off_all(self.shape, x, like, "shape"))

    def expression(self, x: str, like: str | None = None) -> str:
        """Return a call of Tensor.reshape."""
        inputs = [*filter(None, (x, like))]
        sizes = (f"{x}.shape[{i}]" if size == 0 else written(size, *inputs) for i, size in enumerate(self.shape))
        return f"{x}.reshape({', '.join(sizes)})"


@component("squeeze", "x")
class Squeeze(Component):
    """y = x without an axis of size 1.

    x: [..., 1, ...] → y: [..., ...].
    """

    axis: Axis = -1

    pointwise_axes = rearranged(lambda self, x: replaced(x, self.axis, 0))
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the type without the axis."""
        axis = axis_of(self.axis, x)
        if x.shape[axis] != 1:
            message = f"axis {self.axis} of {x} has size {x.shape[axis]}, not 1"
            raise SignatureError(message, field="axis", hint="use select to take one of several entries")
        return Signature((x.with_shape(*x.shape[:axis], *x.shape[axis + 1 :]),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.squeeze as a module."""
        from stackc.modules.layout import Squeeze

        return construct(Squeeze, self.axis)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.squeeze."""
        return f"{x}.squeeze({self.axis})"


@component("unsqueeze", "x")
class Unsqueeze(Component):
    """y = x with one more axis, of size 1.

    x: [..., ...] → y: [..., 1, ...].
    """

    axis: Annotated[int, "the position of the new axis in y, counted from 0, or from the end if negative"] = -1

    pointwise_axes = rearranged(lambda self, x: inserted(x, self.axis))
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the type with one more axis of size 1."""
        axis = axis_of(self.axis, x.with_shape(*x.shape, 1))
        return Signature((x.with_shape(*x.shape[:axis], 1, *x.shape[axis:]),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.unsqueeze as a module."""
        from stackc.modules.layout import Unsqueeze

        return construct(Unsqueeze, self.axis)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.unsqueeze."""
        return f"{x}.unsqueeze({self.axis})"


@component("transpose", "x")
class Transpose(Component):
    """y = x with two axes exchanged.

    x: [..., m, ..., n, ...] → y: [..., n, ..., m, ...].
    """

    axis0: Annotated[int, "one of the axes, counted from 0, or from the end if negative"] = 1
    axis1: Annotated[int, "the other axis"] = 2

    pointwise_axes = rearranged(lambda self, x: exchanged(x, self.axis0, self.axis1))
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the type with two sizes exchanged."""
        first, second = axis_of(self.axis0, x, field="axis0"), axis_of(self.axis1, x, field="axis1")
        sizes = list(x.shape)
        sizes[first], sizes[second] = sizes[second], sizes[first]
        return Signature((x.with_shape(*sizes),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.transpose as a module."""
        from stackc.modules.layout import Transpose

        return construct(Transpose, self.axis0, self.axis1)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.transpose."""
        return f"{x}.transpose({self.axis0}, {self.axis1})"


@component("permute", "x")
class Permute(Component):
    """y = x with its axes in another order: axis i of y is axis order[i] of x.

    x: [n₀, n₁, …] → y: [n of order[0], n of order[1], …]. `order: [0, 2, 3, 1]` goes from channels first to channels
    last.
    """

    order: Annotated[tuple[int, ...], "for each axis of y the axis of x, counted from 0, or from the end if negative"]

    pointwise_axes = rearranged(lambda self, x: self._axes(x))
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the type with its sizes in that order."""
        return Signature((x.with_shape(*(x.shape[axis] for axis in self._axes(x))),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.permute as a module."""
        from stackc.modules.layout import Permute

        return construct(Permute, self._axes(x))

    def _axes(self, x: TensorType) -> tuple[int, ...]:
        axes = tuple(axis_of(axis, x, field="order") for axis in self.order)
        if sorted(axes) != [*range(x.rank)]:
            message = f"order {list(self.order)} must name each axis of {x} exactly once"
            raise SignatureError(message, field="order", hint=f"its axes are {', '.join(map(str, range(x.rank)))}")
        return axes

    def expression(self, x: str) -> str:
        """Return a call of Tensor.permute."""
        return f"{x}.permute({', '.join(map(str, self.order))})"


@component("select", "x")
class Select(Component):
    """y = x[..., index, ...]: one entry of an axis; the axis is removed.

    x: [..., n, ...] with n > index → y: [..., ...].
    """

    axis: Axis = 1
    index: Annotated[int, "the entry, counted from 0, or from the end if negative"] = 0

    reduces = "takes one entry of the axis"
    pointwise_axes = rearranged(lambda self, x: replaced(x, self.axis, 0))
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the type without the axis."""
        axis = axis_of(self.axis, x)
        needed = self.index + 1 if self.index >= 0 else -self.index
        require_entries(x.shape[axis], needed, x, "index")
        limits = (Limit(x.shape[axis], f"it takes entry {self.index}", minimum=needed),)
        return Signature((x.with_shape(*x.shape[:axis], *x.shape[axis + 1 :]),), limits=limits)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.select as a module."""
        from stackc.modules.layout import Select

        return construct(Select, self.axis, self.index)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.select."""
        return f"{x}.select({self.axis}, {self.index})"


@component("slice", "x", LIKE)
class Slice(Component):
    """y = x[..., start : start + size, ...]: consecutive entries of an axis.

    x: [..., n, ...] with n ≥ start + size → y: [..., size, ...], by default all from start on: [..., n − start, ...].
    A negative size leaves out as many entries at the end: `axis: 1, start: 1` drops the first entry of a sequence,
    `axis: 1, size: -1` the last. `like` is any tensor that has the dims named in the size.
    """

    axis: Axis = -1
    start: Annotated[int, "the first entry, counted from 0, or from the end if negative"] = 0
    size: Annotated[int | Dim | None, "the number of entries; -n for all but the last n; by default all"] = None

    mixes = ("takes only some entries of the axis", None)
    pointwise_axes = rearranged(lambda self, x: replaced(x, self.axis, 1))
    empty_axes = pointwise

    def signature(self, x: TensorType, like: TensorType | None = None) -> Signature:
        """Return the type with `size` in place of the size of the axis."""
        axis, size = axis_of(self.axis, x), self._size(x)
        if self.size == 0:
            raise SignatureError("size is 0, which leaves no entry", field="size", hint="omit it to take all entries")

        limits = slice_limits(self.start, size, self._omitted, self.axis, x)
        read_off_all((self._requested(x),), x, like, "size")
        return Signature((x.with_shape(*x.shape[:axis], size, *x.shape[axis + 1 :]),), limits=tuple(limits))

    def construction(self, x: TensorType, like: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """Return torch.narrow as a module."""
        from stackc.modules.layout import Slice

        (size,) = read_off_all((self._requested(x),), x, like, "size")
        return construct(Slice, self.axis, self.start, size)

    def expression(self, x: str, like: str | None = None) -> str:
        """Return a call of Tensor.narrow."""
        omitted = self._omitted
        if omitted is None:
            size = written(self.size or 0, *filter(None, (x, like)))
        elif self.start < 0:
            size = str(-self.start - omitted)
        else:
            size = f"{x}.shape[{self.axis}]" + (f" - {self.start + omitted}" if self.start + omitted else "")
        return f"{x}.narrow({self.axis}, {self.start}, {size})"

    @property
    def _omitted(self) -> int | None:
        """How many entries at the end of the axis are left out; None if the size says how many are taken."""
        if self.size is None:
            return 0
        size = Dim.of(self.size).constant
        return -size if size is not None and size < 0 else None

    def _size(self, x: TensorType) -> Dim:
        if self._omitted is None:
            return Dim.of(self.size or 0)
        end = x.shape[axis_of(self.axis, x)] if self.start >= 0 else Dim.of(0)
        return end - self.start - self._omitted

    def _requested(self, x: TensorType) -> int | Dim:
        """Return the size of y along the axis, as an int if it is a number."""
        size = self._size(x)
        return size if size.constant is None else size.constant


@component("split", "x", outputs=("y", "rest"))
class Split(Component):
    """y = x[..., : size, ...] and rest = x[..., size :, ...]: an axis split in two parts.

    x: [..., n, ...] with n > size → y: [..., size, ...], rest: [..., n − size, ...]. A size of −m leaves m to the rest.
    """

    axis: Axis = -1
    size: Annotated[int, "the number of entries in y; -n for all but the last n"]

    mixes = ("cuts the axis in two", None)
    pointwise_axes = rearranged(lambda self, x: replaced(x, self.axis, 1), outputs=2)
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the types of both parts."""
        axis, count = axis_of(self.axis, x), abs(self.size)
        if not count:
            raise SignatureError("size is 0, which leaves no entry in y", field="size")
        require_entries(x.shape[axis], count + 1, x, "size")
        beside = "after the first" if self.size > 0 else "before the last"
        limits = (Limit(x.shape[axis], f"it needs an entry {beside} {count}", minimum=count + 1),)
        sizes = (Dim.of(count), x.shape[axis] - count)
        sizes = sizes if self.size > 0 else sizes[::-1]
        parts = (x.with_shape(*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes)
        return Signature(tuple(parts), limits=limits)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.narrow, twice, as a module."""
        from stackc.modules.layout import Split

        return construct(Split, self.axis, self.size)
