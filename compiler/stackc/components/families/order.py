"""Entries of an axis in another order: reversed, rolled, sorted, or the largest alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.axes import except_along, pointwise
from stackc.components.base import Component, Limit, Signature, SignatureError, axes_of, axis_of
from stackc.components.construction import ConstructorCall, construct
from stackc.components.families.merge import require_numbers
from stackc.components.fields import Size
from stackc.components.registry import component
from stackc.components.size_checks import require_entries
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn

Axis = Annotated[int, "the axis, counted from 0, or from the end if negative"]
Axes = Annotated[int | tuple[int, ...], "the axis, or a list of axes, counted from 0, or from the end if negative"]


@component("flip", "x")
class Flip(Component):
    """y[..., i, ...] = x[..., n − 1 − i, ...]: the entries of one or several axes in reverse order.

    x: [..., n, ...] → y: the same. Other libraries call it reverse.
    """

    axis: Axes = -1

    mixes = ("reverses the axis", None)
    pointwise_axes = except_along(lambda self, x: axes_of(self.axis, x))
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the same type."""
        axes_of(self.axis, x)
        return Signature((x,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.flip as a module."""
        from stackc.modules.order import Flip

        return construct(Flip, self.axis)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.flip."""
        return f"{x}.flip({self.axis})"


@component("roll", "x")
class Roll(Component):
    """y[..., i, ...] = x[..., (i − shift) mod n, ...]: entries move along an axis, and those at its end to its start.

    x: [..., n, ...] → y: the same. `axis: [1, 2], shift: [-3, -3]` is the cyclic shift of a Swin transformer, Liu et
    al. 2021, arXiv:2103.14030.
    """

    axis: Axes = -1
    shift: Annotated[
        int | tuple[int, ...], "by how many entries, towards the start if negative; for a list of axes a list as long"
    ]

    mixes = ("moves entries along the axis, and those at its end to its start", None)
    pointwise_axes = except_along(lambda self, x: axes_of(self.axis, x))

    def signature(self, x: TensorType) -> Signature:
        """Return the same type."""
        axes_of(self.axis, x)
        axes, shifts = (1 if isinstance(value, int) else len(value) for value in (self.axis, self.shift))
        if axes != shifts:
            message = f"shift has {shifts} number{'s' * (shifts != 1)}, but axis has {axes}: each axis has its own"
            raise SignatureError(message, field="shift")
        return Signature((x,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.roll as a module."""
        from stackc.modules.order import Roll

        return construct(Roll, self.shift, self.axis)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.roll."""
        return f"{x}.roll({self.shift}, {self.axis})"


@component("sort", "x", outputs=("y", "indices"))
class Sort(Component):
    """y = x sorted along an axis, and the index in x of each entry of y; of equal entries the first in x comes first.

    x: [..., n, ...] → y: the same, indices: the same shape, int64. The indices are a choice, which a proof compares
    exactly on the same numbers.
    """

    axis: Axis = -1
    descending: Annotated[bool, "the largest entry first"] = False

    mixes = ("sorts the entries of the axis", None)
    pointwise_axes = except_along(lambda self, x: (axis_of(self.axis, x),), outputs=2)

    def signature(self, x: TensorType) -> Signature:
        """Return the same type, and its indices."""
        require_numbers((x,))
        axis_of(self.axis, x)
        return Signature((x, TensorType("int64", x.shape)))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.sort, which must be stable, as a module."""
        from stackc.modules.order import Sort

        return construct(Sort, self.axis, self.descending)


@component("topk", "x", outputs=("y", "indices"))
class TopK(Component):
    """y = the k largest entries of x along an axis, the largest first, and the index in x of each of them.

    Of equal entries the first in x comes first, as in ONNX; torch.topk leaves their order open.
    x: [..., n, ...] with n ≥ k → y: [..., k, ...], indices: the same shape, int64. The indices are a choice, which a
    proof compares exactly on the same numbers.
    """

    k: Annotated[Size, "the number of entries"]
    axis: Axis = -1
    largest: Annotated[bool, "the largest entries; otherwise the smallest, the smallest first"] = True

    mixes = ("chooses among all entries of the axis", None)
    pointwise_axes = except_along(lambda self, x: (axis_of(self.axis, x),), outputs=2)

    def signature(self, x: TensorType) -> Signature:
        """Return the type with k entries along the axis, and their indices."""
        require_numbers((x,))
        axis = axis_of(self.axis, x)
        require_entries(x.shape[axis], self.k, x, "k")
        y = x.with_shape(*x.shape[:axis], self.k, *x.shape[axis + 1 :])
        limit = Limit(x.shape[axis], f"it returns {self.k} of its entries", minimum=self.k)
        return Signature((y, TensorType("int64", y.shape)), limits=(limit,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the first k entries of a stable torch.sort as a module."""
        from stackc.modules.order import TopK

        return construct(TopK, self.k, self.axis, self.largest)
