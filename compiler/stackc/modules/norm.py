"""The normalizations of torch.nn, with features on any axis or axes, and one that torch lacks."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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


class OffsetRMSNorm(nn.RMSNorm):
    """Root mean square normalization by a weight that is stored less an offset; at first it scales by one."""

    def __init__(self, features: tuple[int, ...], eps: float = 1e-6, affine: bool = True, offset: float = 0.0) -> None:
        self.offset = offset
        super().__init__(list(features), eps, affine)

    def reset_parameters(self) -> None:
        """Set the weight to one less the offset."""
        if self.weight is not None:
            nn.init.constant_(self.weight, 1.0 - self.offset)

    def forward(self, x: Tensor) -> Tensor:
        """[..., features] → the same shape."""
        weight = self.weight if self.weight is None or self.offset == 0.0 else self.weight + self.offset
        return F.rms_norm(x, self.normalized_shape, weight, self.eps)


class HeadsRMSNorm(OffsetRMSNorm):
    """Root mean square normalization over all heads together."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., heads, head_dim] → the same shape."""
        return super().forward(x.flatten(-2)).view_as(x)


class RMSNormAlong(OffsetRMSNorm):
    """Root mean square normalization of the features on `axes`."""

    def __init__(
        self,
        axes: tuple[int, ...],
        features: tuple[int, ...],
        eps: float = 1e-6,
        affine: bool = True,
        offset: float = 0.0,
    ) -> None:
        super().__init__(features, eps, affine, offset)
        self.axes = axes
        self.last = tuple(range(-len(axes), 0))

    def forward(self, x: Tensor) -> Tensor:
        """[..., features, ...] → the same shape."""
        return super().forward(x.movedim(self.axes, self.last)).movedim(self.last, self.axes)


class DynamicTanh(nn.Module):
    """A tanh of learned width, with a factor and an offset for each feature, in the place of a normalization."""

    def __init__(self, features: int, initial: float = 0.5, *, behind: int = 0) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full([1], initial))
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.behind = behind

    def forward(self, x: Tensor) -> Tensor:
        """[..., features, ...] → the same shape; `behind` is how many axes follow the features."""
        aligned = [-1, *[1] * self.behind]
        return torch.tanh(self.alpha * x) * self.weight.view(aligned) + self.bias.view(aligned)


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


class LocalResponseNorm(nn.Module):
    """Divide by a power of the mean square of neighboring channels; torch.nn's own fixes the sizes of the image."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, channels, ...] → the same."""
        columns = x.square().flatten(2).unsqueeze(1)
        padded = F.pad(columns, (0, 0, self.size // 2, (self.size - 1) // 2))
        means = F.avg_pool2d(padded, (self.size, 1), stride=1)
        return x / (self.k + self.alpha * means.view(x.shape)).pow(self.beta)
