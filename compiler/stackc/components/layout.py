"""The same elements in another shape, and some of them: no arithmetic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from stackc.components.base import Component, Limit, Misfit, Signature, axis_of, component
from stackc.components.construction import Construction, construct
from stackc.components.fields import Range, Size
from stackc.types import Dim, TensorType, product

if TYPE_CHECKING:
    from torch import nn

Axis = Annotated[int, "the axis, counted from 0, or from the end if negative"]


@component("flatten", "x")
class Flatten(Component):
    """y = x with the axes from `start` to `end`, both included, as one; the last of them runs fastest.

    x: [..., n₁, …, n_k, ...] → y: [..., n₁·…·n_k, ...].
    """

    start: Annotated[int, "the first axis that goes into it, counted from 0, or from the end if negative"] = 1
    end: Annotated[int, "the last axis that goes into it"] = -1

    def signature(self, x: TensorType) -> Signature:
        """The product of the sizes in their place."""
        first, last = axis_of(self.start, x, field="start"), axis_of(self.end, x, field="end")
        if first > last:
            raise Misfit(f"start {self.start} is behind end {self.end} in {x}", field="start")
        joined = product(x.shape[first : last + 1])
        return Signature((x.with_shape(*x.shape[:first], joined, *x.shape[last + 1 :]),))

    def construction(self, x: TensorType) -> Construction[nn.Module]:
        """torch.nn.Flatten."""
        from torch import nn

        return construct(nn.Flatten, self.start, self.end)


@component("unflatten", "x")
class Unflatten(Component):
    """y = x with an axis as several, of which the last runs fastest: flatten the other way.

    x: [..., n, ...] → y: [..., n / size, size, ...], or [..., n / (s₁·…·s_k), s₁, …, s_k, ...] for a list of sizes.
    """

    axis: Axis = -1
    size: Annotated[Size | tuple[Size, ...], "the size of each new axis but the first, divisors of that of x"]

    def signature(self, x: TensorType) -> Signature:
        """Several axes in the place of one."""
        axis, sizes = axis_of(self.axis, x), self._sizes()
        count = x.shape[axis].exactly(math.prod(sizes))
        if count is None:
            shown = self.size if isinstance(self.size, int) else list(self.size)
            message = f"size {shown} does not divide {x.shape[axis]}, axis {self.axis} of {x}"
            raise Misfit(message, code="T202", field="size")
        return Signature((x.with_shape(*x.shape[:axis], count, *sizes, *x.shape[axis + 1 :]),))

    def construction(self, x: TensorType) -> Construction[nn.Module]:
        """torch.nn.Unflatten."""
        from torch import nn

        return construct(nn.Unflatten, axis_of(self.axis, x), (-1, *self._sizes()))

    def _sizes(self) -> tuple[int, ...]:
        return (self.size,) if isinstance(self.size, int) else self.size


@component("reshape", "x")
class Reshape(Component):
    """y = x with its elements, the last axis running fastest, in another shape.

    In `shape`, 0 is the size that x has at that place, and one -1 is what is left over.
    x: [n₀, n₁, …] → y: [s₀, s₁, …] with n₀·n₁·… = s₀·s₁·…. `shape: [0, 0, heads, dim // heads]` splits the last axis.
    """

    shape: Annotated[tuple[Annotated[int, Range(minimum=-1)], ...], "the size of each axis of y"]

    def signature(self, x: TensorType) -> Signature:
        """The sizes of `shape`, those left to x filled in."""
        if self.shape.count(-1) > 1:
            raise Misfit(f"shape {list(self.shape)} leaves more than one size open", field="shape")
        if any(size == 0 and i >= x.rank for i, size in enumerate(self.shape)):
            raise Misfit(f"shape {list(self.shape)} takes a size that {x} does not have", field="shape")
        copied = {i for i, size in enumerate(self.shape) if size == 0}
        before = product(size for i, size in enumerate(x.shape) if i not in copied)
        left = before.exactly(math.prod(size for size in self.shape if size > 0))
        if left is None or (-1 not in self.shape and left != 1):
            raise Misfit(f"the elements of {x} do not make a shape {list(self.shape)}", code="T202", field="shape")
        sizes = [x.shape[i] if size == 0 else left if size == -1 else size for i, size in enumerate(self.shape)]
        return Signature((x.with_shape(*sizes),))

    def construction(self, x: TensorType) -> Construction[nn.Module]:
        """torch.reshape as a module."""
        from stackc.modules.layout import Reshape

        return construct(Reshape, self.shape)

    def expression(self, x: str) -> str:
        """Tensor.reshape."""
        sizes = (str(size) if size else f"{x}.shape[{i}]" for i, size in enumerate(self.shape))
        return f"{x}.reshape({', '.join(sizes)})"


@component("transpose", "x")
class Transpose(Component):
    """y = x with two axes exchanged.

    x: [..., m, ..., n, ...] → y: [..., n, ..., m, ...].
    """

    axis0: Annotated[int, "one of the axes, counted from 0, or from the end if negative"] = 1
    axis1: Annotated[int, "the other axis"] = 2

    def signature(self, x: TensorType) -> Signature:
        """The sizes exchanged."""
        first, second = axis_of(self.axis0, x, field="axis0"), axis_of(self.axis1, x, field="axis1")
        sizes = list(x.shape)
        sizes[first], sizes[second] = sizes[second], sizes[first]
        return Signature((x.with_shape(*sizes),))

    def construction(self, x: TensorType) -> Construction[nn.Module]:
        """torch.transpose as a module."""
        from stackc.modules.layout import Transpose

        return construct(Transpose, self.axis0, self.axis1)

    def expression(self, x: str) -> str:
        """Tensor.transpose."""
        return f"{x}.transpose({self.axis0}, {self.axis1})"


@component("permute", "x")
class Permute(Component):
    """y = x with its axes in another order: axis i of y is axis order[i] of x.

    x: [n₀, n₁, …] → y: [n of order[0], n of order[1], …]. From channels first to channels last is
    `order: [0, 2, 3, 1]`.
    """

    order: Annotated[tuple[int, ...], "the axes of x, counted from 0, in the order of those of y"]

    def signature(self, x: TensorType) -> Signature:
        """The sizes in that order."""
        return Signature((x.with_shape(*(x.shape[axis] for axis in self._axes(x))),))

    def construction(self, x: TensorType) -> Construction[nn.Module]:
        """torch.permute as a module."""
        from stackc.modules.layout import Permute

        return construct(Permute, self._axes(x))

    def _axes(self, x: TensorType) -> tuple[int, ...]:
        axes = tuple(axis_of(axis, x, field="order") for axis in self.order)
        if sorted(axes) != [*range(x.rank)]:
            message = f"order {list(self.order)} does not name each axis of {x} once"
            raise Misfit(message, field="order", hint=f"its axes are {', '.join(map(str, range(x.rank)))}")
        return axes

    def expression(self, x: str) -> str:
        """Tensor.permute."""
        return f"{x}.permute({', '.join(map(str, self.order))})"


@component("select", "x")
class Select(Component):
    """y = x[..., index, ...]: one entry of an axis, which goes.

    x: [..., n, ...] with n > index → y: [..., ...].
    """

    axis: Axis = 1
    index: Annotated[int, "which entry, counted from 0, or from the end if negative"] = 0

    def signature(self, x: TensorType) -> Signature:
        """The axis goes."""
        axis = axis_of(self.axis, x)
        needed = self.index + 1 if self.index >= 0 else -self.index
        _require_entries(x.shape[axis], needed, x, "index")
        limits = (Limit(x.shape[axis], f"it takes entry {self.index}", minimum=needed),)
        return Signature((x.with_shape(*x.shape[:axis], *x.shape[axis + 1 :]),), limits=limits)

    def construction(self, x: TensorType) -> Construction[nn.Module]:
        """torch.select as a module."""
        from stackc.modules.layout import Select

        return construct(Select, self.axis, self.index)

    def expression(self, x: str) -> str:
        """Tensor.select."""
        return f"{x}.select({self.axis}, {self.index})"


@component("slice", "x")
class Slice(Component):
    """y = x[..., start : start + size, ...]: some entries of an axis, one after another.

    x: [..., n, ...] with n ≥ start + size → y: [..., size, ...].
    """

    axis: Axis = -1
    start: Annotated[int, "the first entry, counted from 0, or from the end if negative"] = 0
    size: Annotated[Size, "how many entries"]

    def signature(self, x: TensorType) -> Signature:
        """`size` in the place of the axis."""
        axis = axis_of(self.axis, x)
        if self.start < 0 < self.start + self.size:
            raise Misfit(f"{self.size} entries from {self.start} on reach beyond the end", field="size")
        needed = self.start + self.size if self.start >= 0 else -self.start
        _require_entries(x.shape[axis], needed, x, "size")
        limits = (Limit(x.shape[axis], f"it takes {self.size} entries from {self.start} on", minimum=needed),)
        return Signature((x.with_shape(*x.shape[:axis], self.size, *x.shape[axis + 1 :]),), limits=limits)

    def construction(self, x: TensorType) -> Construction[nn.Module]:
        """torch.narrow as a module."""
        from stackc.modules.layout import Slice

        return construct(Slice, self.axis, self.start, self.size)

    def expression(self, x: str) -> str:
        """Tensor.narrow."""
        return f"{x}.narrow({self.axis}, {self.start}, {self.size})"


def _require_entries(size: Dim, needed: int, x: TensorType, field: str) -> None:
    if size.constant is not None and size.constant < needed:
        raise Misfit(f"an axis of {size} entries in {x} has no entry {needed - 1}", field=field)
