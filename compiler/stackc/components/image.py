"""Images made smaller and larger, channels first: pooling over windows and over all positions, resampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.base import Component, Misfit, Signature, component, require_float
from stackc.components.construction import Construction, construct
from stackc.components.windows import Naturals, Sizes, pair, places, plain, require_channels_first, window_limits
from stackc.types import TensorType

if TYPE_CHECKING:
    from torch import nn

Window = Annotated[Sizes, "positions of the window along each axis"]
Stride = Annotated[Sizes | None, "positions from one place of the window to the next; by default those of the window"]


@dataclass(frozen=True, kw_only=True)
class WindowPool(Component):
    """The base of pooling over the windows of an image."""

    kernel: Window
    stride: Stride = None
    padding: Annotated[Naturals, "positions on either side of an axis, at most half a window"] = 0

    def signature(self, x: TensorType) -> Signature:
        """A position a window."""
        require_float(x)
        require_channels_first(x, 4)
        kernel, stride, padding = self.windows(x)
        for margin, window in zip(padding, kernel, strict=True):
            if 2 * margin > window:
                raise Misfit(f"padding {margin} is more than half of the window {window}", field="padding")
        sizes = places(x, kernel, stride, padding)
        return Signature((x.with_shape(*x.shape[:2], *sizes),), limits=window_limits(x, kernel, padding))

    def windows(self, x: TensorType) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """Kernel, stride and padding, each along height and width."""
        stride = self.kernel if self.stride is None else self.stride
        return pair(self.kernel, x, "kernel"), pair(stride, x, "stride"), pair(self.padding, x, "padding")


@component("max_pool2d", "x")
class MaxPool2d(WindowPool):
    """y[i, j] = max over k, l below kernel of x[stride·i + k − padding, stride·j + l − padding], −∞ outside of x.

    x: [batch, channels, height, width] → y: [batch, channels, (height + 2·padding − kernel) // stride + 1, the same of
    the width]. Ranzato et al. 2007.
    """

    def construction(self, x: TensorType) -> Construction[nn.Module]:
        """torch.nn.MaxPool2d."""
        from torch import nn

        kernel, stride, padding = (plain(value, x, "kernel") for value in self.windows(x))
        return construct(nn.MaxPool2d, kernel, None if stride == kernel else stride, padding)


@component("avg_pool2d", "x")
class AvgPool2d(WindowPool):
    """y[i, j] = mean over k, l below kernel of x[stride·i + k − padding, stride·j + l − padding], 0 outside of x.

    x: [batch, channels, height, width] → y: [batch, channels, (height + 2·padding − kernel) // stride + 1, the same of
    the width]. LeCun et al. 1989.
    """

    def construction(self, x: TensorType) -> Construction[nn.Module]:
        """torch.nn.AvgPool2d."""
        from torch import nn

        kernel, stride, padding = (plain(value, x, "kernel") for value in self.windows(x))
        return construct(nn.AvgPool2d, kernel, None if stride == kernel else stride, padding)


class GlobalPool(Component):
    """The base of pooling over all positions."""

    def signature(self, x: TensorType) -> Signature:
        """The axes of the positions go."""
        require_float(x)
        if x.rank < 3:
            raise Misfit(f"needs [batch, channels, ...positions], and gets {x}", port="x")
        return Signature((x.with_shape(*x.shape[:2]),))


@component("global_avg_pool", "x")
class GlobalAvgPool(GlobalPool):
    """y[c] = the mean of x[c] over all positions.

    x: [batch, channels, ...positions] → y: [batch, channels]. Lin, Chen, Yan 2013, arXiv:1312.4400.
    """

    def construction(self, x: TensorType) -> Construction[nn.Module]:
        """The mean as a module."""
        from stackc.modules.image import GlobalAvgPool

        return construct(GlobalAvgPool)


@component("global_max_pool", "x")
class GlobalMaxPool(GlobalPool):
    """y[c] = the maximum of x[c] over all positions.

    x: [batch, channels, ...positions] → y: [batch, channels].
    """

    def construction(self, x: TensorType) -> Construction[nn.Module]:
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

    def construction(self, x: TensorType) -> Construction[nn.Module]:
        """torch.nn.Upsample."""
        from torch import nn

        return construct(nn.Upsample, scale_factor=plain(self.scale, x, "scale"), mode=self.mode)
