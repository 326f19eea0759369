"""From a vector a position to one vector, from all that stand along some axes to one number; vectors to unit length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from stackc.components.base import (
    Component,
    Port,
    Signature,
    SignatureError,
    axes_of,
    require_float,
    require_layout,
    require_mask,
)
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Epsilon
from stackc.components.registry import component
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn

SEQUENCE = "[batch, seq, dim]"


@component("mean_pool", "x", Port("mask", optional=True))
class MeanPool(Component):
    """y = Σᵢ mᵢ·xᵢ / max(Σᵢ mᵢ, 1) with mᵢ = 1 where mask[i] is nonzero and 0 elsewhere: the mean over the positions.

    x: [batch, seq, dim], mask: [batch, seq] → y: [batch, dim]; without a mask every position counts, and where the mask
    is all zero, y is zero. Reimers, Gurevych 2019, arXiv:1908.10084.
    """

    def signature(self, x: TensorType, mask: TensorType | None = None) -> Signature:
        """The sequence axis goes."""
        return _over_positions(x, mask)

    def construction(self, x: TensorType, mask: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """The masked mean as a module."""
        from stackc.modules.pool import MeanPool

        return construct(MeanPool)


@component("max_pool", "x", Port("mask", optional=True))
class MaxPool(Component):
    """y = the maximum of xᵢ over the positions i where mask[i] is nonzero.

    x: [batch, seq, dim], mask: [batch, seq] → y: [batch, dim]; without a mask every position counts, and where the mask
    is all zero, y is zero. Collobert et al. 2011, arXiv:1103.0398.
    """

    def signature(self, x: TensorType, mask: TensorType | None = None) -> Signature:
        """The sequence axis goes."""
        return _over_positions(x, mask)

    def construction(self, x: TensorType, mask: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """The masked maximum as a module."""
        from stackc.modules.pool import MaxPool

        return construct(MaxPool)


def _over_positions(x: TensorType, mask: TensorType | None) -> Signature:
    """A vector of all that a mask keeps."""
    require_float(x)
    require_layout(x, SEQUENCE)
    if mask is not None:
        require_mask(mask)
        if mask.shape != x.shape[:2]:
            needed = mask.with_shape(*x.shape[:2])
            raise SignatureError(f"needs a mask {needed} for {x}, and gets {mask}", port="mask")
    return Signature((x.with_shape(x.shape[0], x.shape[2]),))


@component("cls_pool", "x")
class ClsPool(Component):
    """y = x[:, 0]: the first position speaks for all, as BERT's [CLS] token does.

    x: [batch, seq, dim] → y: [batch, dim]. Devlin et al. 2018, arXiv:1810.04805.
    """

    def signature(self, x: TensorType) -> Signature:
        """The sequence axis goes."""
        require_layout(x, SEQUENCE)
        return Signature((x.with_shape(x.shape[0], x.shape[2]),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """The selection as a module."""
        from stackc.modules.pool import ClsPool

        return construct(ClsPool)

    def expression(self, x: str) -> str:
        """An index."""
        return f"{x}[:, 0]"


@component("l2_normalize", "x")
class L2Normalize(Component):
    """y = x / max(‖x‖₂, eps) along an axis, or over several: vectors of length 1, whose dot product is their cosine.

    x: [...] → y: the same.
    """

    axis: Annotated[
        int | tuple[int, ...], "the axis of the vectors, or a list of axes, counted from 0, or from the end if negative"
    ] = -1
    eps: Annotated[Epsilon, "the least norm to divide by"] = 1e-12

    def signature(self, x: TensorType) -> Signature:
        """The same type."""
        require_float(x)
        axes_of(self.axis, x)
        return Signature((x,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.functional.normalize as a module."""
        from stackc.modules.pool import L2Normalize

        return construct(L2Normalize, self.axis, self.eps)

    def expression(self, x: str) -> str:
        """torch.nn.functional.normalize."""
        return f"F.normalize({x}, dim={self.axis}{f', eps={self.eps}' * (self.eps != 1e-12)})"


@dataclass(frozen=True, kw_only=True)
class Reduction(Component):
    """The base of what makes one number of all that stand along some axes."""

    torch_name: ClassVar[str]

    axis: Annotated[
        int | tuple[int, ...], "the axis that goes, or a list of axes, counted from 0, or from the end if negative"
    ] = -1
    keepdim: Annotated[bool, "leave the axes there, with one entry"] = False

    def signature(self, x: TensorType) -> Signature:
        """The axes go, or become 1."""
        require_float(x)
        axes = axes_of(self.axis, x)
        kept = (1,) if self.keepdim else ()
        sizes = [size for i, own in enumerate(x.shape) for size in (kept if i in axes else (own,))]
        return Signature((x.with_shape(*sizes),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """The reduction as a module."""
        from stackc.modules.pool import Reduction

        return construct(Reduction, self.torch_name, self.axis, self.keepdim)

    def expression(self, x: str) -> str:
        """The method of a tensor."""
        return f"{x}.{self.torch_name}(dim={self.axis}{', keepdim=True' * self.keepdim})"


@component("reduce_mean", "x")
class ReduceMean(Reduction):
    """y = the mean of x along an axis or several.

    x: [..., n, ...] → y: [..., ...], or [..., 1, ...] with keepdim.
    """

    torch_name: ClassVar[str] = "mean"


@component("reduce_sum", "x")
class ReduceSum(Reduction):
    """y = the sum of x along an axis or several.

    x: [..., n, ...] → y: [..., ...], or [..., 1, ...] with keepdim.
    """

    torch_name: ClassVar[str] = "sum"


@component("reduce_max", "x")
class ReduceMax(Reduction):
    """y = the maximum of x along an axis or several.

    x: [..., n, ...] → y: [..., ...], or [..., 1, ...] with keepdim.
    """

    torch_name: ClassVar[str] = "amax"


@component("reduce_min", "x")
class ReduceMin(Reduction):
    """y = the minimum of x along an axis or several.

    x: [..., n, ...] → y: [..., ...], or [..., 1, ...] with keepdim.
    """

    torch_name: ClassVar[str] = "amin"
