"""Convolutions over one, two or three axes: what the components of families/conv.py share."""

from __future__ import annotations

from collections.abc import Callable
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
from stackc.components.margins import added_limits, margins_of, same_margins, torch_margins
from stackc.components.windows import (
    Margins,
    Naturals,
    Sizes,
    brief,
    largest_span,
    output_sizes,
    per_axis,
    require_channels_first,
    window_limits,
)
from stackc.core.types import TensorType, product

if TYPE_CHECKING:
    from torch import nn

Padding = Annotated[
    Naturals | Literal["same"],
    "entries added on each side, 0 for `valid`: a number, one for each axis, or all before and then all after, as in "
    "ONNX; `same` adds what gives sizes divided by the stride, rounded up, an odd one behind",
]
Mode = Annotated[
    Literal["zeros", "circular", "reflect", "replicate"],
    "what is added: zeros, the entries from the other end, those mirrored at the edge, or the edge itself",
]
Out = Annotated[Size, "channels of y"]
Kernel = Annotated[Sizes, "positions of the kernel along each axis"]
Stride = Annotated[Sizes, "distance between neighboring positions of the kernel on x"]
Dilation = Annotated[Sizes, "distance between neighboring taps of the kernel"]
Groups = Annotated[Size, "groups of channels that are convolved separately, a divisor of the channels of x and y"]
Bias = Annotated[bool, "learn a bias for each channel of y"]


def grouped_channels(x: TensorType, groups: int, out: int) -> int:
    """Return the number of channels of x. Raises SignatureError unless the groups divide it and that of y."""
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
    padding_mode: Mode = "zeros"
    dilation: Dilation = 1
    groups: Groups = 1
    bias: Bias = True

    mixes = ("slides a kernel over the axis", None)
    pointwise_axes = leading(1)

    def convolved(self, x: TensorType, rank: int) -> Signature:
        """Return y [batch, out, positions, …]; weight [out, channels / groups, kernel, …], bias [out]."""
        require_float(x)
        require_channels_first(x, rank)
        channels, kernel, stride = self.channels(x), per_axis(self.kernel, x, "kernel"), self.strides(x)

        x, span, margins = self.padded(x), self.spans(x), self.margins(x)
        limits: tuple[Limit, ...] = ()
        if margins is None:
            sizes = tuple((size + step - 1) // step for size, step in zip(x.shape[2:], stride, strict=True))
        else:
            sizes = output_sizes(x, span, stride, margins)
            limits = (*window_limits(x, span, margins), *added_limits(x, margins, self.padding_mode))
        y = x.with_shape(x.shape[0], self.out, *sizes)

        weight = x.with_shape(self.out, channels // self.groups, *kernel)
        bias = {"bias": x.with_shape(self.out)} if self.bias else {}
        flops = 2 * product(y.shape) * product(weight.shape[1:])
        return Signature((y,), {"weight": weight} | bias, flops=flops, limits=limits)

    def constructed(
        self,
        x: TensorType,
        stock: Callable[..., nn.Module],
        padded: Callable[..., nn.Module],
        same: Callable[..., nn.Module],
    ) -> ConstructorCall[nn.Module]:
        """Return the call of torch.nn's convolution, or of one that adds margins first: unequal, or read off sizes."""
        kernel, stride = (brief(value) for value in (per_axis(self.kernel, x, "kernel"), self.strides(x)))
        dilation, sizes = brief(per_axis(self.dilation, x, "dilation")), (self.channels(x), self.out, kernel, stride)
        margins, rest = self.margins(x), (dilation, self.groups, self.bias)
        if margins is None:
            return construct(same, *sizes, self.groups, self.bias)
        if any(before != after for before, after in margins) or self.padding_mode == "circular":
            return construct(padded, *sizes, torch_margins(margins), *rest, self.padding_mode)

        modes = {} if self.padding_mode == "zeros" else {"padding_mode": self.padding_mode}
        return construct(stock, *sizes, brief([before for before, _ in margins]), *rest, **modes)

    @property
    def reach(self) -> int:
        """The span of the largest kernel, dilated."""
        return largest_span(self.kernel, self.dilation)

    def padded(self, x: TensorType) -> TensorType:
        """Return x with the zeros that are added on one side only."""
        return x

    def channels(self, x: TensorType) -> int:
        """Return the number of channels of x. Raises SignatureError unless the groups divide it and that of y."""
        return grouped_channels(x, self.groups, self.out)

    def strides(self, x: TensorType) -> tuple[int, ...]:
        """Return the stride along each axis."""
        return per_axis(self.stride, x, "stride")

    def spans(self, x: TensorType) -> tuple[int, ...]:
        """Return the span of the kernel along each axis, dilated."""
        taps = zip(per_axis(self.kernel, x, "kernel"), per_axis(self.dilation, x, "dilation"), strict=True)
        return tuple(dilation * (kernel - 1) + 1 for kernel, dilation in taps)

    def margins(self, x: TensorType) -> Margins | None:
        """Return the entries added before and after each axis; None if `same` has to read them off the sizes."""
        if not isinstance(self.padding, str):
            return margins_of(self.padding, x, "padding")

        margins = same_margins(x, self.spans(x), self.strides(x))
        if margins is None and max(per_axis(self.dilation, x, "dilation")) > 1:
            raise self._sizes_decide(x, "dilation")
        if margins is None and self.padding_mode != "zeros":
            raise self._sizes_decide(x, f"padding_mode {self.padding_mode}")
        return margins

    def _sizes_decide(self, x: TensorType, beside: str) -> SignatureError:
        """Return the error of `same` at sizes known only at run time, where ONNX has zeros and no dilation."""
        totals = [max(span - step, 0) for span, step in zip(self.spans(x), self.strides(x), strict=True)]
        numbers = [*(total // 2 for total in totals), *(total - total // 2 for total in totals)]
        return SignatureError(
            f"padding same cannot be combined with stride and {beside} if sizes are no multiples of the stride",
            field="padding",
            hint=f"write `padding: {numbers}`, which is the same where they are",
        )
