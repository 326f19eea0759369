"""Convolutions of sequences [batch, channels, length], images […, height, width] and volumes, channels first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.axes import leading
from stackc.components.base import (
    Component,
    Limit,
    Signature,
    SignatureError,
    channels_of,
    require_divisor,
    require_float,
)
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Size
from stackc.components.registry import component
from stackc.components.windows import (
    AXES,
    Naturals,
    Sizes,
    largest_span,
    output_sizes,
    per_axis,
    plain,
    require_channels_first,
    triple,
    window_limits,
)
from stackc.core.types import Dim, TensorType, product

if TYPE_CHECKING:
    from torch import nn

Padding = Annotated[
    Naturals | Literal["same"],
    "zeros on each side of an axis, 0 for `valid`; `same` keeps the sizes and needs stride 1",
]
Out = Annotated[Size, "channels of y"]
Kernel = Annotated[Sizes, "positions of the kernel along each axis"]
Stride = Annotated[Sizes, "distance between neighboring positions of the kernel on x"]
Dilation = Annotated[Sizes, "distance between neighboring taps of the kernel"]
Groups = Annotated[Size, "groups of channels that are convolved separately, a divisor of the channels of x and y"]
Bias = Annotated[bool, "learn a bias for each channel of y"]


def _channels(x: TensorType, groups: int, out: int) -> int:
    channels = channels_of(x)
    require_divisor(groups, channels, field="groups", of="channels")
    require_divisor(groups, out, field="groups", of="out")
    return channels


@dataclass(frozen=True, kw_only=True)
class Convolution(Component):
    """The base class of convolutions over one, two or three axes."""

    out: Out
    kernel: Kernel
    stride: Stride = 1
    padding: Padding | Literal["causal"] = 0
    dilation: Dilation = 1
    groups: Groups = 1
    bias: Bias = True

    pointwise_axes = leading(1)

    def convolved(self, x: TensorType, rank: int) -> Signature:
        """Return y [batch, out, positions, …]; weight [out, channels / groups, kernel, …], bias [out]."""
        require_float(x)
        require_channels_first(x, rank)
        channels, kernel, padding = self.channels(x), per_axis(self.kernel, x, "kernel"), self.margin(x)

        x = self.padded(x)
        taps = zip(per_axis(self.dilation, x, "dilation"), kernel, strict=True)
        span = [dilation * (size - 1) + 1 for dilation, size in taps]
        y = x.with_shape(x.shape[0], self.out, *output_sizes(x, span, per_axis(self.stride, x, "stride"), padding))

        weight = x.with_shape(self.out, channels // self.groups, *kernel)
        bias = {"bias": x.with_shape(self.out)} if self.bias else {}
        flops = 2 * product(y.shape) * product(weight.shape[1:])
        return Signature((y,), {"weight": weight} | bias, flops=flops, limits=window_limits(x, span, padding))

    @property
    def reach(self) -> int:
        """The span of the largest kernel, dilated."""
        return largest_span(self.kernel, self.dilation)

    def padded(self, x: TensorType) -> TensorType:
        """Return x with the zeros that are added on one side only."""
        return x

    def channels(self, x: TensorType) -> int:
        """Return the number of channels of x. Raises SignatureError unless the groups divide it and that of y."""
        return _channels(x, self.groups, self.out)

    def margin(self, x: TensorType) -> tuple[int, ...]:
        """Return the zeros on each side of each axis. Raises SignatureError if `same` is impossible."""
        if not isinstance(self.padding, str):
            return per_axis(self.padding, x, "padding")

        kernels, dilations = per_axis(self.kernel, x, "kernel"), per_axis(self.dilation, x, "dilation")
        halves = tuple(dilation * (kernel - 1) // 2 for kernel, dilation in zip(kernels, dilations, strict=True))

        if max(stride := per_axis(self.stride, x, "stride")) > 1:
            number = halves[0] if len(set(halves)) == 1 else list(halves)
            raise SignatureError(
                f"padding same needs stride 1, but stride is {max(stride)}",
                field="padding",
                hint=f"write `padding: {number}`, which gives the sizes divided by the stride, rounded up",
            )

        for kernel, dilation in zip(kernels, dilations, strict=True):
            if dilation * (kernel - 1) % 2:
                message = f"no equal padding on both sides keeps the sizes with a kernel of {kernel}"
                raise SignatureError(message, field="padding", hint=_uneven_padding(kernels, dilations))
        return halves


def _uneven_padding(kernels: Sequence[int], dilations: Sequence[int]) -> str:
    """Return the hint how to keep the sizes with an even kernel: as PyTorch, with one more zero behind than before."""
    totals = [dilation * (kernel - 1) for kernel, dilation in zip(kernels, dilations, strict=True)]
    axes, before, after = (
        values[0] if len(values) == 1 else values
        for values in ([*range(2, 2 + len(totals))], [n // 2 for n in totals], [n - n // 2 for n in totals])
    )
    pad = f"`pad` before it, with `axis: {axes}, before: {before}, after: {after}`"
    return f"put {pad}, and write `padding: 0`; or use an odd kernel"


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

    def signature(self, x: TensorType) -> Signature:
        """Return the signature of a kernel over the length."""
        return self.convolved(x, 3)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Conv1d, or a CausalConv1d with `padding: causal`."""
        from torch import nn

        from stackc.modules.conv import CausalConv1d

        lengths = (self.kernel, self.stride, self.margin(x), self.dilation)
        kernel, stride, padding, dilation = (per_axis(value, x, "kernel")[0] for value in lengths)
        kind = CausalConv1d if self.padding == "causal" else nn.Conv1d
        return construct(kind, self.channels(x), self.out, kernel, stride, padding, dilation, self.groups, self.bias)

    def margin(self, x: TensorType) -> tuple[int, ...]:
        """Return the zeros on each side; none if causal."""
        return (0,) if self.padding == "causal" else super().margin(x)

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
        """Return torch.nn.Conv2d."""
        from torch import nn

        areas = (self.kernel, self.stride, self.margin(x), self.dilation)
        kernel, stride, padding, dilation = (plain(value, x, "kernel") for value in areas)
        return construct(
            nn.Conv2d, self.channels(x), self.out, kernel, stride, padding, dilation, self.groups, self.bias
        )


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
        """Return torch.nn.Conv3d."""
        from torch import nn

        volumes = (self.kernel, self.stride, self.margin(x), self.dilation)
        kernel, stride, padding, dilation = (triple(value, x, "kernel") for value in volumes)
        return construct(
            nn.Conv3d, self.channels(x), self.out, kernel, stride, padding, dilation, self.groups, self.bias
        )


@dataclass(frozen=True, kw_only=True)
class TransposedConvolution(Component):
    """The base class of transposed convolutions over one or two axes."""

    out: Out
    kernel: Kernel
    stride: Stride = 1
    padding: Annotated[Naturals, "positions removed from each side of an axis of y"] = 0
    output_padding: Annotated[Naturals, "positions added at the end of an axis, fewer than stride or dilation"] = 0
    dilation: Dilation = 1
    groups: Groups = 1
    bias: Bias = True

    pointwise_axes = leading(1)

    def transposed(self, x: TensorType, rank: int) -> Signature:
        """Return y with every axis longer by the stride; weight [channels, out / groups, kernel, …], bias [out]."""
        require_float(x)
        require_channels_first(x, rank)
        channels = self.channels(x)

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

    def channels(self, x: TensorType) -> int:
        """Return the number of channels of x. Raises SignatureError unless the groups divide it and that of y."""
        return _channels(x, self.groups, self.out)


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

        lengths = (self.kernel, self.stride, self.padding, self.output_padding, self.dilation)
        kernel, stride, padding, added, dilation = (per_axis(value, x, "kernel")[0] for value in lengths)
        channels = self.channels(x)
        return construct(
            nn.ConvTranspose1d, channels, self.out, kernel, stride, padding, added, self.groups, self.bias, dilation
        )


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

        areas = (self.kernel, self.stride, self.padding, self.output_padding)
        kernel, stride, padding, added = (plain(value, x, "kernel") for value in areas)
        channels, dilation = self.channels(x), plain(self.dilation, x, "dilation")
        return construct(
            nn.ConvTranspose2d, channels, self.out, kernel, stride, padding, added, self.groups, self.bias, dilation
        )


@component("patch_embed", "x")
class PatchEmbed(Component):
    """y[i] = W·xᵢ + b for the patches xᵢ of an image, row by row: the image becomes a sequence of vectors.

    x: [batch, channels, height, width] → y: [batch, height/patch · width/patch, dim]. Dosovitskiy et al. 2020,
    arXiv:2010.11929.
    """

    patch: Annotated[Sizes, "height and width of each patch, divisors of those of the image"]
    dim: Annotated[Size, "features of each vector"]
    bias: Annotated[bool, "learn the bias b"] = True

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
