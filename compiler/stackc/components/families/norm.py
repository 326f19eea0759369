"""Normalization components: of activations, along an `axis` that means the same for all of them.

`axis` is the feature (channel) axis. layer_norm and rms_norm take their statistics over it, at each position;
batch_norm and instance_norm keep it and take theirs over the other axes, with and without the batch axis; group_norm
takes its own over groups of it and all axes but the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.base import (
    Limit,
    Signature,
    SignatureError,
    TypePreserving,
    axes_of,
    axis_of,
    fixed,
    require_divisor,
    require_float,
)
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Epsilon, Range, Size
from stackc.components.registry import component
from stackc.core.types import Dim, TensorType, product, shape

if TYPE_CHECKING:
    from torch import nn

Axis = Annotated[int | None, "the feature axis, counted from 0, or from the end if negative"]
Axes = Annotated[int | tuple[int, ...] | None, "the feature axis, or a list of them, counted from 0, or from the end"]
Eps = Annotated[Epsilon, "added to the variance before its root is taken"]
Momentum = Annotated[float, Range(minimum=0.0, maximum=1.0), "the share of a new batch in the running statistics"]


def _last(axis: int | tuple[int, ...] | None, x: TensorType) -> tuple[int, ...]:
    """The feature axes, in the order of x, where the convention is the last one."""
    return axes_of(-1 if axis is None else axis, x)


def _is_last(axes: tuple[int, ...], x: TensorType) -> bool:
    """Whether nothing stands behind the feature axes."""
    return axes == tuple(range(x.rank - len(axes), x.rank))


def _channel(axis: int | None, x: TensorType) -> int:
    """The feature axis where the convention is axis 1; it has to be written where the rank leaves it open."""
    if x.rank < 2:
        raise SignatureError(f"needs [batch, features, ...], and gets {x}", port="x")
    if axis is None and x.rank != 2:
        raise SignatureError(
            f"which axis of {x} holds the features?",
            code="T204",
            port="x",
            hint="write `axis: 1` for channels first, `axis: -1` for features last",
        )
    channel = axis_of(1 if axis is None else axis, x)
    if channel == 0:
        raise SignatureError("the batch axis cannot hold the features", field="axis")
    return channel


def _features(x: TensorType, axis: int) -> int:
    return fixed(x.shape[axis], "the feature axis", port="x")


def _sizes(x: TensorType, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(_features(x, axis) for axis in axes)


def _positions(x: TensorType, axis: int) -> Dim:
    """How many positions a sample has: the product of all axes but the batch and the features."""
    return product(size for i, size in enumerate(x.shape) if i not in (0, axis))


def _vectors(size: int | tuple[int, ...], dtype: str, *names: str) -> dict[str, TensorType]:
    sizes = size if isinstance(size, tuple) else (size,)
    return {name: TensorType(dtype, shape(*sizes)) for name in names}


def _weight_and_bias(size: int, dtype: str, affine: bool) -> dict[str, TensorType]:
    return _vectors(size, dtype, "weight", "bias") if affine else {}


@component("layer_norm", "x")
class LayerNorm(TypePreserving):
    """y = (x − mean(x)) / √(var(x) + eps) · weight + bias, statistics over the feature axes at each position.

    x: [..., features], or features on any axes → y: the same. Ba, Kiros, Hinton 2016, arXiv:1607.06450.
    """

    axis: Axes = None
    eps: Eps = 1e-5
    affine: Annotated[bool, "learn weight and bias"] = True
    bias: Annotated[bool, "learn a bias beside the weight"] = True

    def signature(self, x: TensorType) -> Signature:
        """The same type; weight and bias [features], or [f₁, f₂, …]."""
        require_float(x)
        size = _sizes(x, _last(self.axis, x))
        names = ("weight", "bias")[: 1 + self.bias] if self.affine else ()
        return Signature((x,), _vectors(size, x.dtype, *names))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.LayerNorm, between transpositions where the feature axes are not the last."""
        from torch import nn

        from stackc.modules.norm import LayerNormAlong

        axes = _last(self.axis, x)
        size = _sizes(x, axes)
        if _is_last(axes, x):
            return construct(nn.LayerNorm, size if len(size) > 1 else size[0], self.eps, self.affine, self.bias)
        return construct(LayerNormAlong, axes, size, self.eps, self.affine, self.bias)


@component("rms_norm", "x")
class RmsNorm(TypePreserving):
    """y = x / √(mean(x²) + eps) · weight, the mean over the feature axes at each position.

    x: [..., features], or features on any axes → y: the same. Zhang, Sennrich 2019, arXiv:1910.07467.
    """

    axis: Axes = None
    eps: Annotated[Epsilon, "added to the mean square before its root is taken"] = 1e-6
    affine: Annotated[bool, "learn the weight"] = True

    def signature(self, x: TensorType) -> Signature:
        """The same type; weight [features], or [f₁, f₂, …]."""
        require_float(x)
        size = _sizes(x, _last(self.axis, x))
        return Signature((x,), _vectors(size, x.dtype, "weight") if self.affine else {})

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.RMSNorm, between transpositions where the feature axes are not the last."""
        from torch import nn

        from stackc.modules.norm import RMSNormAlong

        axes = _last(self.axis, x)
        size = _sizes(x, axes)
        if _is_last(axes, x):
            return construct(nn.RMSNorm, size if len(size) > 1 else size[0], self.eps, self.affine)
        return construct(RMSNormAlong, axes, size, self.eps, self.affine)


@component("batch_norm", "x")
class BatchNorm(TypePreserving):
    """y = (x − mean) / √(var + eps) · weight + bias for each feature, statistics over all other axes.

    In training they are those of the batch, and move the running ones by `momentum`; in evaluation the running ones are
    used. x: [batch, ..., features, ...] → y: the same. Ioffe, Szegedy 2015, arXiv:1502.03167.
    """

    axis: Axis = None
    eps: Eps = 1e-5
    momentum: Momentum = 0.1
    affine: Annotated[bool, "learn weight and bias"] = True

    def signature(self, x: TensorType) -> Signature:
        """The same type; weight and bias [features], and the running statistics as buffers."""
        require_float(x)
        size = _features(x, _channel(self.axis, x))
        buffers = _vectors(size, x.dtype, "running_mean", "running_var")
        buffers["num_batches_tracked"] = TensorType("int64", ())
        return Signature((x,), _weight_and_bias(size, x.dtype, self.affine), buffers)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.BatchNorm1d, 2d or 3d by rank, between transpositions where the feature axis is not axis 1."""
        from torch import nn

        from stackc.modules.norm import BatchNormAlong

        axis = _channel(self.axis, x)
        size = _features(x, axis)
        stock = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
        if axis == 1 and x.rank in stock:
            return construct(stock[x.rank], size, self.eps, self.momentum, self.affine)
        return construct(BatchNormAlong, axis, size, self.eps, self.momentum, self.affine)


@component("instance_norm", "x")
class InstanceNorm(TypePreserving):
    """y = (x − mean) / √(var + eps) · weight + bias for each sample and feature, statistics over the positions.

    x: [batch, ..., features, ...] with at least 2 positions → y: the same.
    Ulyanov, Vedaldi, Lempitsky 2016, arXiv:1607.08022.
    """

    axis: Axis = None
    eps: Eps = 1e-5
    affine: Annotated[bool, "learn weight and bias"] = False

    def signature(self, x: TensorType) -> Signature:
        """The same type; weight and bias [features] if affine."""
        require_float(x)
        axis = _channel(self.axis, x)
        size = _features(x, axis)
        if x.rank == 2:
            raise SignatureError(
                f"a sample of {x} has no positions to take statistics over",
                port="x",
                hint="layer_norm takes them over the features, batch_norm over the batch",
            )
        limit = Limit(_positions(x, axis), "it takes statistics over the positions of a sample", minimum=2)
        return Signature((x,), _weight_and_bias(size, x.dtype, self.affine), limits=(limit,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.InstanceNorm1d, 2d or 3d by rank, between transpositions where the feature axis is not axis 1."""
        from torch import nn

        from stackc.modules.norm import InstanceNormAlong

        axis = _channel(self.axis, x)
        size = _features(x, axis)
        stock = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}
        if axis == 1 and x.rank in stock:
            return construct(stock[x.rank], size, self.eps, affine=self.affine)
        return construct(InstanceNormAlong, axis, size, self.eps, self.affine)


@component("group_norm", "x")
class GroupNorm(TypePreserving):
    """y = (x − mean) / √(var + eps) · weight + bias, statistics for each sample and group of features.

    x: [batch, ..., features, ...] → y: the same. Wu, He 2018, arXiv:1803.08494.
    """

    groups: Annotated[Size, "groups of features, a divisor of their number"]
    axis: Axis = None
    eps: Eps = 1e-5
    affine: Annotated[bool, "learn weight and bias"] = True

    def signature(self, x: TensorType) -> Signature:
        """The same type; weight and bias [features]."""
        require_float(x)
        axis = _channel(self.axis, x)
        size = _features(x, axis)
        require_divisor(self.groups, size, field="groups", of="features")
        values = x.shape[0] * (size // self.groups) * _positions(x, axis)
        limit = Limit(values, "it takes statistics over the values of a group", minimum=2)
        return Signature((x,), _weight_and_bias(size, x.dtype, self.affine), limits=(limit,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.GroupNorm, between transpositions where the feature axis is not axis 1."""
        from torch import nn

        from stackc.modules.norm import GroupNormAlong

        axis = _channel(self.axis, x)
        size = _features(x, axis)
        if axis == 1:
            return construct(nn.GroupNorm, self.groups, size, self.eps, self.affine)
        return construct(GroupNormAlong, axis, self.groups, size, self.eps, self.affine)
