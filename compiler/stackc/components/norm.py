"""Normalization components: of activations, along an `axis` that means the same for all of them.

`axis` is the feature (channel) axis. layer_norm and rms_norm take their statistics over it, at each position;
batch_norm and instance_norm keep it and take theirs over the other axes, with and without the batch axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.base import Component, Limit, Misfit, Signature, axis_of, component, fixed, require_float
from stackc.components.fields import Epsilon, Range
from stackc.types import Dim, TensorType, product

if TYPE_CHECKING:
    from torch import nn

Axis = Annotated[int | None, "the feature axis, counted from 0, or from the end if negative"]


def _last(axis: int | None, x: TensorType) -> int:
    """The feature axis where the convention is the last one; torch's own classes reach no other."""
    return axis_of(-1 if axis is None else axis, x)


def _channel(axis: int | None, x: TensorType, op: str) -> int:
    """The channel axis, which has to be written where the rank leaves open which one is meant."""
    if axis is None and x.rank != 2:
        raise Misfit(
            f"{op} of {x}: which axis holds the features?",
            code="T204",
            port="x",
            hint="write `axis: 1` for channels first, `axis: -1` for features last",
        )
    channel = axis_of(1 if axis is None else axis, x)
    if channel == 0:
        raise Misfit(f"{op} cannot take the batch axis as its features", field="axis")
    return channel


def _affine(size: int, dtype: str, *names: str) -> dict[str, TensorType]:
    return {name: TensorType(dtype, (Dim.of(size),)) for name in names}


@component("layer_norm", "x")
class LayerNorm(Component):
    """y = (x − mean(x)) / √(var(x) + eps) · weight + bias, statistics over the feature axis at each position.

    x: [..., features] → y: the same. Ba, Kiros, Hinton 2016, arXiv:1607.06450.
    """

    axis: Axis = None
    eps: Epsilon = 1e-5
    affine: Annotated[bool, "learn weight and bias"] = True
    bias: Annotated[bool, "learn a bias beside the weight"] = True

    def signature(self, x: TensorType) -> Signature:
        """The same type; weight and bias [features]."""
        require_float(x)
        size = fixed(x.shape[_last(self.axis, x)], "the feature axis of layer_norm", port="x")
        names = ("weight", "bias")[: 1 + self.bias] if self.affine else ()
        return Signature((x,), _affine(size, x.dtype, *names))

    def module(self, x: TensorType) -> nn.Module:
        """torch.nn.LayerNorm, behind a transposition where the feature axis is not the last."""
        from torch import nn

        from stackc.modules.norm import LayerNormAlong

        axis = _last(self.axis, x)
        size = fixed(x.shape[axis], "the feature axis")
        if axis == x.rank - 1:
            return nn.LayerNorm(size, self.eps, self.affine, self.bias)
        return LayerNormAlong(axis, size, self.eps, self.affine, self.bias)
