"""Padding: entries added before and after those of an axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.axes import except_along
from stackc.components.base import Component, Limit, Signature, SignatureError, axis_of, require_float
from stackc.components.construction import ConstructorCall, construct
from stackc.components.registry import component
from stackc.components.windows import Naturals
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn

Mode = Literal["constant", "reflect", "replicate"]


@component("pad", "x")
class Pad(Component):
    """y = x with `before` entries added before an axis and `after` entries after it.

    They equal `value`, repeat the first and the last entry (replicate), or mirror x at them (reflect).
    x: [..., n, ...] → y: [..., before + n + after, ...]. For several axes, `axis: [2, 3]`, both are one number for all
    or a list. Replicate and reflect need axes of positions: the last of 3 axes, or the last two of 4.
    """

    axis: Annotated[int | tuple[int, ...], "the axis or axes, counted from 0, or from the end if negative"] = -1
    before: Annotated[Naturals, "entries before those of x"] = 0
    after: Annotated[Naturals, "entries after those of x"] = 0
    mode: Annotated[Mode, "how the added entries are chosen"] = "constant"
    value: Annotated[float, "the value of the added entries, with mode constant"] = 0.0

    pointwise_axes = except_along(lambda self, x: self._margins(x))

    def signature(self, x: TensorType) -> Signature:
        """Return the type with the padded sizes."""
        require_float(x)
        margins = self._margins(x)
        sizes = [size + sum(margins.get(axis, (0, 0))) for axis, size in enumerate(x.shape)]
        y = x.with_shape(*sizes)
        if self.mode == "constant":
            return Signature((y,))

        if self.value:
            message = f"value has no effect with mode {self.mode}"
            raise SignatureError(message, code="T208", field="value", hint="remove it, or write `mode: constant`")
        if x.rank < 3 or min(margins) < 2:
            message = f"{self.mode} pads the positions of [batch, channels, ...positions], not those of {x}"
            raise SignatureError(message, field="mode")

        return Signature((y,), limits=self._mirror_limits(x, margins) if self.mode == "reflect" else ())

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.pad as a module."""
        from stackc.modules.padding import Pad

        return construct(Pad, self._torch_padding(x), self.mode, self.value)

    def _mirror_limits(self, x: TensorType, margins: Mapping[int, tuple[int, int]]) -> tuple[Limit, ...]:
        """Return the limit that each axis is longer than what is mirrored. Raises SignatureError if one is not."""
        limits = tuple(
            Limit(x.shape[axis], f"it mirrors {max(added)} of its entries", minimum=max(added) + 1)
            for axis, added in margins.items()
        )
        for limit in limits:
            if limit.dim.constant is not None and limit.dim.constant < limit.minimum:
                message = f"cannot mirror {limit.minimum - 1} entries of an axis of {limit.dim}: it must be longer"
                raise SignatureError(message, field="mode")
        return limits

    def _margins(self, x: TensorType) -> dict[int, tuple[int, int]]:
        """Return the number of entries before and after each padded axis."""
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)

        added = []
        for name, value in (("before", self.before), ("after", self.after)):
            values = value if isinstance(value, tuple) else (value,) * len(axes)
            if len(values) != len(axes):
                raise SignatureError(
                    f"{name} {list(values)} must have one number per axis, {len(axes)} in total", field=name
                )
            added.append(values)

        counted = [axis_of(axis, x) for axis in axes]
        if len(set(counted)) < len(counted) or not counted:
            raise SignatureError(f"axis {list(axes)} must name one or more axes of {x}, each once", field="axis")
        return dict(zip(counted, zip(*added, strict=True), strict=True))

    def _torch_padding(self, x: TensorType) -> tuple[int, ...]:
        """Return the margins in PyTorch's order: from the last axis to the first padded one."""
        margins = self._margins(x)
        axes = range(x.rank - 1, (min(margins) if self.mode == "constant" else 2) - 1, -1)
        return tuple(number for axis in axes for number in margins.get(axis, (0, 0)))
