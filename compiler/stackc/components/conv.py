"""Convolutions, channels first: of sequences [batch, channels, length] and images [batch, channels, height, width]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.base import Component, Limit, Misfit, Signature, component, fixed, require_divisor, require_float
from stackc.components.fields import Range, Size
from stackc.components.windows import AXES, places, require_channels_first, window_limits
from stackc.types import Dim, TensorType, product

if TYPE_CHECKING:
    from torch import nn

Natural = Annotated[int, Range(minimum=0)]
Padding = Annotated[Natural | Literal["same"], "zeros on either side of an axis; `same` keeps the sizes, at stride 1"]
Out = Annotated[Size, "channels of y"]
Kernel = Annotated[Size, "positions of the kernel along each axis"]
Stride = Annotated[Size, "positions from one place of the kernel to the next"]
Dilation = Annotated[Size, "positions from one tap of the kernel to the next"]
Groups = Annotated[Size, "groups of channels that do not see each other, a divisor of the channels of x and y"]
Bias = Annotated[bool, "learn a bias for each channel of y"]


@dataclass(frozen=True, kw_only=True)
class Convolution(Component):
    """The base of convolutions over one or two axes."""

    out: Out
    kernel: Kernel
    stride: Stride = 1
    padding: Padding = 0
    dilation: Dilation = 1
    groups: Groups = 1
    bias: Bias = True

    def convolved(self, x: TensorType, rank: int) -> Signature:
        """[batch, out, places, …]; weight [out, channels / groups, kernel, …], bias [out]."""
        require_float(x)
        require_channels_first(x, rank)
        channels, span, padding = self.channels(x), self.dilation * (self.kernel - 1) + 1, self.margin()
        y = x.with_shape(x.shape[0], self.out, *places(x, span, self.stride, padding))
        weight = x.with_shape(self.out, channels // self.groups, *[self.kernel] * (rank - 2))
        bias = {"bias": x.with_shape(self.out)} if self.bias else {}
        flops = 2 * product(y.shape) * product(weight.shape[1:])
        return Signature((y,), {"weight": weight} | bias, flops=flops, limits=window_limits(x, span, padding))

    def channels(self, x: TensorType) -> int:
        """The channels of x; a Misfit unless the groups divide them and those of y."""
        channels = fixed(x.shape[1], "the channel axis", port="x")
        require_divisor(self.groups, channels, field="groups", of="channels")
        require_divisor(self.groups, self.out, field="groups", of="out")
        return channels

    def margin(self) -> int:
        """The zeros on either side; a Misfit where no number of them keeps the sizes."""
        if self.padding != "same":
            return self.padding
        around = self.dilation * (self.kernel - 1)
        if self.stride > 1:
            raise Misfit(f"padding same has no meaning at stride {self.stride}", field="padding", hint=_HALVES)
        if around % 2:
            raise Misfit(
                f"no padding keeps the sizes with a kernel of {self.kernel}",
                field="padding",
                hint=f"an odd kernel does: {self.kernel - 1} or {self.kernel + 1}" if self.kernel > 2 else "3 does",
            )
        return around // 2


_HALVES = "write a number, for example (kernel − 1) // 2, which rounds the sizes divided by the stride up"


@component("conv1d", "x")
class Conv1d(Convolution):
    """y[o, i] = Σ_c Σ_k w[o, c, k] · x[c, stride·i + dilation·k − padding] + b[o], x being 0 outside of its length.

    x: [batch, channels, length] → y: [batch, out, (length + 2·padding − dilation·(kernel − 1) − 1) // stride + 1].
    Waibel et al. 1989; dilated: van den Oord et al. 2016, arXiv:1609.03499.
    """

    def signature(self, x: TensorType) -> Signature:
        """One more tap of the kernel along the length."""
        return self.convolved(x, 3)

    def module(self, x: TensorType) -> nn.Module:
        """torch.nn.Conv1d."""
        from torch import nn

        sizes = (self.channels(x), self.out, self.kernel, self.stride, self.margin(), self.dilation)
        return nn.Conv1d(*sizes, self.groups, self.bias)


@component("conv2d", "x")
class Conv2d(Convolution):
    """y[o, i, j] = Σ_c Σ_k Σ_l w[o, c, k, l] · x[c, s·i + d·k − p, s·j + d·l − p] + b[o], x being 0 outside.

    Stride s, dilation d, padding p and kernel are those of both axes. x: [batch, channels, height, width]
    → y: [batch, out, (height + 2·p − d·(kernel − 1) − 1) // s + 1, the same of the width]. LeCun et al. 1989.
    With as many groups as channels it is depthwise: Howard et al. 2017, arXiv:1704.04861.
    """

    def signature(self, x: TensorType) -> Signature:
        """A square kernel over height and width."""
        return self.convolved(x, 4)

    def module(self, x: TensorType) -> nn.Module:
        """torch.nn.Conv2d."""
        from torch import nn

        sizes = (self.channels(x), self.out, self.kernel, self.stride, self.margin(), self.dilation)
        return nn.Conv2d(*sizes, self.groups, self.bias)


@component("conv_transpose2d", "x")
class ConvTranspose2d(Component):
    """y = the transpose of conv2d as a linear map, applied to x, + b: each position is spread over a kernel's area.

    x: [batch, channels, height, width] → y: [batch, out, (height − 1)·stride − 2·padding + dilation·(kernel − 1)
    + output_padding + 1, the same of the width]. Zeiler et al. 2010.
    """

    out: Out
    kernel: Kernel
    stride: Stride = 1
    padding: Annotated[Natural, "positions taken off either side of an axis of y"] = 0
    output_padding: Annotated[Natural, "positions added to the far side of an axis, fewer than stride or dilation"] = 0
    dilation: Dilation = 1
    groups: Groups = 1
    bias: Bias = True

    def signature(self, x: TensorType) -> Signature:
        """Each axis grows by the stride; weight [channels, out / groups, kernel, kernel], bias [out]."""
        require_float(x)
        require_channels_first(x, 4)
        channels = self._channels(x)
        if self.output_padding >= max(self.stride, self.dilation):
            message = f"output_padding {self.output_padding} has to be less than stride or dilation"
            raise Misfit(message, field="output_padding")
        grown = self.dilation * (self.kernel - 1) + self.output_padding + 1 - 2 * self.padding
        sizes = [(size - 1) * self.stride + grown for size in x.shape[2:]]
        y = x.with_shape(x.shape[0], self.out, *sizes)
        weight = x.with_shape(channels, self.out // self.groups, self.kernel, self.kernel)
        bias = {"bias": x.with_shape(self.out)} if self.bias else {}
        flops = 2 * product(x.shape) * product(weight.shape[1:])
        limits = tuple(Limit(size, "its padding takes more off than there is") for size in sizes)
        return Signature((y,), {"weight": weight} | bias, flops=flops, limits=limits)

    def module(self, x: TensorType) -> nn.Module:
        """torch.nn.ConvTranspose2d."""
        from torch import nn

        sizes = (self._channels(x), self.out, self.kernel, self.stride, self.padding, self.output_padding)
        return nn.ConvTranspose2d(*sizes, self.groups, self.bias, self.dilation)

    def _channels(self, x: TensorType) -> int:
        channels = fixed(x.shape[1], "the channel axis", port="x")
        require_divisor(self.groups, channels, field="groups", of="channels")
        require_divisor(self.groups, self.out, field="groups", of="out")
        return channels


@component("patch_embed", "x")
class PatchEmbed(Component):
    """y[i] = W·xᵢ + b for the patches xᵢ of an image, row by row: an image as a sequence of vectors.

    x: [batch, channels, height, width] → y: [batch, height/patch · width/patch, dim]. Dosovitskiy et al. 2020,
    arXiv:2010.11929.
    """

    patch: Annotated[Size, "height and width of a patch, a divisor of those of the image"]
    dim: Annotated[Size, "features of a vector"]
    bias: Annotated[bool, "learn the bias b"] = True

    def signature(self, x: TensorType) -> Signature:
        """A vector a patch; `proj` has the parameters of a conv2d."""
        require_float(x)
        require_channels_first(x, 4)
        channels = fixed(x.shape[1], "the channel axis", port="x")
        y = x.with_shape(x.shape[0], product(self._patches(x)), self.dim)
        weight = x.with_shape(self.dim, channels, self.patch, self.patch)
        bias = {"proj.bias": x.with_shape(self.dim)} if self.bias else {}
        flops = 2 * product(y.shape) * product(weight.shape[1:])
        return Signature((y,), {"proj.weight": weight} | bias, flops=flops)

    def module(self, x: TensorType) -> nn.Module:
        """A torch.nn.Conv2d whose kernels touch, `proj`, and its positions as a sequence."""
        from stackc.modules.conv import PatchEmbed

        return PatchEmbed(fixed(x.shape[1], "the channel axis", port="x"), self.dim, self.patch, self.bias)

    def _patches(self, x: TensorType) -> list[Dim]:
        counts = []
        for name, size in zip(AXES[4], x.shape[2:], strict=True):
            count = size.exactly(self.patch)
            if count is None:
                symbols = ", ".join(size.symbols())
                hint = f"declare it in the contract: `dims: {{{symbols}: {{multiple_of: {self.patch}}}}}`"
                message = f"patch {self.patch} does not divide the {name} {size}"
                raise Misfit(message, code="T202", field="patch", hint=hint if symbols else None)
            counts.append(count)
        return counts
