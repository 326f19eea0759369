"""Operations on tensors. Each knows the shape of its result without any data, and raises ValueError if it has none."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from stackc.weights.files import Array

Shape: TypeAlias = tuple[int, ...]


class Operation(Protocol):
    """What is done with operands. Its text follows the operands, or stands between them."""

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the shape of the result. Raises ValueError, with a message for the user, if there is none."""

    def apply(self, arrays: Sequence[Any]) -> Array:
        """Return the result, a view if NumPy can give one; operands are arrays, or numbers of arithmetic."""


@dataclass(frozen=True, slots=True)
class Transposed:
    """`x.T`: the axes in reverse, as in NumPy."""

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the reversed shape."""
        return shapes[0][::-1]

    def apply(self, arrays: Sequence[Any]) -> Array:
        """Return a view."""
        return arrays[0].T  # type: ignore[no-any-return]  # an array, for the operands of this operation

    def __str__(self) -> str:
        return ".T"


@dataclass(frozen=True, slots=True)
class Part:
    """`i/n` in an index: the part of number `i` of an axis that is cut into `n` equal ones."""

    number: int
    parts: int

    def __str__(self) -> str:
        return f"{self.number}/{self.parts}"


@dataclass(frozen=True, slots=True)
class Indexed:
    """`x[2, 0:dim, ::2]`, as in NumPy, but never beyond the end of an axis; `x[1/3]` is the second third."""

    items: tuple[Any, ...]

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the sizes of the axes that are left."""
        lengths = (_length(item, size) for item, size in self._pairs(shapes[0]))
        return tuple(length for length in lengths if length is not None)

    def apply(self, arrays: Sequence[Any]) -> Array:
        """Return a view."""
        whole = arrays[0]
        index = (_part_slice(item, size) if isinstance(item, Part) else item for item, size in self._pairs(whole.shape))
        return whole[tuple(index)]  # type: ignore[no-any-return]

    def _pairs(self, shape: Shape) -> list[tuple[Any, int]]:
        """Return an item for each axis, with its size; `...` and what is left out take whole axes."""
        items, count = list(self.items), len([item for item in self.items if item is not Ellipsis])
        if count > len(shape):
            raise ValueError(f"{count} indices are too many for {axes_text(shape)}")
        where = items.index(Ellipsis) if Ellipsis in items else len(items)
        whole = [slice(None)] * (len(shape) - count)
        return list(zip([*items[:where], *whole, *items[where + 1 :]], shape, strict=True))

    def __str__(self) -> str:
        return f"[{', '.join(map(_item_text, self.items))}]"


def _length(item: Any, size: int) -> int | None:
    """Return the size of an indexed axis, None if a single index removes it."""
    if isinstance(item, Part):
        item = _part_slice(item, size)
    if isinstance(item, int):
        if not -size <= item < size:
            raise ValueError(f"index {item} is beyond an axis of {size}")
        return None
    for bound in (item.start, item.stop):
        if bound is not None and not -size <= bound <= size:
            raise ValueError(f"{_item_text(item)} is beyond an axis of {size}")
    return len(range(*item.indices(size)))


def _part_slice(part: Part, size: int) -> slice:
    if size % part.parts:
        raise ValueError(f"an axis of {size} has no {part.parts} equal parts")
    length = size // part.parts
    return slice(part.number * length, (part.number + 1) * length)


def _item_text(item: Any) -> str:
    if item is Ellipsis:
        return "..."
    if not isinstance(item, slice):
        return str(item)
    bounds = ":".join("" if bound is None else str(bound) for bound in (item.start, item.stop))
    return bounds if item.step is None else f"{bounds}:{item.step}"


@dataclass(frozen=True, slots=True)
class Reshaped:
    """`x.reshape(heads, 3, -1)`: the same numbers in the same order; -1 is the size that is left."""

    sizes: Shape

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the sizes, -1 replaced."""
        whole, known = math.prod(shapes[0]), math.prod(size for size in self.sizes if size != -1)
        if self.sizes.count(-1) > 1 or any(size < -1 for size in self.sizes):
            raise ValueError("reshape takes sizes, one of which may be -1")
        if -1 in self.sizes and known and whole % known == 0:
            return tuple(whole // known if size == -1 else size for size in self.sizes)
        if -1 in self.sizes or known != whole:
            raise ValueError(f"{axes_text(shapes[0])} cannot be reshaped to {list(self.sizes)}")
        return self.sizes

    def apply(self, arrays: Sequence[Any]) -> Array:
        """Return a view if the numbers lie in order, else a copy."""
        return arrays[0].reshape(self.sizes)  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return f".reshape({', '.join(map(str, self.sizes))})"


@dataclass(frozen=True, slots=True)
class Permuted:
    """`x.permute(1, 0, 2)`: axis 0 of the result is axis 1 of x, and so on."""

    axes: Shape

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the sizes in the new order."""
        rank = len(shapes[0])
        if sorted(_axis(axis, rank) for axis in self.axes) != list(range(rank)):
            raise ValueError(f"permute needs every axis of {axes_text(shapes[0])} once")
        return tuple(shapes[0][axis] for axis in self.axes)

    def apply(self, arrays: Sequence[Any]) -> Array:
        """Return a view."""
        return arrays[0].transpose(self.axes)  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return f".permute({', '.join(map(str, self.axes))})"


@dataclass(frozen=True, slots=True)
class Swapped:
    """`x.swapaxes(0, 1)`."""

    first: int
    second: int

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the sizes with two of them swapped."""
        sizes, rank = list(shapes[0]), len(shapes[0])
        first, second = _axis(self.first, rank), _axis(self.second, rank)
        sizes[first], sizes[second] = sizes[second], sizes[first]
        return tuple(sizes)

    def apply(self, arrays: Sequence[Any]) -> Array:
        """Return a view."""
        return arrays[0].swapaxes(self.first, self.second)  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return f".swapaxes({self.first}, {self.second})"


@dataclass(frozen=True, slots=True)
class Squeezed:
    """`x.squeeze()` without its axes of size 1, or `x.squeeze(1)` without that one."""

    axis: int | None

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the sizes that are left."""
        if self.axis is None:
            return tuple(size for size in shapes[0] if size != 1)
        axis = _axis(self.axis, len(shapes[0]))
        if shapes[0][axis] != 1:
            raise ValueError(f"axis {self.axis} has {shapes[0][axis]} elements, not one")
        return shapes[0][:axis] + shapes[0][axis + 1 :]

    def apply(self, arrays: Sequence[Any]) -> Array:
        """Return a view."""
        return arrays[0].squeeze(self.axis)  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return f".squeeze({'' if self.axis is None else self.axis})"


@dataclass(frozen=True, slots=True)
class Unsqueezed:
    """`x.unsqueeze(0)`: with an axis of size 1 more."""

    axis: int

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the sizes and the new one."""
        axis = _axis(self.axis, len(shapes[0]) + 1)
        return (*shapes[0][:axis], 1, *shapes[0][axis:])

    def apply(self, arrays: Sequence[Any]) -> Array:
        """Return a view."""
        return arrays[0].reshape(self.shape([arrays[0].shape]))  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return f".unsqueeze({self.axis})"


@dataclass(frozen=True, slots=True)
class Flipped:
    """`x.flip(0)`: one axis in reverse."""

    axis: int

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the shape as it is."""
        _axis(self.axis, len(shapes[0]))
        return shapes[0]

    def apply(self, arrays: Sequence[Any]) -> Array:
        """Return a view."""
        axis = _axis(self.axis, arrays[0].ndim)
        return arrays[0][(slice(None),) * axis + (slice(None, None, -1),)]  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return f".flip({self.axis})"


@dataclass(frozen=True, slots=True)
class DtypeCast:
    """`x.to(float16)`: rounded to another element type."""

    dtype: str

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the shape as it is."""
        return shapes[0]

    def apply(self, arrays: Sequence[Any]) -> Array:
        """Return a copy, unless it has the type."""
        import ml_dtypes

        dtype = ml_dtypes.bfloat16 if self.dtype == "bfloat16" else self.dtype
        return arrays[0].astype(dtype, copy=False)  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return f".to({self.dtype})"


@dataclass(frozen=True, slots=True)
class Joined:
    """`cat(a, b, axis=0)`: one after the other along an axis."""

    axis: int

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the shape of the first, with the sum of the sizes along the axis."""
        axis = _axis(self.axis, len(shapes[0]))
        others = {shape[:axis] + shape[axis + 1 :] if len(shape) > axis else None for shape in shapes}
        if len(others) > 1 or len({len(shape) for shape in shapes}) > 1:
            raise ValueError(f"cat along axis {axis} of {', '.join(str(list(shape)) for shape in shapes)}")
        return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])

    def apply(self, arrays: Sequence[Any]) -> Array:
        """Return a new array."""
        import numpy as np

        return np.concatenate(arrays, self.axis)

    def __str__(self) -> str:
        return "cat"


@dataclass(frozen=True, slots=True)
class Stacked:
    """`stack(a, b, axis=0)`: side by side along a new axis."""

    axis: int

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the shape of each, with their number at the new axis."""
        if len({*shapes}) > 1:
            raise ValueError(f"stack needs equal shapes, not {', '.join(str(list(shape)) for shape in shapes)}")
        axis = _axis(self.axis, len(shapes[0]) + 1)
        return (*shapes[0][:axis], len(shapes), *shapes[0][axis:])

    def apply(self, arrays: Sequence[Any]) -> Array:
        """Return a new array."""
        import numpy as np

        return np.stack(arrays, self.axis)

    def __str__(self) -> str:
        return "stack"


ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`x + 1`, `a + b`: with a number, or between tensors of one shape; in float32 at least."""

    symbol: str

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the shape of the operands; a number has the shape [] and fits all."""
        sizes = {*shapes} - {()}
        if len(sizes) > 1:
            raise ValueError(f"{self.symbol} needs equal shapes, not {' and '.join(str(list(s)) for s in shapes)}")
        return sizes.pop() if sizes else ()

    def apply(self, arrays: Sequence[Any]) -> Array:
        """Return a new array."""
        return ARITHMETIC[self.symbol](*map(_widened, arrays))  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return f" {self.symbol} "


def _widened(operand: Any) -> Any:
    """Return an operand in float32, or float64 if it has that: in bfloat16, 0.001 + 1 is 1."""
    import numpy as np

    if isinstance(operand, (int, float)):
        return operand
    return operand.astype(np.float64 if operand.dtype == np.float64 else np.float32, copy=False)


def axes_text(shape: Shape) -> str:
    """Return a shape as messages have it."""
    return f"the shape {list(shape)}"


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is not one of {rank}")
    return axis % rank
