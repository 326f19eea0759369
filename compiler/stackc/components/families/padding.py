"""Entries added before and behind those of an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

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
    """y = x with `before` entries put before an axis and `after` behind it.

    They are `value`, or the first and the last entry over again (replicate), or x mirrored at them (reflect).
    x: [..., n, ...] → y: [..., before + n + after, ...]. For several axes, `axis: [2, 3]`, both are one number for all,
    or a list. Replicate and reflect work on the axes of positions: the last of 3 axes, the last two of 4.
    """

    axis: Annotated[int | tuple[int, ...], "the axis or axes, counted from 0, or from the end if negative"] = -1
    before: Annotated[Naturals, "entries before those of x"] = 0
    after: Annotated[Naturals, "entries behind those of x"] = 0
    mode: Annotated[Mode, "what stands there"] = "constant"
    value: Annotated[float, "what the entries are, of constant ones"] = 0.0

    def signature(self, x: TensorType) -> Signature:
        """The sizes grown by what is added."""
        require_float(x)
        margins = self._margins(x)
        sizes = [size + sum(margins.get(axis, (0, 0))) for axis, size in enumerate(x.shape)]
        if self.mode == "constant":
            return Signature((x.with_shape(*sizes),))
        if self.value:
            raise SignatureError(
                f"value has no meaning with {self.mode}", code="T208", field="value", hint="take it out"
            )
        if x.rank < 3 or min(margins) < 2:
            raise SignatureError(
                f"{self.mode} works on the positions of [batch, channels, ...positions], not on {x}", field="mode"
            )
        limits = tuple(
            Limit(x.shape[axis], f"it mirrors {max(added)} of its entries", minimum=max(added) + 1)
            for axis, added in margins.items()
            if self.mode == "reflect"
        )
        for limit in limits:
            if limit.dim.constant is not None and limit.dim.constant < limit.minimum:
                raise SignatureError(
                    f"an axis of {limit.dim} entries cannot be mirrored {limit.minimum - 1} deep", field="mode"
                )
        return Signature((x.with_shape(*sizes),), limits=limits)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.functional.pad as a module."""
        from stackc.modules.padding import Pad

        return construct(Pad, self._written(x), self.mode, self.value)

    def _margins(self, x: TensorType) -> dict[int, tuple[int, int]]:
        """What is added before and behind each axis."""
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        added = []
        for name, value in (("before", self.before), ("after", self.after)):
            values = value if isinstance(value, tuple) else (value,) * len(axes)
            if len(values) != len(axes):
                raise SignatureError(f"{name} {list(values)} needs a number for each of {len(axes)} axes", field=name)
            added.append(values)
        counted = [axis_of(axis, x) for axis in axes]
        if len(set(counted)) < len(counted) or not counted:
            raise SignatureError(f"axis {list(axes)} has to name an axis of {x} or more, each once", field="axis")
        return dict(zip(counted, zip(*added, strict=True), strict=True))

    def _written(self, x: TensorType) -> tuple[int, ...]:
        """Numbers from the last axis up to the first that grows, as PyTorch takes them."""
        margins = self._margins(x)
        axes = range(x.rank - 1, (min(margins) if self.mode == "constant" else 2) - 1, -1)
        return tuple(number for axis in axes for number in margins.get(axis, (0, 0)))
