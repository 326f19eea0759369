"""Normalization of activations; `axis` has the same meaning for all components.

`axis` is the feature (channel) axis. layer_norm and rms_norm compute statistics over it, at each position; batch_norm
and instance_norm over all other axes, with and without the batch axis; group_norm over groups of features and all axes
except the batch; dynamic_tanh computes none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.along import Along, Followed, Mixes, pointwise_along
from stackc.components.axes import except_along, leading, pointwise
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
Eps = Annotated[Epsilon, "added to the variance before the root"]
Momentum = Annotated[float, Range(minimum=0.0, maximum=1.0), "the weight of a new batch in the running statistics"]


def _feature_axes(axis: int | tuple[int, ...] | None, x: TensorType) -> tuple[int, ...]:
    """Return the feature axes, in the order of x; by default the last axis."""
    return axes_of(-1 if axis is None else axis, x)


def _is_last(axes: tuple[int, ...], x: TensorType) -> bool:
    """Return whether the feature axes are the last ones."""
    return axes == tuple(range(x.rank - len(axes), x.rank))


def _channel_axis(axis: int | None, x: TensorType) -> int:
    """Return the feature axis, by default axis 1. Raises SignatureError (T204) if it is not written from rank 3 up."""
    if x.rank < 2:
        raise SignatureError(f"expects [batch, features, ...], got {x}", port="x")

    if axis is None and x.rank != 2:
        raise SignatureError(
            f"which axis of {x} is the feature axis?",
            code="T204",
            port="x",
            hint="write `axis: 1` for channels first, `axis: -1` for features last",
        )

    channel = axis_of(1 if axis is None else axis, x)
    if channel == 0:
        raise SignatureError("the batch axis cannot be the feature axis", field="axis")
    return channel


def _features(x: TensorType, axis: int) -> int:
    return fixed(x.shape[axis], "the feature axis", port="x")


def _sizes(x: TensorType, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(_features(x, axis) for axis in axes)


def _positions(x: TensorType, axis: int) -> Dim:
    """Return the number of positions of a sample: the product of all axes except batch and features."""
    return product(size for i, size in enumerate(x.shape) if i not in (0, axis))


def _vectors(size: int | tuple[int, ...], dtype: str, *names: str) -> dict[str, TensorType]:
    sizes = size if isinstance(size, tuple) else (size,)
    return {name: TensorType(dtype, shape(*sizes)) for name in names}


def _weight_and_bias(size: int, dtype: str, affine: bool) -> dict[str, TensorType]:
    return _vectors(size, dtype, "weight", "bias") if affine else {}


@component("layer_norm", "x")
class LayerNorm(TypePreserving):
    """y = (x − mean(x)) / √(var(x) + eps) · weight + bias, with statistics over the feature axes at each position.

    x: [..., features], or features on any axes → y: the same. Ba, Kiros, Hinton 2016, arXiv:1607.06450.
    """

    axis: Axes = None
    eps: Eps = 1e-5
    affine: Annotated[bool, "learn weight and bias"] = True
    bias: Annotated[bool, "learn a bias in addition to the weight"] = True

    mixes = ("computes its statistics over the axis", None)
    pointwise_axes = except_along(lambda self, x: _feature_axes(self.axis, x))
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the same type; weight and bias [features], or [f₁, f₂, …]."""
        require_float(x)
        size = _sizes(x, _feature_axes(self.axis, x))
        names = ("weight", "bias")[: 1 + self.bias] if self.affine else ()
        return Signature((x,), _vectors(size, x.dtype, *names))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.LayerNorm, between transpositions if the feature axes are not the last."""
        from torch import nn

        from stackc.modules.norm import LayerNormAlong

        axes = _feature_axes(self.axis, x)
        size = _sizes(x, axes)
        if _is_last(axes, x):
            return construct(nn.LayerNorm, size if len(size) > 1 else size[0], self.eps, self.affine, self.bias)
        return construct(LayerNormAlong, axes, size, self.eps, self.affine, self.bias)


@component("rms_norm", "x")
class RmsNorm(TypePreserving):
    """y = x / √(mean(x²) + eps) · (offset + weight), with the mean over the feature axes at each position.

    x: [..., features], or features on any axes → y: the same. Zhang, Sennrich 2019, arXiv:1910.07467; with an offset
    of 1 as in Gemma, arXiv:2403.08295.
    """

    axis: Axes = None
    eps: Annotated[Epsilon, "added to the mean square before the root"] = 1e-6
    affine: Annotated[bool, "learn the weight"] = True
    offset: Annotated[float, "added to the weight: 1 if the checkpoint stores the weight less one"] = 0.0

    mixes = ("computes its statistics over the axis", None)
    pointwise_axes = except_along(lambda self, x: _feature_axes(self.axis, x))
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the same type; weight [features], or [f₁, f₂, …]."""
        require_float(x)
        if self.offset and not self.affine:
            raise SignatureError(
                "offset has no meaning without a weight",
                code="T208",
                field="offset",
                hint="remove `affine: false`, or the offset",
            )
        size = _sizes(x, _feature_axes(self.axis, x))
        return Signature((x,), _vectors(size, x.dtype, "weight") if self.affine else {})

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.RMSNorm, between transpositions if the feature axes are not the last."""
        from torch import nn

        from stackc.modules.norm import OffsetRMSNorm, RMSNormAlong

        axes = _feature_axes(self.axis, x)
        size = _sizes(x, axes)
        if not _is_last(axes, x):
            return construct(RMSNormAlong, axes, size, self.eps, self.affine, self.offset)
        if self.offset:
            return construct(OffsetRMSNorm, size, self.eps, self.affine, self.offset)
        return construct(nn.RMSNorm, size if len(size) > 1 else size[0], self.eps, self.affine)


@component("dynamic_tanh", "x")
class DynamicTanh(TypePreserving):
    """y = tanh(alpha · x) · weight + bias, which replaces a normalization without computing any statistics.

    alpha is one learned number, weight and bias are learned for each feature. x: [..., features], or features on
    another axis → y: the same. DyT: Zhu et al. 2025, arXiv:2503.10622.
    """

    axis: Axis = None
    initial: Annotated[float, "the initial alpha"] = 0.5

    pointwise_axes = except_along(lambda self, x: _feature_axes(self.axis, x))

    def signature(self, x: TensorType) -> Signature:
        """Return the same type; alpha [1], weight and bias [features]."""
        require_float(x)
        (size,) = _sizes(x, _feature_axes(self.axis, x))
        return Signature((x,), _vectors(1, x.dtype, "alpha") | _vectors(size, x.dtype, "weight", "bias"))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return tanh, product and sum as a module."""
        from stackc.modules.norm import DynamicTanh

        (axis,) = _feature_axes(self.axis, x)
        return construct(DynamicTanh, _features(x, axis), self.initial, behind=x.rank - 1 - axis)


@component("batch_norm", "x")
class BatchNorm(TypePreserving):
    """y = (x − mean) / √(var + eps) · weight + bias for each feature, with statistics over all other axes.

    In training, the statistics are those of the batch, and update the running ones with `momentum`; in evaluation, the
    running ones are used. x: [batch, ..., features, ...] → y: the same. Ioffe, Szegedy 2015, arXiv:1502.03167.
    """

    axis: Axis = None
    eps: Eps = 1e-5
    momentum: Momentum = 0.1
    affine: Annotated[bool, "learn weight and bias"] = True

    pointwise_axes = except_along(lambda self, x: (_channel_axis(self.axis, x),))

    def along(self, followed: Followed, x: TensorType) -> Along | Mixes:
        """Return that it is pointwise in evaluation; in training it mixes all examples and positions."""
        if followed.training and any(followed.axes):
            hint = "group_norm and layer_norm compute them for each example; `freeze: true` keeps those of the weights"
            return Mixes("computes its statistics over all examples and positions in training", hint)
        return pointwise_along(self, followed.axes, (x,))

    def signature(self, x: TensorType) -> Signature:
        """Return the same type; weight and bias [features]; the running statistics as buffers."""
        require_float(x)
        size = _features(x, _channel_axis(self.axis, x))
        buffers = _vectors(size, x.dtype, "running_mean", "running_var")
        buffers["num_batches_tracked"] = TensorType("int64", ())
        return Signature((x,), _weight_and_bias(size, x.dtype, self.affine), buffers)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.BatchNorm1d, 2d or 3d by rank, between transpositions if `axis` is not 1."""
        from torch import nn

        from stackc.modules.norm import BatchNormAlong

        axis = _channel_axis(self.axis, x)
        size = _features(x, axis)
        stock = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
        if axis == 1 and x.rank in stock:
            return construct(stock[x.rank], size, self.eps, self.momentum, self.affine)
        return construct(BatchNormAlong, axis, size, self.eps, self.momentum, self.affine)


@component("instance_norm", "x")
class InstanceNorm(TypePreserving):
    """y = (x − mean) / √(var + eps) · weight + bias for each sample and feature, with statistics over the positions.

    x: [batch, ..., features, ...] with at least 2 positions → y: the same.
    Ulyanov, Vedaldi, Lempitsky 2016, arXiv:1607.08022.
    """

    axis: Axis = None
    eps: Eps = 1e-5
    affine: Annotated[bool, "learn weight and bias"] = False

    mixes = ("computes its statistics over the axis", "layer_norm and rms_norm compute them at each position")
    pointwise_axes = leading(1)

    def signature(self, x: TensorType) -> Signature:
        """Return the same type; weight and bias [features] if affine."""
        require_float(x)
        axis = _channel_axis(self.axis, x)
        size = _features(x, axis)
        if x.rank == 2:
            raise SignatureError(
                f"a sample of {x} has no positions to compute statistics over",
                port="x",
                hint="layer_norm computes them over the features, batch_norm over the batch",
            )
        limit = Limit(_positions(x, axis), "it computes statistics over the positions of a sample", minimum=2)
        return Signature((x,), _weight_and_bias(size, x.dtype, self.affine), limits=(limit,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.InstanceNorm1d, 2d or 3d by rank, between transpositions if `axis` is not 1."""
        from torch import nn

        from stackc.modules.norm import InstanceNormAlong

        axis = _channel_axis(self.axis, x)
        size = _features(x, axis)
        stock = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}
        if axis == 1 and x.rank in stock:
            return construct(stock[x.rank], size, self.eps, affine=self.affine)
        return construct(InstanceNormAlong, axis, size, self.eps, self.affine)


@component("group_norm", "x")
class GroupNorm(TypePreserving):
    """y = (x − mean) / √(var + eps) · weight + bias, with statistics for each sample and group of features.

    x: [batch, ..., features, ...] → y: the same. Wu, He 2018, arXiv:1803.08494.
    """

    groups: Annotated[Size, "groups of features, a divisor of their number"]
    axis: Axis = None
    eps: Eps = 1e-5
    affine: Annotated[bool, "learn weight and bias"] = True

    mixes = ("computes its statistics over the axis", "layer_norm and rms_norm compute them at each position")
    pointwise_axes = leading(1)

    def signature(self, x: TensorType) -> Signature:
        """Return the same type; weight and bias [features]."""
        require_float(x)
        axis = _channel_axis(self.axis, x)
        size = _features(x, axis)
        require_divisor(self.groups, size, field="groups", of="features")
        values = x.shape[0] * (size // self.groups) * _positions(x, axis)
        limit = Limit(values, "it computes statistics over the values of a group", minimum=2)
        return Signature((x,), _weight_and_bias(size, x.dtype, self.affine), limits=(limit,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.GroupNorm, between transpositions if the feature axis is not axis 1."""
        from torch import nn

        from stackc.modules.norm import GroupNormAlong

        axis = _channel_axis(self.axis, x)
        size = _features(x, axis)
        if axis == 1:
            return construct(nn.GroupNorm, self.groups, size, self.eps, self.affine)
        return construct(GroupNormAlong, axis, self.groups, size, self.eps, self.affine)


@component("local_response_norm", "x")
class LocalResponseNorm(TypePreserving):
    """y[c] = x[c] / (k + alpha / size · Σ x[i]²)^beta, with the sum over the `size` channels around c, 0 outside.

    An even size has one channel more before c than after it.
    x: [batch, channels, ...] → y: the same. Krizhevsky, Sutskever, Hinton 2012, NIPS 25.
    """

    size: Annotated[Size, "the number of neighboring channels"]
    alpha: Annotated[float, "the weight of their mean square"] = 1e-4
    beta: Annotated[float, "the exponent"] = 0.75
    k: Annotated[float, "added to the mean square before the power"] = 1.0

    pointwise_axes = except_along(lambda self, x: (1,))

    def signature(self, x: TensorType) -> Signature:
        """Return the same type."""
        require_float(x)
        if x.rank < 3:
            raise SignatureError(f"expects [batch, channels, positions, ...], got {x}", port="x")
        return Signature((x,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.LocalResponseNorm in operators that keep sizes symbolic."""
        from stackc.modules.norm import LocalResponseNorm

        return construct(LocalResponseNorm, self.size, self.alpha, self.beta, self.k)
