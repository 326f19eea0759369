"""The normalizations of torch.nn, with features on any axis or axes."""

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
