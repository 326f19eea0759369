"""Padding: entries added before and after those of an axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.axes import Axes
from stackc.components.base import Component, Limit, Port, Signature, SignatureError, axis_of, require_float
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Range
from stackc.components.registry import component
from stackc.components.size_checks import read_off_all
from stackc.components.size_expressions import lower_bound
from stackc.core.types import Dim, TensorType

if TYPE_CHECKING:
    from torch import nn

Mode = Literal["constant", "reflect", "replicate", "circular"]
Margin = Annotated[int | Dim, Range(minimum=0)]
Margins = Mapping[int, tuple[int | Dim, int | Dim]]


@component("pad", "x", Port("like", optional=True))
class Pad(Component):
    """y = x with `before` entries added before an axis and `after` entries after it.

    They equal `value`, repeat the first and the last entry (replicate), mirror x at them (reflect), or go on with the
    other end of x (circular).
    x: [..., n, ...] → y: [..., before + n + after, ...]. For several axes, `axis: [2, 3]`, both are one number for all
    or a list; `after: (width + 31)//32*32 - width` fills up to a multiple of 32. Other modes than constant need axes of
    positions: the last of 3 axes, or the last two of 4. `like` is any tensor that has the dims named in the numbers.
    """

    axis: Annotated[int | tuple[int, ...], "the axis or axes, counted from 0, or from the end if negative"] = -1
    before: Annotated[Margin | tuple[Margin, ...], "entries before those of x"] = 0
    after: Annotated[Margin | tuple[Margin, ...], "entries after those of x"] = 0
    mode: Annotated[Mode, "how the added entries are chosen"] = "constant"
    value: Annotated[float, "the value of the added entries, with mode constant"] = 0.0

    mixes = ("adds entries to the axis", None)

    def pointwise_axes(self, x: TensorType, *others: TensorType | None) -> tuple[Axes, ...]:
        """Return the axes that are not padded."""
        margins = self._margins(x)
        return ({axis: (axis,) for axis in range(x.rank) if axis not in margins}, *({} for _ in others))

    def signature(self, x: TensorType, like: TensorType | None = None) -> Signature:
        """Return the type with the padded sizes."""
        require_float(x)
        margins = self._margins(x)
        y = x.with_shape(*(sum(margins.get(axis, ()), size) for axis, size in enumerate(x.shape)))
        numbers = tuple(number for margin in margins.values() for number in margin)
        read_off_all(numbers, x, like, "after")
        limits = tuple(self._at_least_zero(number) for number in numbers if not isinstance(number, int))
        if self.mode == "constant":
            return Signature((y,), limits=limits)

        if self.value:
            message = f"value has no effect with mode {self.mode}"
            raise SignatureError(message, code="T208", field="value", hint="remove it, or write `mode: constant`")
        if x.rank < 3 or min(margins) < 2:
            message = f"{self.mode} pads the positions of [batch, channels, ...positions], not those of {x}"
            raise SignatureError(message, field="mode")
        return Signature((y,), limits=(*limits, *self._source_limits(x, margins)))

    def construction(self, x: TensorType, like: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.pad as a module."""
        from stackc.modules.padding import Pad

        return construct(Pad, read_off_all(self._torch_padding(x), x, like, "after"), self.mode, self.value)

    def _at_least_zero(self, number: int | Dim) -> Limit:
        """Return the limit that a margin is at least 0. Raises SignatureError if it may fall as sizes grow."""
        bound = lower_bound(Dim.of(number))
        if bound is None or (bound.constant or 0) < 0:
            hint = "fill up to a multiple, as in `(width + 31)//32*32 - width`, or remove entries by slice"
            raise SignatureError(f"{number} entries may be fewer than none", field=self._field_of(number), hint=hint)
        return Limit(bound, f"it adds {number} entries", minimum=0)

    def _source_limits(self, x: TensorType, margins: Margins) -> tuple[Limit, ...]:
        """Return the limit that each axis has what is mirrored or repeated. Raises SignatureError if one has not."""
        if self.mode == "replicate":
            return ()

        verb, kept = ("mirror", 1) if self.mode == "reflect" else ("repeat", 0)
        limits = []
        for axis, (before, after) in margins.items():
            numbers = [max(before, after)] if isinstance(before, int) and isinstance(after, int) else [before, after]
            for number in numbers:
                spare = lower_bound(x.shape[axis] - number)
                if spare is None or (spare.constant is not None and spare.constant < kept):
                    message = f"cannot {verb} {number} entries of an axis of {x.shape[axis]}: it must be longer"
                    raise SignatureError(message, field="mode")
                size, least = (x.shape[axis], number + kept) if isinstance(number, int) else (spare, kept)
                limits.append(Limit(size, f"it {verb}s {number} of its entries", minimum=least))
        return tuple(limits)

    def _field_of(self, number: int | Dim) -> str:
        """Return the field that a margin is written in."""
        return "before" if number in (self.before if isinstance(self.before, tuple) else (self.before,)) else "after"

    def _margins(self, x: TensorType) -> Margins:
        """Return the number of entries before and after each padded axis."""
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)

        added = []
        for name, value in (("before", self.before), ("after", self.after)):
            values = value if isinstance(value, tuple) else (value,) * len(axes)
            if len(values) != len(axes):
                written = f"[{', '.join(map(str, values))}]"
                raise SignatureError(
                    f"{name} {written} must have one number per axis, {len(axes)} in total", field=name
                )
            added.append(values)

        counted = [axis_of(axis, x) for axis in axes]
        if len(set(counted)) < len(counted) or not counted:
            raise SignatureError(f"axis {list(axes)} must name one or more axes of {x}, each once", field="axis")
        return dict(zip(counted, zip(*added, strict=True), strict=True))

    def _torch_padding(self, x: TensorType) -> tuple[int | Dim, ...]:
        """Return the margins in PyTorch's order: from the last axis to the first padded one."""
        margins = self._margins(x)
        axes = range(x.rank - 1, (min(margins) if self.mode == "constant" else 2) - 1, -1)
        return tuple(number for axis in axes for number in margins.get(axis, (0, 0)))
