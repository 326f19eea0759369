"""Sequence pooling, axis reductions and choices, cumulative sums, and L2 normalization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from stackc.components.along import Along, Followed, Mixes, Portion, State, pointwise_along
from stackc.components.axes import Axes, except_along, without
from stackc.components.base import (
    Component,
    Port,
    Signature,
    SignatureError,
    axes_of,
    axis_of,
    require_float,
    require_layout,
    require_mask,
)
from stackc.components.construction import ConstructorCall, construct
from stackc.components.families.merge import require_numbers
from stackc.components.fields import Epsilon
from stackc.components.registry import component
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn

SEQUENCE = "[batch, seq, dim]"


def _all_but_positions(component: Component, x: TensorType, mask: TensorType | None = None) -> tuple[Axes, ...]:
    """Return batch and features of x, and the batch of the mask."""
    return {0: (0,), 2: (1,)}, {0: (0,)} if mask else {}


@component("mean_pool", "x", Port("mask", optional=True))
class MeanPool(Component):
    """y = Σᵢ mᵢ·xᵢ / max(Σᵢ mᵢ, 1) with mᵢ = 1 if mask[i] is nonzero, else 0: the masked mean over the positions.

    x: [batch, seq, dim], mask: [batch, seq] → y: [batch, dim]; without a mask every position counts; y is zero if the
    mask is all zero. Reimers, Gurevych 2019, arXiv:1908.10084.
    """

    reduces = "takes the mean over the axis"
    pointwise_axes = _all_but_positions

    def signature(self, x: TensorType, mask: TensorType | None = None) -> Signature:
        """Return the type without the sequence axis."""
        return _over_positions(x, mask)

    def construction(self, x: TensorType, mask: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """Return the masked mean as a module."""
        from stackc.modules.pool import MeanPool

        return construct(MeanPool)


@component("max_pool", "x", Port("mask", optional=True))
class MaxPool(Component):
    """y = the maximum of xᵢ over the positions i with nonzero mask[i].

    x: [batch, seq, dim], mask: [batch, seq] → y: [batch, dim]; without a mask every position counts; y is zero if the
    mask is all zero. Collobert et al. 2011, arXiv:1103.0398.
    """

    reduces = "takes the maximum over the axis"
    pointwise_axes = _all_but_positions

    def signature(self, x: TensorType, mask: TensorType | None = None) -> Signature:
        """Return the type without the sequence axis."""
        return _over_positions(x, mask)

    def construction(self, x: TensorType, mask: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """Return the masked maximum as a module."""
        from stackc.modules.pool import MaxPool

        return construct(MaxPool)


def _over_positions(x: TensorType, mask: TensorType | None) -> Signature:
    """Return the signature of pooling over the positions that a mask keeps."""
    require_float(x)
    require_layout(x, SEQUENCE)
    if mask is not None:
        require_mask(mask)
        if mask.shape != x.shape[:2]:
            expected = mask.with_shape(*x.shape[:2])
            raise SignatureError(f"expects a mask {expected} for {x}, got {mask}", port="mask")
    return Signature((x.with_shape(x.shape[0], x.shape[2]),))


@component("cls_pool", "x")
class ClsPool(Component):
    """y = x[:, 0]: the first position represents the sequence, like BERT's [CLS] token.

    x: [batch, seq, dim] → y: [batch, dim]. Devlin et al. 2018, arXiv:1810.04805.
    """

    reduces = "takes the first entry of the axis"
    pointwise_axes = without(lambda self, x: (1,))

    def signature(self, x: TensorType) -> Signature:
        """Return the type without the sequence axis."""
        require_layout(x, SEQUENCE)
        return Signature((x.with_shape(x.shape[0], x.shape[2]),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the selection as a module."""
        from stackc.modules.pool import ClsPool

        return construct(ClsPool)

    def expression(self, x: str) -> str:
        """Return an index."""
        return f"{x}[:, 0]"


@component("l2_normalize", "x")
class L2Normalize(Component):
    """y = x / max(‖x‖₂, eps) along one or several axes: vectors of length 1, whose dot product is their cosine.

    x: [...] → y: the same.
    """

    axis: Annotated[
        int | tuple[int, ...], "the axis of the vectors, or a list of axes, counted from 0, or from the end if negative"
    ] = -1
    eps: Annotated[Epsilon, "the smallest norm to divide by"] = 1e-12

    mixes = ("normalizes over the axis", None)
    pointwise_axes = except_along(lambda self, x: axes_of(self.axis, x))

    def signature(self, x: TensorType) -> Signature:
        """Return the same type."""
        require_float(x)
        axes_of(self.axis, x)
        return Signature((x,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.normalize as a module."""
        from stackc.modules.pool import L2Normalize

        return construct(L2Normalize, self.axis, self.eps)

    def expression(self, x: str) -> str:
        """Return a call of torch.nn.functional.normalize."""
        return f"F.normalize({x}, dim={self.axis}{f', eps={self.eps}' * (self.eps != 1e-12)})"


@dataclass(frozen=True, kw_only=True)
class Reduction(Component):
    """The base class of reductions along one or several axes."""

    torch_name: ClassVar[str]

    axis: Annotated[
        int | tuple[int, ...], "the axis to reduce, or a list of axes, counted from 0, or from the end if negative"
    ] = -1
    keepdim: Annotated[bool, "keep the reduced axes with size 1"] = False

    reduces = "reduces the axis to one entry"

    def pointwise_axes(self, x: TensorType) -> tuple[Axes, ...]:
        """Return the axes that stay."""
        declared = except_along if self.keepdim else without
        return declared(lambda self, x: axes_of(self.axis, x))(self, x)

    def signature(self, x: TensorType) -> Signature:
        """Return the type without the axes, or with size 1 there."""
        require_float(x, is_arithmetic=True)
        axes = axes_of(self.axis, x)
        reduced = (1,) if self.keepdim else ()
        sizes = [new for i, size in enumerate(x.shape) for new in (reduced if i in axes else (size,))]
        return Signature((x.with_shape(*sizes),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the reduction as a module."""
        from stackc.modules.pool import Reduction

        return construct(Reduction, self.torch_name, self.axis, self.keepdim)

    def expression(self, x: str) -> str:
        """Return a method call of the tensor."""
        return f"{x}.{self.torch_name}(dim={self.axis}{', keepdim=True' * self.keepdim})"


@component("reduce_mean", "x")
class ReduceMean(Reduction):
    """y = the mean of x along one or several axes.

    x: [..., n, ...] → y: [..., ...], or [..., 1, ...] with keepdim.
    """

    torch_name: ClassVar[str] = "mean"


@component("reduce_sum", "x")
class ReduceSum(Reduction):
    """y = the sum of x along one or several axes.

    x: [..., n, ...] → y: [..., ...], or [..., 1, ...] with keepdim.
    """

    torch_name: ClassVar[str] = "sum"


@component("reduce_max", "x")
class ReduceMax(Reduction):
    """y = the maximum of x along one or several axes.

    x: [..., n, ...] → y: [..., ...], or [..., 1, ...] with keepdim.
    """

    torch_name: ClassVar[str] = "amax"


@component("reduce_min", "x")
class ReduceMin(Reduction):
    """y = the minimum of x along one or several axes.

    x: [..., n, ...] → y: [..., ...], or [..., 1, ...] with keepdim.
    """

    torch_name: ClassVar[str] = "amin"


@dataclass(frozen=True, kw_only=True)
class ArgReduction(Component):
    """The base class of choices of one entry along an axis."""

    torch_name: ClassVar[str]

    axis: Annotated[int, "the axis, counted from 0, or from the end if negative"] = -1
    keepdim: Annotated[bool, "keep the axis with size 1"] = False

    reduces = "chooses one entry of the axis"

    def pointwise_axes(self, x: TensorType) -> tuple[Axes, ...]:
        """Return the axes that stay."""
        declared = except_along if self.keepdim else without
        return declared(lambda self, x: (axis_of(self.axis, x),))(self, x)

    def signature(self, x: TensorType) -> Signature:
        """Return the type without the axis, or with size 1 there, of whole numbers."""
        require_numbers((x,))
        axis = axis_of(self.axis, x)
        kept = (1,) if self.keepdim else ()
        y = x.with_shape(*x.shape[:axis], *kept, *x.shape[axis + 1 :])
        return Signature((TensorType("int64", y.shape),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the choice as a module."""
        from stackc.modules.pool import ArgReduction

        return construct(ArgReduction, self.torch_name, self.axis, self.keepdim)

    def expression(self, x: str) -> str:
        """Return a method call of the tensor."""
        return f"{x}.{self.torch_name}(dim={self.axis}{', keepdim=True' * self.keepdim})"


@component("argmax", "x")
class ArgMax(ArgReduction):
    """y = the index of the largest x along an axis, the first of equal ones.

    x: [..., n, ...] → y: [..., ...] whole numbers, or [..., 1, ...] with keepdim. torch.argmax, ONNX's ArgMax.
    """

    torch_name: ClassVar[str] = "argmax"


@component("argmin", "x")
class ArgMin(ArgReduction):
    """y = the index of the smallest x along an axis, the first of equal ones.

    x: [..., n, ...] → y: [..., ...] whole numbers, or [..., 1, ...] with keepdim. torch.argmin, ONNX's ArgMin.
    """

    torch_name: ClassVar[str] = "argmin"


@component("cumsum", "x")
class CumSum(Component):
    """yᵢ = x₀ + x₁ + … + xᵢ along an axis.

    x: [..., n, ...] → y: the same. torch.cumsum, ONNX's CumSum.
    """

    axis: Annotated[int, "the axis to sum along, counted from 0, or from the end if negative"] = -1

    pointwise_axes = except_along(lambda self, x: (axis_of(self.axis, x),))

    def along(self, followed: Followed, x: TensorType) -> Along | Mixes:
        """Return that it keeps the sum so far along its axis."""
        axis = axis_of(self.axis, x)
        if dict(followed.axes[0]) != {axis: Portion.NEW}:
            return pointwise_along(self, followed.axes, (x,))
        total = x.with_shape(*x.shape[:axis], 1, *x.shape[axis + 1 :])
        return Along((followed.axes[0],), (State("total", total),))

    def signature(self, x: TensorType) -> Signature:
        """Return the same type."""
        require_numbers((x,))
        axis_of(self.axis, x)
        return Signature((x,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.cumsum as a module."""
        from stackc.modules.pool import CumSum

        return construct(CumSum, self.axis)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.cumsum, which keeps the element type."""
        return f"{x}.cumsum(dim={self.axis}, dtype={x}.dtype)"
