"""The same elements in another shape, and some of them: no arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from stackc.components.base import Component, Limit, Port, Signature, SignatureError, axis_of
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Range, Size
from stackc.components.registry import component
from stackc.components.size_expressions import Extent, SizeExpression, read_off, written
from stackc.core.types import Dim, Floor, TensorType, product

if TYPE_CHECKING:
    from torch import nn

LIKE = Port("like", optional=True)
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
            raise SignatureError(f"start {self.start} is behind end {self.end} in {x}", field="start")
        joined = product(x.shape[first : last + 1])
        return Signature((x.with_shape(*x.shape[:first], joined, *x.shape[last + 1 :]),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.Flatten."""
        from torch import nn

        return construct(nn.Flatten, self.start, self.end)


@component("unflatten", "x", LIKE)
class Unflatten(Component):
    """y = x with an axis as several, of which the last runs fastest: flatten the other way.

    x: [..., n, ...] → y: [..., n / size, size, ...], or [..., n / (s₁·…·s_k), s₁, …, s_k, ...] for a list of sizes.
    `like` is any tensor that has the dims which the sizes speak of: `size: seq` and [batch·seq, dim] do not tell how
    much of batch·seq is seq.
    """

    axis: Axis = -1
    size: Annotated[Extent | tuple[Extent, ...], "the size of each new axis but the first, divisors of that of x"]

    def signature(self, x: TensorType, like: TensorType | None = None) -> Signature:
        """Several axes in the place of one."""
        axis, sizes = axis_of(self.axis, x), self._sizes()
        count = x.shape[axis].exactly(product(sizes))
        if count is None:
            shown = _shown(self.size)
            message = f"size {shown} does not divide {x.shape[axis]}, axis {self.axis} of {x}"
            raise SignatureError(message, code="T202", field="size")
        _told(sizes, x, like, "size")
        return Signature((x.with_shape(*x.shape[:axis], count, *sizes, *x.shape[axis + 1 :]),), limits=_least(sizes))

    def construction(self, x: TensorType, like: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """torch.unflatten as a module."""
        from stackc.modules.layout import Unflatten

        return construct(Unflatten, self.axis, _told(self._sizes(), x, like, "size"))

    def expression(self, x: str, like: str | None = None) -> str:
        """Tensor.unflatten."""
        sizes = (written(size, *filter(None, (x, like))) for size in self._sizes())
        return f"{x}.unflatten({self.axis}, (-1, {', '.join(sizes)}))"

    def _sizes(self) -> tuple[int | Dim, ...]:
        return self.size if isinstance(self.size, tuple) else (self.size,)


@component("reshape", "x", LIKE)
class Reshape(Component):
    """y = x with its elements, the last axis running fastest, in another shape.

    In `shape`, 0 is the size that x has at that place, and one -1 is what is left over.
    x: [n₀, n₁, …] → y: [s₀, s₁, …] with n₀·n₁·… = s₀·s₁·…. `shape: [0, 0, heads, dim // heads]` splits the last axis,
    `shape: [batch*seq, dim]` joins the first two. `like` is any tensor that has the dims which the shape speaks of.
    """

    shape: Annotated[tuple[Annotated[int | Dim, Range(minimum=-1)], ...], "the size of each axis of y"]

    def signature(self, x: TensorType, like: TensorType | None = None) -> Signature:
        """The sizes of `shape`, those left to x filled in."""
        if self.shape.count(-1) > 1:
            raise SignatureError(f"shape {_shown(self.shape)} leaves more than one size open", field="shape")
        if any(size == 0 and i >= x.rank for i, size in enumerate(self.shape)):
            raise SignatureError(f"shape {_shown(self.shape)} takes a size that {x} does not have", field="shape")
        copied = {i for i, size in enumerate(self.shape) if size == 0}
        before = product(size for i, size in enumerate(x.shape) if i not in copied)
        known = [size for size in self.shape if size not in (0, -1)]
        left = before.exactly(product(known))
        if left is None or (-1 not in self.shape and left != 1):
            raise SignatureError(
                f"the elements of {x} do not make a shape {_shown(self.shape)}", code="T202", field="shape"
            )
        _told(self.shape, x, like, "shape")
        sizes = [x.shape[i] if size == 0 else left if size == -1 else size for i, size in enumerate(self.shape)]
        return Signature((x.with_shape(*sizes),), limits=_least(known))

    def construction(self, x: TensorType, like: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """torch.reshape as a module."""
        from stackc.modules.layout import Reshape

        return construct(Reshape, _told(self.shape, x, like, "shape"))

    def expression(self, x: str, like: str | None = None) -> str:
        """Tensor.reshape."""
        told = [*filter(None, (x, like))]
        sizes = (f"{x}.shape[{i}]" if size == 0 else written(size, *told) for i, size in enumerate(self.shape))
        return f"{x}.reshape({', '.join(sizes)})"


@component("squeeze", "x")
class Squeeze(Component):
    """y = x without an axis of one entry.

    x: [..., 1, ...] → y: [..., ...].
    """

    axis: Axis = -1

    def signature(self, x: TensorType) -> Signature:
        """The axis goes."""
        axis = axis_of(self.axis, x)
        if x.shape[axis] != 1:
            hint = "select takes one of several entries"
            raise SignatureError(
                f"axis {self.axis} of {x} has {x.shape[axis]} entries, not one", field="axis", hint=hint
            )
        return Signature((x.with_shape(*x.shape[:axis], *x.shape[axis + 1 :]),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.squeeze as a module."""
        from stackc.modules.layout import Squeeze

        return construct(Squeeze, self.axis)

    def expression(self, x: str) -> str:
        """Tensor.squeeze."""
        return f"{x}.squeeze({self.axis})"


@component("unsqueeze", "x")
class Unsqueeze(Component):
    """y = x with one more axis, of one entry.

    x: [..., ...] → y: [..., 1, ...].
    """

    axis: Annotated[int, "the place of the axis in y, counted from 0, or from the end if negative"] = -1

    def signature(self, x: TensorType) -> Signature:
        """An axis of 1."""
        axis = axis_of(self.axis, x.with_shape(*x.shape, 1))
        return Signature((x.with_shape(*x.shape[:axis], 1, *x.shape[axis:]),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.unsqueeze as a module."""
        from stackc.modules.layout import Unsqueeze

        return construct(Unsqueeze, self.axis)

    def expression(self, x: str) -> str:
        """Tensor.unsqueeze."""
        return f"{x}.unsqueeze({self.axis})"


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

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
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

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.permute as a module."""
        from stackc.modules.layout import Permute

        return construct(Permute, self._axes(x))

    def _axes(self, x: TensorType) -> tuple[int, ...]:
        axes = tuple(axis_of(axis, x, field="order") for axis in self.order)
        if sorted(axes) != [*range(x.rank)]:
            message = f"order {list(self.order)} does not name each axis of {x} once"
            raise SignatureError(message, field="order", hint=f"its axes are {', '.join(map(str, range(x.rank)))}")
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

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.select as a module."""
        from stackc.modules.layout import Select

        return construct(Select, self.axis, self.index)

    def expression(self, x: str) -> str:
        """Tensor.select."""
        return f"{x}.select({self.axis}, {self.index})"


@component("slice", "x", LIKE)
class Slice(Component):
    """y = x[..., start : start + size, ...]: some entries of an axis, one after another.

    x: [..., n, ...] with n ≥ start + size → y: [..., size, ...], by default all from start on: [..., n − start, ...].
    `axis: 1, start: 1` is all but the first of a sequence, `axis: 1, size: seq - 1` all but the last. `like` is any
    tensor that has the dims which the size speaks of.
    """

    axis: Axis = -1
    start: Annotated[int, "the first entry, counted from 0, or from the end if negative"] = 0
    size: Annotated[Extent | None, "how many entries; by default all that are left"] = None

    def signature(self, x: TensorType, like: TensorType | None = None) -> Signature:
        """`size` in the place of the axis."""
        axis, size = axis_of(self.axis, x), self._size(x)
        if self.size is None:
            needed = self.start + 1 if self.start >= 0 else -self.start
            limits = [Limit(x.shape[axis], f"it takes the entries from {self.start} on", minimum=needed)]
            _require_entries(x.shape[axis], needed, x, "start")
        elif size.constant is not None:
            limits = self._fitting(size.constant, x.shape[axis], x)
        else:
            limits = [*_least([size]), self._left(size, x.shape[axis], x)]
        _told((self._asked(x),), x, like, "size")
        return Signature((x.with_shape(*x.shape[:axis], size, *x.shape[axis + 1 :]),), limits=tuple(limits))

    def construction(self, x: TensorType, like: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """torch.narrow as a module."""
        from stackc.modules.layout import Slice

        (size,) = _told((self._asked(x),), x, like, "size")
        return construct(Slice, self.axis, self.start, size)

    def expression(self, x: str, like: str | None = None) -> str:
        """Tensor.narrow."""
        if self.size is None and self.start < 0:
            return f"{x}.narrow({self.axis}, {self.start}, {-self.start})"
        left = f"{x}.shape[{self.axis}]" + (f" - {self.start}" if self.start else "")
        size = left if self.size is None else written(self.size, *filter(None, (x, like)))
        return f"{x}.narrow({self.axis}, {self.start}, {size})"

    def _size(self, x: TensorType) -> Dim:
        if self.size is not None:
            return Dim.of(self.size)
        return x.shape[axis_of(self.axis, x)] - self.start if self.start >= 0 else Dim.of(-self.start)

    def _asked(self, x: TensorType) -> int | Dim:
        """The size, as a number if it is one."""
        size = self._size(x)
        return size if size.constant is None else size.constant

    def _fitting(self, size: int, entries: Dim, x: TensorType) -> list[Limit]:
        """The demand on the axis where the size is a number."""
        if self.start < 0 < self.start + size:
            raise SignatureError(f"{size} entries from {self.start} on reach beyond the end", field="size")
        needed = self.start + size if self.start >= 0 else -self.start
        _require_entries(entries, needed, x, "size")
        return [Limit(entries, f"it takes {size} entries from {self.start} on", minimum=needed)]

    def _left(self, size: Dim, entries: Dim, x: TensorType) -> Limit:
        """The demand that no more is taken than there is; a SignatureError unless it grows with the sizes, or is a number."""
        left = _unrounded(entries - self.start - size if self.start >= 0 else Dim.of(-self.start) - size)
        if any(monomial and coefficient < 0 for monomial, coefficient in left.terms) or (left.constant or 0) < 0:
            message = f"{size} entries from {self.start} on may be more than the {entries} of axis {self.axis} of {x}"
            raise SignatureError(message, field="size")
        return Limit(left, f"it takes {size} entries from {self.start} on, of {entries}", minimum=0)


@component("split", "x", outputs=("y", "rest"))
class Split(Component):
    """y = x[..., : size, ...] and rest = x[..., size :, ...]: an axis in two parts.

    x: [..., n, ...] with n > size → y: [..., size, ...], rest: [..., n − size, ...].
    """

    axis: Axis = -1
    size: Annotated[Size, "how many entries go to y"]

    def signature(self, x: TensorType) -> Signature:
        """Both parts."""
        axis = axis_of(self.axis, x)
        _require_entries(x.shape[axis], self.size + 1, x, "size")
        limits = (Limit(x.shape[axis], f"it leaves what is behind {self.size} entries", minimum=self.size + 1),)
        sizes = (Dim.of(self.size), x.shape[axis] - self.size)
        parts = (x.with_shape(*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes)
        return Signature(tuple(parts), limits=limits)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.narrow, twice, as a module."""
        from stackc.modules.layout import Split

        return construct(Split, self.axis, self.size)


def _told(
    sizes: tuple[int | Dim, ...], x: TensorType, like: TensorType | None, field: str
) -> tuple[int | SizeExpression, ...]:
    """The sizes as a module can calculate them. A SignatureError where it cannot, or where `like` tells nothing."""
    if like is not None and not any(isinstance(size, Dim) for size in sizes):
        raise SignatureError(
            "like has no meaning where all sizes are numbers", code="T208", port="like", hint="take it out"
        )
    return tuple(read_off(size, (x, like), field) for size in sizes)


def _unrounded(dim: Dim) -> Dim:
    """A dim that is not below 0 where this one is not: what is rounded down and taken off, taken off as it is."""
    for monomial, coefficient in dim.terms:
        if coefficient < 0 and len(monomial) == 1 and isinstance(floor := monomial[0], Floor):
            rest = dim - Dim(((monomial, coefficient),))
            return _unrounded(rest * floor.divisor + floor.numerator * coefficient)
    return dim


def _least(sizes: Sequence[int | Dim]) -> tuple[Limit, ...]:
    """The demand that a size leaves something."""
    return tuple(Limit(size, "it makes an axis of that size") for size in sizes if isinstance(size, Dim))


def _shown(size: int | Dim | tuple[int | Dim, ...]) -> str:
    """A field as the spec writes it."""
    return f"[{', '.join(map(str, size))}]" if isinstance(size, tuple) else str(size)


def _require_entries(size: Dim, needed: int, x: TensorType, field: str) -> None:
    if size.constant is not None and size.constant < needed:
        raise SignatureError(f"an axis of {size} entries in {x} has no entry {needed - 1}", field=field)
