"""Convolutions of sequences [batch, channels, length], images […, height, width] and volumes, channels first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.along import Along, Followed, Mixes, Portion, State, pointwise_along
from stackc.components.axes import leading
from stackc.components.base import Component, Limit, Signature, SignatureError, channels_of, require_float
from stackc.components.construction import ConstructorCall, construct
from stackc.components.convolutions import (
    Bias,
    Convolution,
    Dilation,
    Groups,
    Kernel,
    Out,
    Padding,
    Stride,
    grouped_channels,
)
from stackc.components.fields import Size
from stackc.components.registry import component
from stackc.components.windows import AXES, Margins, Naturals, Sizes, brief, per_axis, plain, require_channels_first
from stackc.core.types import Dim, TensorType, product

if TYPE_CHECKING:
    from torch import nn


@component("conv1d", "x")
class Conv1d(Convolution):
    """y[o, i] = Σ_c Σ_k w[o, c, k] · x[c, stride·i + dilation·k − padding] + b[o], where x is 0 outside its length.

    x: [batch, channels, length] → y: [batch, out, (length + 2·padding − dilation·(kernel − 1) − 1) // stride + 1].
    With `padding: causal`, dilation·(kernel − 1) zeros precede x and none follow it, so that no y[i] depends on later
    positions. Waibel et al. 1989; dilated and causal: van den Oord et al. 2016, arXiv:1609.03499.
    """

    padding: Annotated[
        Naturals | Literal["same", "causal"],
        "zeros on each side; `same` keeps the length and needs stride 1, `causal` puts them all before x",
    ] = 0

    def along(self, followed: Followed, x: TensorType) -> Along | Mixes:
        """Return that it keeps its last inputs along a sequence, if it is causal and takes every position."""
        if dict(followed.axes[0]) != {2: Portion.NEW}:
            return pointwise_along(self, followed.axes, (x,))
        (stride,), (span,) = self.strides(x), self.spans(x)
        if stride > 1:
            return Mixes(f"takes every {stride}th position", field="stride")
        if self.padding != "causal" and (span > 1 or self.margins(x) != ((0, 0),)):
            return Mixes("reaches later positions", "write `padding: causal`", field="padding")
        inputs = State("inputs", x.with_last(span - 1), last=span - 1)
        return Along((followed.axes[0],), (inputs,) if span > 1 else ())

    def signature(self, x: TensorType) -> Signature:
        """Return the signature of a kernel over the length."""
        return self.convolved(x, 3)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Conv1d, or a convolution that pads by itself."""
        from torch import nn

        from stackc.modules.conv import CausalConv1d, PaddedConv1d, SameConv1d

        stock = CausalConv1d if self.padding == "causal" else nn.Conv1d
        return self.constructed(x, stock, PaddedConv1d, SameConv1d)

    def margins(self, x: TensorType) -> Margins | None:
        """Return the entries before and after the length; none if causal."""
        if self.padding != "causal":
            return super().margins(x)
        if self.padding_mode != "zeros":
            message = f"padding causal adds zeros, not those of padding_mode {self.padding_mode}"
            raise SignatureError(message, code="T208", field="padding_mode", hint="remove padding_mode")
        return ((0, 0),)

    def padded(self, x: TensorType) -> TensorType:
        """Return x with the zeros that precede it in a causal convolution."""
        if self.padding != "causal":
            return x
        (kernel,), (dilation,) = (per_axis(value, x, "kernel") for value in (self.kernel, self.dilation))
        return x.with_last(x.shape[-1] + dilation * (kernel - 1))


@component("conv2d", "x")
class Conv2d(Convolution):
    """y[o, i, j] = Σ_c Σ_k Σ_l w[o, c, k, l] · x[c, s·i + d·k − p, s·j + d·l − p] + b[o], where x is 0 outside.

    Stride s, dilation d, padding p and kernel are one number for both axes or a list [height, width].
    x: [batch, channels, height, width] → y: [batch, out, (height + 2·p − d·(kernel − 1) − 1) // s + 1, the same for
    width]. LeCun et al. 1989.
    It is depthwise if groups equals the number of channels: Howard et al. 2017, arXiv:1704.04861.
    """

    padding: Padding = 0

    def signature(self, x: TensorType) -> Signature:
        """Return the signature of a kernel over height and width."""
        return self.convolved(x, 4)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Conv2d, or a convolution that pads by itself."""
        from torch import nn

        from stackc.modules.conv import PaddedConv2d, SameConv2d

        return self.constructed(x, nn.Conv2d, PaddedConv2d, SameConv2d)


@component("conv3d", "x")
class Conv3d(Convolution):
    """y[o, h, i, j] = conv2d with a depth axis before height and width, for volumes and videos.

    x: [batch, channels, depth, height, width] → y: [batch, out, (depth + 2·p − d·(kernel − 1) − 1) // s + 1, the same
    for height and width]. Tran et al. 2014, arXiv:1412.0767.
    """

    padding: Padding = 0

    def signature(self, x: TensorType) -> Signature:
        """Return the signature of a kernel over depth, height and width."""
        return self.convolved(x, 5)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Conv3d, or a convolution that pads by itself."""
        from torch import nn

        from stackc.modules.conv import PaddedConv3d, SameConv3d

        return self.constructed(x, nn.Conv3d, PaddedConv3d, SameConv3d)


@dataclass(frozen=True, kw_only=True)
class TransposedConvolution(Component):
    """The base class of transposed convolutions over one, two or three axes."""

    out: Out
    kernel: Kernel
    stride: Stride = 1
    padding: Annotated[Naturals, "positions removed from each side of an axis of y"] = 0
    output_padding: Annotated[Naturals, "positions added at the end of an axis, fewer than stride or dilation"] = 0
    dilation: Dilation = 1
    groups: Groups = 1
    bias: Bias = True

    mixes = ("slides a kernel over the axis", None)
    pointwise_axes = leading(1)

    def transposed(self, x: TensorType, rank: int) -> Signature:
        """Return y with every axis longer by the stride; weight [channels, out / groups, kernel, …], bias [out]."""
        require_float(x)
        require_channels_first(x, rank)
        channels = grouped_channels(x, self.groups, self.out)

        names = ("kernel", "stride", "padding", "output_padding", "dilation")
        windows = zip(x.shape[2:], *(per_axis(getattr(self, name), x, name) for name in names), strict=True)
        sizes = []
        for size, kernel, stride, padding, output_padding, dilation in windows:
            if output_padding >= max(stride, dilation):
                message = f"output_padding {output_padding} must be less than stride or dilation"
                raise SignatureError(message, field="output_padding")
            sizes.append((size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1)

        y = x.with_shape(x.shape[0], self.out, *sizes)
        weight = x.with_shape(channels, self.out // self.groups, *per_axis(self.kernel, x, "kernel"))
        bias = {"bias": x.with_shape(self.out)} if self.bias else {}
        flops = 2 * product(x.shape) * product(weight.shape[1:])
        limits = tuple(Limit(size, "its padding removes more than there is") for size in sizes)
        return Signature((y,), {"weight": weight} | bias, flops=flops, limits=limits)

    def spread(self, x: TensorType, stock: Callable[..., nn.Module]) -> ConstructorCall[nn.Module]:
        """Return the call of torch.nn's transposed convolution."""
        fields = (self.kernel, self.stride, self.padding, self.output_padding, self.dilation)
        kernel, stride, padding, added, dilation = (brief(per_axis(value, x, "kernel")) for value in fields)
        channels = grouped_channels(x, self.groups, self.out)
        return construct(stock, channels, self.out, kernel, stride, padding, added, self.groups, self.bias, dilation)


@component("conv_transpose1d", "x")
class ConvTranspose1d(TransposedConvolution):
    """y = convᵀ(x) + b with convᵀ the transpose of conv1d as a linear map: positions spread over the kernel's length.

    x: [batch, channels, length] → y: [batch, out, (length − 1)·stride − 2·padding + dilation·(kernel − 1)
    + output_padding + 1]. Zeiler et al. 2010.
    """

    def signature(self, x: TensorType) -> Signature:
        """Return the signature, whose length grows by the stride."""
        return self.transposed(x, 3)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.ConvTranspose1d."""
        from torch import nn

        return self.spread(x, nn.ConvTranspose1d)


@component("conv_transpose2d", "x")
class ConvTranspose2d(TransposedConvolution):
    """y = convᵀ(x) + b with convᵀ the transpose of conv2d as a linear map: positions spread over the kernel's area.

    x: [batch, channels, height, width] → y: [batch, out, (height − 1)·stride − 2·padding + dilation·(kernel − 1)
    + output_padding + 1, the same for width]. Zeiler et al. 2010.
    """

    def signature(self, x: TensorType) -> Signature:
        """Return the signature, whose height and width grow by the stride."""
        return self.transposed(x, 4)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.ConvTranspose2d."""
        from torch import nn

        return self.spread(x, nn.ConvTranspose2d)


@component("conv_transpose3d", "x")
class ConvTranspose3d(TransposedConvolution):
    """y = convᵀ(x) + b with convᵀ the transpose of conv3d as a linear map, for volumes and videos.

    x: [batch, channels, depth, height, width] → y: [batch, out, (depth − 1)·stride − 2·padding + dilation·(kernel − 1)
    + output_padding + 1, the same for height and width].
    """

    def signature(self, x: TensorType) -> Signature:
        """Return the signature, whose depth, height and width grow by the stride."""
        return self.transposed(x, 5)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.ConvTranspose3d."""
        from torch import nn

        return self.spread(x, nn.ConvTranspose3d)


@component("patch_embed", "x")
class PatchEmbed(Component):
    """y[i] = W·xᵢ + b for the patches xᵢ of an image, row by row: the image becomes a sequence of vectors.

    x: [batch, channels, height, width] → y: [batch, height/patch · width/patch, dim]. Dosovitskiy et al. 2020,
    arXiv:2010.11929.
    """

    patch: Annotated[Sizes, "height and width of each patch, divisors of those of the image"]
    dim: Annotated[Size, "features of each vector"]
    bias: Annotated[bool, "learn the bias b"] = True

    mixes = ("slides a kernel over the axis", None)
    pointwise_axes = leading(1)

    def signature(self, x: TensorType) -> Signature:
        """Return one vector per patch; `proj` has the parameters of a conv2d."""
        require_float(x)
        require_channels_first(x, 4)
        channels = channels_of(x)
        y = x.with_shape(x.shape[0], product(self._patches(x)), self.dim)
        weight = x.with_shape(self.dim, channels, *per_axis(self.patch, x, "patch"))
        bias = {"proj.bias": x.with_shape(self.dim)} if self.bias else {}
        flops = 2 * product(y.shape) * product(weight.shape[1:])
        return Signature((y,), {"proj.weight": weight} | bias, flops=flops)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return a torch.nn.Conv2d, `proj`, with kernels side by side, and its positions as a sequence."""
        from stackc.modules.conv import PatchEmbed

        channels, patch = channels_of(x), plain(self.patch, x, "patch")
        return construct(PatchEmbed, channels, self.dim, patch, self.bias)

    def _patches(self, x: TensorType) -> list[Dim]:
        counts = []
        for name, size, patch in zip(AXES[4], x.shape[2:], per_axis(self.patch, x, "patch"), strict=True):
            count = size.exactly(patch)
            if count is None:
                symbols = ", ".join(size.symbols())
                hint = f"declare it in the contract: `dims: {{{symbols}: {{multiple_of: {patch}}}}}`"
                message = f"patch {patch} does not divide the {name} {size}"
                raise SignatureError(message, code="T202", field="patch", hint=hint if symbols else None)
            counts.append(count)
        return counts
