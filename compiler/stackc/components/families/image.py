"""Images and sequences made smaller and larger, channels first: pooling over windows, parts and all, resampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from stackc.components.base import Component, Signature, SignatureError, fixed, require_float
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Size
from stackc.components.registry import component
from stackc.components.windows import (
    AXES,
    Naturals,
    Sizes,
    pair,
    per_axis,
    places,
    plain,
    require_channels_first,
    window_limits,
)
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn

Window = Annotated[Sizes, "positions of the window along each axis"]
Stride = Annotated[Sizes | None, "positions from one place of the window to the next; by default those of the window"]


@dataclass(frozen=True, kw_only=True)
class WindowPool(Component):
    """The base of pooling over the windows of a sequence or an image."""

    rank: ClassVar[int] = 4

    kernel: Window
    stride: Stride = None
    padding: Annotated[Naturals, "positions on either side of an axis, at most half a window"] = 0

    def signature(self, x: TensorType) -> Signature:
        """A position a window."""
        require_float(x)
        require_channels_first(x, self.rank)
        kernel, stride, padding = self.windows(x)
        for margin, window in zip(padding, kernel, strict=True):
            if 2 * margin > window:
                raise SignatureError(f"padding {margin} is more than half of the window {window}", field="padding")
        sizes = places(x, kernel, stride, padding, ceil=self.ceil(x))
        return Signature((x.with_shape(*x.shape[:2], *sizes),), limits=window_limits(x, kernel, padding))

    def windows(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Kernel, stride and padding, each along every axis."""
        stride = self.kernel if self.stride is None else self.stride
        kernel, padding = per_axis(self.kernel, x, "kernel"), per_axis(self.padding, x, "padding")
        return kernel, per_axis(stride, x, "stride"), padding

    def ceil(self, x: TensorType) -> bool:
        """Whether there is a last window that is not full."""
        return False


@dataclass(frozen=True, kw_only=True)
class WindowMax(WindowPool):
    """The base of the maximum over windows."""

    ceil_mode: Annotated[bool, "take a last window that is not full as well"] = False

    def ceil(self, x: TensorType) -> bool:
        """Whether there is a last window that is not full; a SignatureError where it might hold nothing at all."""
        for kernel, stride, padding in zip(*self.windows(x), strict=True):
            if self.ceil_mode and kernel < stride + padding:
                message = f"a last window that is not full may be empty, with a kernel below {stride + padding}"
                raise SignatureError(message, field="ceil_mode", hint="that is stride + padding")
        return self.ceil_mode


@component("max_pool1d", "x")
class MaxPool1d(WindowMax):
    """y[i] = max over k below kernel of x[stride·i + k − padding], −∞ outside of x.

    x: [batch, channels, length] → y: [batch, channels, (length + 2·padding − kernel) // stride + 1], rounded up with
    ceil_mode.
    """

    rank: ClassVar[int] = 3

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.MaxPool2d at work on one row: an export of MaxPool1d holds for one length alone."""
        from stackc.modules.image import MaxPool1d

        (kernel,), (stride,), (padding,) = self.windows(x)
        return construct(MaxPool1d, (1, kernel), (1, stride), (0, padding), ceil_mode=self.ceil_mode)


@component("max_pool2d", "x")
class MaxPool2d(WindowMax):
    """y[i, j] = max over k, l below kernel of x[stride·i + k − padding, stride·j + l − padding], −∞ outside of x.

    x: [batch, channels, height, width] → y: [batch, channels, (height + 2·padding − kernel) // stride + 1, the same of
    the width], rounded up with ceil_mode. Ranzato et al. 2007.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.MaxPool2d."""
        from torch import nn

        kernel, stride, padding = (plain(value, x, "kernel") for value in self.windows(x))
        return construct(nn.MaxPool2d, kernel, None if stride == kernel else stride, padding, ceil_mode=self.ceil_mode)


@component("avg_pool1d", "x")
class AvgPool1d(WindowPool):
    """y[i] = mean over k below kernel of x[stride·i + k − padding], 0 outside of x.

    x: [batch, channels, length] → y: [batch, channels, (length + 2·padding − kernel) // stride + 1].
    """

    rank: ClassVar[int] = 3

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.AvgPool1d."""
        from torch import nn

        (kernel,), (stride,), (padding,) = self.windows(x)
        return construct(nn.AvgPool1d, kernel, stride, padding)


@component("avg_pool2d", "x")
class AvgPool2d(WindowPool):
    """y[i, j] = mean over k, l below kernel of x[stride·i + k − padding, stride·j + l − padding], 0 outside of x.

    x: [batch, channels, height, width] → y: [batch, channels, (height + 2·padding − kernel) // stride + 1, the same of
    the width]. LeCun et al. 1989.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.AvgPool2d."""
        from torch import nn

        kernel, stride, padding = (plain(value, x, "kernel") for value in self.windows(x))
        return construct(nn.AvgPool2d, kernel, None if stride == kernel else stride, padding)


@component("adaptive_avg_pool2d", "x")
class AdaptiveAvgPool2d(Component):
    """y[i, j] = the mean of x over one of size · size equal parts of the image.

    x: [batch, channels, height, width] → y: [batch, channels, size, size], or a size for each axis. Where they do not
    divide height and width, which then are numbers, part i goes from ⌊i·height / size⌋ up to ⌈(i + 1)·height / size⌉.
    """

    size: Annotated[Sizes, "parts along each axis"]

    def signature(self, x: TensorType) -> Signature:
        """As many positions as parts."""
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
        """torch.nn.AdaptiveAvgPool2d; where sizes are known at run time only, means of equal parts."""
        from torch import nn

        from stackc.modules.image import MeanOfParts

        sizes = pair(self.size, x, "size")
        if self._fixed(x):
            return construct(nn.AdaptiveAvgPool2d, plain(self.size, x, "size"))
        return construct(MeanOfParts, *sizes)

    def _fixed(self, x: TensorType) -> bool:
        return all(size.constant is not None for size in x.shape[2:])


class GlobalPool(Component):
    """The base of pooling over all positions."""

    def signature(self, x: TensorType) -> Signature:
        """The axes of the positions go."""
        require_float(x)
        if x.rank < 3:
            raise SignatureError(f"needs [batch, channels, ...positions], and gets {x}", port="x")
        return Signature((x.with_shape(*x.shape[:2]),))


@component("global_avg_pool", "x")
class GlobalAvgPool(GlobalPool):
    """y[c] = the mean of x[c] over all positions.

    x: [batch, channels, ...positions] → y: [batch, channels]. Lin, Chen, Yan 2013, arXiv:1312.4400.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """The mean as a module."""
        from stackc.modules.image import GlobalAvgPool

        return construct(GlobalAvgPool)


@component("global_max_pool", "x")
class GlobalMaxPool(GlobalPool):
    """y[c] = the maximum of x[c] over all positions.

    x: [batch, channels, ...positions] → y: [batch, channels].
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """The maximum as a module."""
        from stackc.modules.image import GlobalMaxPool

        return construct(GlobalMaxPool)


@component("upsample", "x")
class Upsample(Component):
    """y[i, j] = x at (i + ½) / scale − ½, (j + ½) / scale − ½: the nearest position, or those around it by distance.

    x: [batch, channels, height, width] → y: [batch, channels, scale·height, scale·width].
    """

    scale: Annotated[Sizes, "how many positions along each axis one becomes"]
    mode: Annotated[Literal["nearest", "bilinear"], "the nearest position, or a mean of the four around"] = "nearest"

    def signature(self, x: TensorType) -> Signature:
        """Height and width `scale` times as large."""
        require_float(x)
        require_channels_first(x, 4)
        larger = zip(x.shape[2:], pair(self.scale, x, "scale"), strict=True)
        return Signature((x.with_shape(*x.shape[:2], *(size * scale for size, scale in larger)),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.Upsample."""
        from torch import nn

        return construct(nn.Upsample, scale_factor=plain(self.scale, x, "scale"), mode=self.mode)


@component("pixel_shuffle", "x")
class PixelShuffle(Component):
    """y[c, factor·i + k, factor·j + l] = x[factor²·c + factor·k + l, i, j]: channels become positions.

    x: [batch, factor²·channels, height, width] → y: [batch, channels, factor·height, factor·width]. Shi et al. 2016,
    arXiv:1609.05158.
    """

    factor: Annotated[Size, "how many positions along each axis one becomes"]

    def signature(self, x: TensorType) -> Signature:
        """Fewer channels, and more positions."""
        require_channels_first(x, 4)
        channels = fixed(x.shape[1], "the channel axis", port="x")
        if channels % self.factor**2:
            message = f"factor {self.factor}, squared, does not divide channels {channels}"
            raise SignatureError(message, code="T202", field="factor")
        larger = (size * self.factor for size in x.shape[2:])
        return Signature((x.with_shape(x.shape[0], channels // self.factor**2, *larger),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.PixelShuffle."""
        from torch import nn

        return construct(nn.PixelShuffle, self.factor)
