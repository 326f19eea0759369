"""Pooling over windows, of sequences, images and volumes: what the components of families/image.py share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from stackc.components.axes import leading
from stackc.components.base import Component, Signature, SignatureError, require_float
from stackc.components.construction import ConstructorCall, construct
from stackc.components.windows import (
    Naturals,
    Sizes,
    brief,
    largest_span,
    output_sizes,
    per_axis,
    require_channels_first,
    window_limits,
)
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class WindowPool(Component):
    """The base class of pooling over the windows of a sequence, an image or a volume."""

    rank: ClassVar[int] = 4

    kernel: Annotated[Sizes, "positions of the window along each axis"]
    stride: Annotated[Sizes | None, "distance between neighboring windows; by default kernel"] = None
    padding: Annotated[
        Naturals | Literal["same"],
        "positions added on each side of an axis, at most half a window; `same` adds what gives sizes divided by the "
        "stride, rounded up, an odd one behind",
    ] = 0
    ceil_mode: Annotated[bool, "include a partial last window"] = False

    fits_inside: ClassVar[bool] = False
    """Whether PyTorch refuses a window that is longer than an axis without its padding."""

    mixes = ("slides a window over the axis", None)
    pointwise_axes = leading(2)

    def signature(self, x: TensorType) -> Signature:
        """Return the type with one position per window."""
        require_float(x)
        require_channels_first(x, self.rank)
        kernel, stride, padding = self.windows(x)
        if self.padding == "same":
            if self.ceil_mode:
                hint = "remove ceil_mode: same rounds up by itself"
                raise SignatureError("padding same has no ceil_mode", code="T208", field="ceil_mode", hint=hint)
            sizes = [(size + step - 1) // step for size, step in zip(x.shape[2:], stride, strict=True)]
            return Signature((x.with_shape(*x.shape[:2], *sizes),))

        for margin, window in zip(padding, kernel, strict=True):
            if 2 * margin > window:
                raise SignatureError(f"padding {margin} exceeds half the window {window}", field="padding")
        margins = tuple((margin, margin) for margin in padding)
        windows = output_sizes(x, kernel, stride, margins, ceil=self.ceil(x))
        if self.fits_inside:
            margins = ((0, 0),) * len(kernel)
            output_sizes(x, kernel, stride, margins)
        return Signature((x.with_shape(*x.shape[:2], *windows),), limits=window_limits(x, kernel, margins))

    @property
    def reach(self) -> int:
        """The largest kernel."""
        return largest_span(self.kernel)

    def windows(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Return kernel, stride and padding along every axis; no padding if `same` reads it off the sizes."""
        stride = self.kernel if self.stride is None else self.stride
        padding = 0 if isinstance(self.padding, str) else self.padding
        return per_axis(self.kernel, x, "kernel"), per_axis(stride, x, "stride"), per_axis(padding, x, "padding")

    def ceil(self, x: TensorType) -> bool:
        """Return whether a partial last window counts. Raises SignatureError if it could be empty."""
        for kernel, stride, padding in zip(*self.windows(x), strict=True):
            if self.ceil_mode and kernel < stride + padding:
                message = f"with ceil_mode the last window could be empty: kernel {kernel} is below {stride + padding}"
                raise SignatureError(message, field="ceil_mode", hint="kernel must be at least stride + padding")
        return self.ceil_mode

    def maximum(self, x: TensorType, stock: Callable[..., nn.Module]) -> ConstructorCall[nn.Module]:
        """Return the call of torch.nn's pool, or of one that reads its margins off the sizes."""
        from stackc.modules.same_pool import SameMaxPool

        windows = self.windows(x)
        if self.padding == "same":
            return construct(SameMaxPool, *windows[:2])
        kernel, stride, padding = map(brief, windows)
        return construct(stock, kernel, None if stride == kernel else stride, padding, ceil_mode=self.ceil_mode)


@dataclass(frozen=True, kw_only=True)
class WindowMean(WindowPool):
    """The base class of means over windows."""

    count_include_pad: Annotated[bool, "whether zeros of the padding count in the mean; in Keras they do not"] = True

    def mean(self, x: TensorType, stock: Callable[..., nn.Module]) -> ConstructorCall[nn.Module]:
        """Return the call of torch.nn's pool, or of one that reads its margins off the sizes."""
        from stackc.modules.same_pool import SameAvgPool

        windows = self.windows(x)
        if self.padding == "same":
            return construct(SameAvgPool, *windows[:2], self.count_include_pad)
        kernel, stride, padding = map(brief, windows)
        other = None if stride == kernel else stride
        return construct(stock, kernel, other, padding, self.ceil_mode, self.count_include_pad)
