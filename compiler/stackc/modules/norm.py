"""The normalizations of torch.nn, with features on any axis or axes."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class LayerNormAlong(nn.LayerNorm):
    """Layer normalization of the features on `axes`."""

    def __init__(
        self,
        axes: tuple[int, ...],
        features: tuple[int, ...],
        eps: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__(features, eps, affine, bias)
        self.axes = axes
        self.last = tuple(range(-len(axes), 0))

    def forward(self, x: Tensor) -> Tensor:
        """[..., features, ...] → the same shape."""
        return super().forward(x.movedim(self.axes, self.last)).movedim(self.last, self.axes)


class RMSNormAlong(nn.RMSNorm):
    """Root mean square normalization of the features on `axes`."""

    def __init__(
        self, axes: tuple[int, ...], features: tuple[int, ...], eps: float = 1e-6, affine: bool = True
    ) -> None:
        super().__init__(list(features), eps, affine)
        self.axes = axes
        self.last = tuple(range(-len(axes), 0))

    def forward(self, x: Tensor) -> Tensor:
        """[..., features, ...] → the same shape."""
        return super().forward(x.movedim(self.axes, self.last)).movedim(self.last, self.axes)


class BatchNormAlong(nn.BatchNorm1d):
    """Batch normalization of the features on `axis`, over all other axes."""

    def __init__(self, axis: int, features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> None:
        super().__init__(features, eps, momentum, affine)
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """[batch, ..., features, ...] → the same shape."""
        channels_first = x.movedim(self.axis, 1)  # [batch, features, ...]
        y = super().forward(channels_first.flatten(2))  # [batch, features, positions]
        return y.view(channels_first.shape).movedim(1, self.axis)

    def export_forward(self, opset: int, target: str) -> Callable[[Tensor], Tensor]:
        """Return the formula in evaluation, which transposes nothing.

        PyTorch subtracts the running mean first too where `axis` is the last; ONNX Runtime's BatchNormalization does so
        last, and loses the digits that a large mean takes.
        """
        return self._by_formula

    def _by_formula(self, x: Tensor) -> Tensor:
        mean, variance = self.running_mean, self.running_var
        assert mean is not None
        assert variance is not None
        aligned = [1] * x.dim()
        aligned[self.axis] = -1

        scale = torch.rsqrt(variance + self.eps)
        scale = scale * self.weight if self.affine else scale
        y = (x - mean.view(aligned)) * scale.view(aligned)
        return y + self.bias.view(aligned) if self.affine else y


class InstanceNormAlong(nn.InstanceNorm1d):
    """Instance normalization of the features on `axis`, over all axes except that and the first."""

    def __init__(self, axis: int, features: int, eps: float = 1e-5, affine: bool = False) -> None:
        super().__init__(features, eps, affine=affine)
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """[batch, ..., features, ...] → the same shape."""
        channels_first = x.movedim(self.axis, 1)  # [batch, features, ...]
        y = super().forward(channels_first.flatten(2))  # [batch, features, positions]
        return y.view(channels_first.shape).movedim(1, self.axis)


class GroupNormAlong(nn.GroupNorm):
    """Group normalization of the features on `axis`."""

    def __init__(self, axis: int, groups: int, features: int, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__(groups, features, eps, affine)
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """[batch, ..., features, ...] → the same shape."""
        return super().forward(x.movedim(self.axis, 1)).movedim(1, self.axis)
