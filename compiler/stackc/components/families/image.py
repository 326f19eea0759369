"""Images and sequences, channels first: pooling over windows, over parts and over all; normalization; upsampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from stackc.components.axes import Axes, except_along, leading
from stackc.components.base import Component, Signature, SignatureError, axis_of, channels_of, require_float
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Range, Size
from stackc.components.registry import component
from stackc.components.window_pools import WindowMean, WindowPool
from stackc.components.windows import (
    Sizes,
    pair,
    per_axis,
    plain,
    require_channels_first,
)
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn


@component("max_pool1d", "x")
class MaxPool1d(WindowPool):
    """y[i] = max over k < kernel of x[stride·i + k − padding], where x is −∞ outside.

    x: [batch, channels, length] → y: [batch, channels, (length + 2·padding − kernel) // stride + 1], rounded up with
    ceil_mode.
    """

    rank: ClassVar[int] = 3

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.MaxPool2d on an image of one row: torch.nn.MaxPool1d exports for a single length only."""
        from stackc.modules.image import MaxPool1d

        if self.padding == "same":
            return self.maximum(x, MaxPool1d)
        (kernel,), (stride,), (padding,) = self.windows(x)
        return construct(MaxPool1d, (1, kernel), (1, stride), (0, padding), ceil_mode=self.ceil_mode)


@component("max_pool2d", "x")
class MaxPool2d(WindowPool):
    """y[i, j] = max over k, l < kernel of x[stride·i + k − padding, stride·j + l − padding], where x is −∞ outside.

    x: [batch, channels, height, width] → y: [batch, channels, (height + 2·padding − kernel) // stride + 1, the same for
    width], rounded up with ceil_mode. Ranzato et al. 2007.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.MaxPool2d."""
        from torch import nn

        return self.maximum(x, nn.MaxPool2d)


@component("max_pool3d", "x")
class MaxPool3d(WindowPool):
    """y[h, i, j] = max_pool2d with a depth axis before height and width, for volumes and videos.

    x: [batch, channels, depth, height, width] → y: [batch, channels, (depth + 2·padding − kernel) // stride + 1, the
    same for height and width], rounded up with ceil_mode.
    """

    rank: ClassVar[int] = 5

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.MaxPool3d."""
        from torch import nn

        return self.maximum(x, nn.MaxPool3d)


@component("avg_pool1d", "x")
class AvgPool1d(WindowMean):
    """y[i] = mean over k < kernel of x[stride·i + k − padding], where x is 0 outside, or left out of the mean.

    x: [batch, channels, length] → y: [batch, channels, (length + 2·padding − kernel) // stride + 1], rounded up with
    ceil_mode. What a partial last window has beyond the padding never counts.
    """

    rank: ClassVar[int] = 3

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.AvgPool1d."""
        from torch import nn

        return self.mean(x, nn.AvgPool1d)


@component("avg_pool2d", "x")
class AvgPool2d(WindowMean):
    """y[i, j] = mean over k, l < kernel of x[stride·i + k − padding, stride·j + l − padding], where x is 0 outside.

    With `count_include_pad: false` what is outside is left out of the mean; what a partial last window has beyond the
    padding never counts. x: [batch, channels, height, width] → y: [batch, channels,
    (height + 2·padding − kernel) // stride + 1, the same for width], rounded up with ceil_mode. LeCun et al. 1989.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.AvgPool2d."""
        from torch import nn

        return self.mean(x, nn.AvgPool2d)


@component("avg_pool3d", "x")
class AvgPool3d(WindowMean):
    """y[h, i, j] = avg_pool2d with a depth axis before height and width, for volumes and videos.

    x: [batch, channels, depth, height, width] → y: [batch, channels, (depth + 2·padding − kernel) // stride + 1, the
    same for height and width], rounded up with ceil_mode.
    """

    rank: ClassVar[int] = 5
    fits_inside: ClassVar[bool] = True

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.AvgPool3d."""
        from torch import nn

        return self.mean(x, nn.AvgPool3d)


@dataclass(frozen=True, kw_only=True)
class AdaptivePool(Component):
    """The base class of pooling over a fixed number of parts of every axis, whatever its size."""

    rank: ClassVar[int] = 4

    size: Annotated[Sizes, "the number of parts along each axis"]

    mixes = ("pools over parts of the axis", None)
    pointwise_axes = leading(2)

    def signature(self, x: TensorType) -> Signature:
        """Return the type with one position per part."""
        require_float(x)
        require_channels_first(x, self.rank)
        return Signature((x.with_shape(*x.shape[:2], *per_axis(self.size, x, "size")),))

    def equal_parts(self, x: TensorType) -> bool:
        """Return whether sizes known only at run time are multiples of the number of parts."""
        sizes = [*zip(x.shape[2:], per_axis(self.size, x, "size"), strict=True)]
        unknown = any(whole.constant is None for whole, _ in sizes)
        return unknown and all(whole.exactly(parts) is not None for whole, parts in sizes)


@component("adaptive_avg_pool1d", "x")
class AdaptiveAvgPool1d(AdaptivePool):
    """y[i] = the mean of x from ⌊i·length / size⌋ to ⌈(i + 1)·length / size⌉, for any length.

    x: [batch, channels, length] → y: [batch, channels, size].
    """

    rank: ClassVar[int] = 3

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.AdaptiveAvgPool1d, whose parts an export computes from the size."""
        from stackc.modules.adaptive import AdaptiveAvgPool1d

        (size,) = per_axis(self.size, x, "size")
        return construct(AdaptiveAvgPool1d, size)


@component("adaptive_avg_pool2d", "x")
class AdaptiveAvgPool2d(AdaptivePool):
    """y[i, j] = the mean of x over part (i, j) of the image, split into size · size parts.

    x: [batch, channels, height, width] → y: [batch, channels, size, size], or a size for each axis. Part i goes from
    ⌊i·height / size⌋ to ⌈(i + 1)·height / size⌉; parts overlap where size does not divide the height. He et al. 2015,
    arXiv:1406.4729.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.AdaptiveAvgPool2d, or means of equal parts; an export computes others from the sizes."""
        from stackc.modules.adaptive import AdaptiveAvgPool2d, MeanOfParts

        if self.equal_parts(x):
            return construct(MeanOfParts, *pair(self.size, x, "size"))
        return construct(AdaptiveAvgPool2d, plain(self.size, x, "size"))


@component("adaptive_max_pool1d", "x")
class AdaptiveMaxPool1d(AdaptivePool):
    """y[i] = the maximum of x from ⌊i·length / size⌋ to ⌈(i + 1)·length / size⌉, for any length.

    x: [batch, channels, length] → y: [batch, channels, size].
    """

    rank: ClassVar[int] = 3

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.AdaptiveMaxPool1d, whose parts an export computes from the size."""
        from stackc.modules.adaptive import AdaptiveMaxPool1d

        (size,) = per_axis(self.size, x, "size")
        return construct(AdaptiveMaxPool1d, size)


@component("adaptive_max_pool2d", "x")
class AdaptiveMaxPool2d(AdaptivePool):
    """y[i, j] = the maximum of x over part (i, j) of the image, split into size · size parts as adaptive_avg_pool2d.

    x: [batch, channels, height, width] → y: [batch, channels, size, size], or a size for each axis. He et al. 2015,
    arXiv:1406.4729.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.AdaptiveMaxPool2d, whose parts an export computes from the sizes."""
        from stackc.modules.adaptive import AdaptiveMaxPool2d

        return construct(AdaptiveMaxPool2d, plain(self.size, x, "size"))


@dataclass(frozen=True, kw_only=True)
class GlobalPool(Component):
    """The base class of pooling over all positions."""

    keepdim: Annotated[bool, "keep the axes of positions with size 1"] = False

    reduces = "pools over the whole axis"
    pointwise_axes = leading(2)

    def signature(self, x: TensorType) -> Signature:
        """Return the type without the axes of positions, or with size 1 there."""
        require_float(x)
        if x.rank < 3:
            raise SignatureError(f"expects [batch, channels, ...positions], got {x}", port="x")
        return Signature((x.with_shape(*x.shape[:2], *[1] * ((x.rank - 2) * self.keepdim)),))


@component("global_avg_pool", "x")
class GlobalAvgPool(GlobalPool):
    """y[c] = the mean of x[c] over all positions.

    x: [batch, channels, ...positions] → y: [batch, channels], or [batch, channels, 1, ...] with keepdim.
    Lin, Chen, Yan 2013, arXiv:1312.4400.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the mean as a module."""
        from stackc.modules.image import GlobalAvgPool

        return construct(GlobalAvgPool, self.keepdim)


@component("global_max_pool", "x")
class GlobalMaxPool(GlobalPool):
    """y[c] = the maximum of x[c] over all positions.

    x: [batch, channels, ...positions] → y: [batch, channels], or [batch, channels, 1, ...] with keepdim.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the maximum as a module."""
        from stackc.modules.image import GlobalMaxPool

        return construct(GlobalMaxPool, self.keepdim)


Positive = Annotated[float, Range(minimum=2.0**-126)]


@component("normalize", "x")
class Normalize(Component):
    """y[c] = (scale·x[c] − mean[c]) / std[c], with constants that are not learned: the preprocessing of images.

    x: [..., channels, ...] → y: the same. `scale: 1/255` takes bytes to numbers from 0 to 1.
    """

    mean: Annotated[float | tuple[float, ...], "what is subtracted: one number, or one for each channel"] = 0.0
    std: Annotated[Positive | tuple[Positive, ...], "what is divided by: one number, or one for each channel"] = 1.0
    scale: Annotated[float, "what x is multiplied by first"] = 1.0
    axis: Annotated[int, "the axis of the channels, counted from 0, or from the end if negative"] = 1

    def pointwise_axes(self, x: TensorType) -> tuple[Axes, ...]:
        """Return all axes, but the channels if they have numbers of their own."""
        differs = isinstance(self.mean, tuple) or isinstance(self.std, tuple)
        return except_along(lambda self, x: (axis_of(self.axis, x),) if differs else ())(self, x)

    def signature(self, x: TensorType) -> Signature:
        """Return the same type."""
        require_float(x)
        axis = axis_of(self.axis, x)
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if isinstance(numbers, tuple) and x.shape[axis] != len(numbers):
                message = f"{name} has {len(numbers)} numbers, but axis {self.axis} of {x} has {x.shape[axis]} channels"
                raise SignatureError(message, field=name)
        return Signature((x,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the normalization as a module."""
        from stackc.modules.image import Normalize

        behind = x.rank - 1 - axis_of(self.axis, x)
        return construct(Normalize, self.mean, self.std, self.scale, behind)


@component("upsample", "x")
class Upsample(Component):
    """y[i, j] = x at (i + ½) / scale − ½, (j + ½) / scale − ½: the nearest position, or the four around interpolated.

    x: [batch, channels, height, width] → y: [batch, channels, scale·height, scale·width].
    """

    scale: Annotated[Sizes, "the factor by which each axis grows"]
    mode: Annotated[Literal["nearest", "bilinear"], "the nearest position, or the four around interpolated"] = "nearest"

    mixes = ("makes several entries of one", None)
    pointwise_axes = leading(2)

    def signature(self, x: TensorType) -> Signature:
        """Return the type with height and width times `scale`."""
        require_float(x)
        require_channels_first(x, 4)
        larger = zip(x.shape[2:], pair(self.scale, x, "scale"), strict=True)
        return Signature((x.with_shape(*x.shape[:2], *(size * scale for size, scale in larger)),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Upsample."""
        from torch import nn

        return construct(nn.Upsample, scale_factor=plain(self.scale, x, "scale"), mode=self.mode)


@component("pixel_shuffle", "x")
class PixelShuffle(Component):
    """y[c, factor·i + k, factor·j + l] = x[factor²·c + factor·k + l, i, j], which turns channels into positions.

    x: [batch, factor²·channels, height, width] → y: [batch, channels, factor·height, factor·width]. Shi et al. 2016,
    arXiv:1609.05158.
    """

    factor: Annotated[Size, "the factor by which height and width grow"]

    mixes = ("moves entries between axes", None)
    pointwise_axes = leading(1)

    def signature(self, x: TensorType) -> Signature:
        """Return the type with fewer channels and more positions."""
        require_float(x)  # ONNX Runtime has no DepthToSpace for integers
        require_channels_first(x, 4)
        channels = channels_of(x)
        if channels % self.factor**2:
            message = f"factor² = {self.factor**2} does not divide channels {channels}"
            raise SignatureError(message, code="T202", field="factor")
        larger = (size * self.factor for size in x.shape[2:])
        return Signature((x.with_shape(x.shape[0], channels // self.factor**2, *larger),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.PixelShuffle."""
        from torch import nn

        return construct(nn.PixelShuffle, self.factor)
