"""Resizing of images and sequences, channels first: pooling over windows, over parts and over all; upsampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from stackc.components.axes import leading
from stackc.components.base import Component, Signature, SignatureError, channels_of, require_float
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Size
from stackc.components.registry import component
from stackc.components.windows import (
    AXES,
    Naturals,
    Sizes,
    largest_span,
    output_sizes,
    pair,
    per_axis,
    plain,
    require_channels_first,
    window_limits,
)
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn

Window = Annotated[Sizes, "positions of the window along each axis"]
Stride = Annotated[Sizes | None, "distance between neighboring windows; by default kernel"]


@dataclass(frozen=True, kw_only=True)
class WindowPool(Component):
    """The base class of pooling over the windows of a sequence or an image."""

    rank: ClassVar[int] = 4

    kernel: Window
    stride: Stride = None
    padding: Annotated[Naturals, "positions added on each side of an axis, at most half a window"] = 0

    pointwise_axes = leading(2)

    def signature(self, x: TensorType) -> Signature:
        """Return the type with one position per window."""
        require_float(x)
        require_channels_first(x, self.rank)
        kernel, stride, padding = self.windows(x)
        for margin, window in zip(padding, kernel, strict=True):
            if 2 * margin > window:
                raise SignatureError(f"padding {margin} exceeds half the window {window}", field="padding")

        sizes = output_sizes(x, kernel, stride, padding, ceil=self.ceil(x))
        return Signature((x.with_shape(*x.shape[:2], *sizes),), limits=window_limits(x, kernel, padding))

    @property
    def reach(self) -> int:
        """The largest kernel."""
        return largest_span(self.kernel)

    def windows(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Return kernel, stride and padding along every axis."""
        stride = self.kernel if self.stride is None else self.stride
        kernel, padding = per_axis(self.kernel, x, "kernel"), per_axis(self.padding, x, "padding")
        return kernel, per_axis(stride, x, "stride"), padding

    def ceil(self, x: TensorType) -> bool:
        """Return whether a partial last window counts."""
        return False


@dataclass(frozen=True, kw_only=True)
class WindowMax(WindowPool):
    """The base class of maxima over windows."""

    ceil_mode: Annotated[bool, "include a partial last window"] = False

    def ceil(self, x: TensorType) -> bool:
        """Return whether a partial last window counts. Raises SignatureError if it could be empty."""
        for kernel, stride, padding in zip(*self.windows(x), strict=True):
            if self.ceil_mode and kernel < stride + padding:
                message = f"with ceil_mode the last window could be empty: kernel {kernel} is below {stride + padding}"
                raise SignatureError(message, field="ceil_mode", hint="kernel must be at least stride + padding")
        return self.ceil_mode


@component("max_pool1d", "x")
class MaxPool1d(WindowMax):
    """y[i] = max over k < kernel of x[stride·i + k − padding], where x is −∞ outside.

    x: [batch, channels, length] → y: [batch, channels, (length + 2·padding − kernel) // stride + 1], rounded up with
    ceil_mode.
    """

    rank: ClassVar[int] = 3

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.MaxPool2d on an image of one row: torch.nn.MaxPool1d exports for a single length only."""
        from stackc.modules.image import MaxPool1d

        (kernel,), (stride,), (padding,) = self.windows(x)
        return construct(MaxPool1d, (1, kernel), (1, stride), (0, padding), ceil_mode=self.ceil_mode)


@component("max_pool2d", "x")
class MaxPool2d(WindowMax):
    """y[i, j] = max over k, l < kernel of x[stride·i + k − padding, stride·j + l − padding], where x is −∞ outside.

    x: [batch, channels, height, width] → y: [batch, channels, (height + 2·padding − kernel) // stride + 1, the same for
    width], rounded up with ceil_mode. Ranzato et al. 2007.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.MaxPool2d."""
        from torch import nn

        kernel, stride, padding = (plain(value, x, "kernel") for value in self.windows(x))
        return construct(nn.MaxPool2d, kernel, None if stride == kernel else stride, padding, ceil_mode=self.ceil_mode)


@component("avg_pool1d", "x")
class AvgPool1d(WindowPool):
    """y[i] = mean over k < kernel of x[stride·i + k − padding], where x is 0 outside.

    x: [batch, channels, length] → y: [batch, channels, (length + 2·padding − kernel) // stride + 1].
    """

    rank: ClassVar[int] = 3

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.AvgPool1d."""
        from torch import nn

        (kernel,), (stride,), (padding,) = self.windows(x)
        return construct(nn.AvgPool1d, kernel, stride, padding)


@component("avg_pool2d", "x")
class AvgPool2d(WindowPool):
    """y[i, j] = mean over k, l < kernel of x[stride·i + k − padding, stride·j + l − padding], where x is 0 outside.

    x: [batch, channels, height, width] → y: [batch, channels, (height + 2·padding − kernel) // stride + 1, the same for
    width]. LeCun et al. 1989.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.AvgPool2d."""
        from torch import nn

        kernel, stride, padding = (plain(value, x, "kernel") for value in self.windows(x))
        return construct(nn.AvgPool2d, kernel, None if stride == kernel else stride, padding)


@component("adaptive_avg_pool2d", "x")
class AdaptiveAvgPool2d(Component):
    """y[i, j] = the mean of x over part (i, j) of the image, split into size · size equal parts.

    x: [batch, channels, height, width] → y: [batch, channels, size, size], or a size for each axis. If size does not
    divide height and width, which must then be numbers, part i goes from ⌊i·height / size⌋ to ⌈(i + 1)·height / size⌉.
    """

    size: Annotated[Sizes, "the number of parts along each axis"]

    pointwise_axes = leading(2)

    def signature(self, x: TensorType) -> Signature:
        """Return the type with one position per part."""
        require_float(x)
        require_channels_first(x, 4)
        sizes = pair(self.size, x, "size")
        for name, whole, parts in zip(AXES[4], x.shape[2:], sizes, strict=True):
            if not self._fixed(x) and whole.exactly(parts) is None:
                contract = f"{{multiple_of: {parts}}}"
                hint = f"declare it in the contract: `dims: {{{', '.join(whole.symbols())}: {contract}}}`"
                message = f"size {parts} does not divide the {name} {whole}"
                raise SignatureError(message, code="T202", field="size", hint=hint if whole.symbols() else None)
        return Signature((x.with_shape(*x.shape[:2], *sizes),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.AdaptiveAvgPool2d, or means of equal parts if sizes are known only at run time."""
        from torch import nn

        from stackc.modules.image import MeanOfParts

        sizes = pair(self.size, x, "size")
        if self._fixed(x):
            return construct(nn.AdaptiveAvgPool2d, plain(self.size, x, "size"))
        return construct(MeanOfParts, *sizes)

    def _fixed(self, x: TensorType) -> bool:
        return all(size.constant is not None for size in x.shape[2:])


class GlobalPool(Component):
    """The base class of pooling over all positions."""

    pointwise_axes = leading(2)

    def signature(self, x: TensorType) -> Signature:
        """Return the type without the axes of positions."""
        require_float(x)
        if x.rank < 3:
            raise SignatureError(f"expects [batch, channels, ...positions], got {x}", port="x")
        return Signature((x.with_shape(*x.shape[:2]),))


@component("global_avg_pool", "x")
class GlobalAvgPool(GlobalPool):
    """y[c] = the mean of x[c] over all positions.

    x: [batch, channels, ...positions] → y: [batch, channels]. Lin, Chen, Yan 2013, arXiv:1312.4400.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the mean as a module."""
        from stackc.modules.image import GlobalAvgPool

        return construct(GlobalAvgPool)


@component("global_max_pool", "x")
class GlobalMaxPool(GlobalPool):
    """y[c] = the maximum of x[c] over all positions.

    x: [batch, channels, ...positions] → y: [batch, channels].
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the maximum as a module."""
        from stackc.modules.image import GlobalMaxPool

        return construct(GlobalMaxPool)


@component("upsample", "x")
class Upsample(Component):
    """y[i, j] = x at (i + ½) / scale − ½, (j + ½) / scale − ½: the nearest position, or the four around interpolated.

    x: [batch, channels, height, width] → y: [batch, channels, scale·height, scale·width].
    """

    scale: Annotated[Sizes, "the factor by which each axis grows"]
    mode: Annotated[Literal["nearest", "bilinear"], "the nearest position, or the four around interpolated"] = "nearest"

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
