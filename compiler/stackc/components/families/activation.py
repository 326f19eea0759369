"""Activations and dropout: elementwise or along one axis; only prelu has parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.axes import everywhere, except_along, pointwise
from stackc.components.base import (
    Component,
    Signature,
    SignatureError,
    TypePreserving,
    axis_of,
    channels_of,
    require_float,
)
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Probability, Range
from stackc.components.registry import component
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn


class Elementwise(Component):
    """The base class of components that take floating-point numbers and keep their type."""

    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the same type."""
        require_float(x, is_arithmetic=True)
        return Signature((x,))


@component("relu", "x")
class Relu(Elementwise):
    """y = max(x, 0).

    x: [...] → y: the same. Nair, Hinton 2010.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.ReLU."""
        from torch import nn

        return construct(nn.ReLU)


@component("gelu", "x")
class Gelu(Elementwise):
    """y = x · Φ(x), Φ the distribution function of the normal distribution.

    `approximate: tanh` is y = x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³))), as in GPT-2.
    x: [...] → y: the same. Hendrycks, Gimpel 2016, arXiv:1606.08415.
    """

    approximate: Annotated[Literal["none", "tanh"], "none is exact, tanh an approximation"] = "none"

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.GELU."""
        from torch import nn

        return construct(nn.GELU, self.approximate)


@component("quick_gelu", "x")
class QuickGelu(Elementwise):
    """y = x / (1 + exp(−1.702·x)), the approximation of gelu by a sigmoid, as in CLIP.

    x: [...] → y: the same. Hendrycks, Gimpel 2016, arXiv:1606.08415; Radford et al. 2021, arXiv:2103.00020.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the product with a sigmoid as a module."""
        from stackc.modules.activation import QuickGELU

        return construct(QuickGELU)

    def expression(self, x: str) -> str:
        """Return the product, written out."""
        return f"{x} * (1.702 * {x}).sigmoid()"


@component("tanh", "x")
class Tanh(Elementwise):
    """y = tanh(x).

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Tanh."""
        from torch import nn

        return construct(nn.Tanh)


@component("sigmoid", "x")
class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(−x)).

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Sigmoid."""
        from torch import nn

        return construct(nn.Sigmoid)


@component("silu", "x")
class Silu(Elementwise):
    """y = x / (1 + exp(−x)), also called swish.

    x: [...] → y: the same. Elfwing et al. 2017, arXiv:1702.03118.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.SiLU."""
        from torch import nn

        return construct(nn.SiLU)


@component("leaky_relu", "x")
class LeakyRelu(Elementwise):
    """y = max(x, 0) + slope · min(x, 0).

    x: [...] → y: the same. Maas, Hannun, Ng 2013.
    """

    slope: Annotated[float, "the slope below 0"] = 0.01

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.LeakyReLU."""
        from torch import nn

        return construct(nn.LeakyReLU, self.slope)


@component("elu", "x")
class Elu(Elementwise):
    """y = x if x > 0, else alpha · (exp(x) − 1).

    x: [...] → y: the same. Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289.
    """

    alpha: Annotated[float, "y tends to −alpha far below 0"] = 1.0

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.ELU."""
        from torch import nn

        return construct(nn.ELU, self.alpha)


@component("selu", "x")
class Selu(Elementwise):
    """y = s · x if x > 0, else s · a · (exp(x) − 1); s = 1.0507… and a = 1.6733… keep a mean of 0 and a variance of 1.

    x: [...] → y: the same. Klambauer et al. 2017, arXiv:1706.02515.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.SELU."""
        from torch import nn

        return construct(nn.SELU)


@component("celu", "x")
class Celu(Elementwise):
    """y = x if x > 0, else alpha · (exp(x / alpha) − 1).

    x: [...] → y: the same. Barron 2017, arXiv:1704.07483.
    """

    alpha: Annotated[float, Range(minimum=1e-3), "y tends to −alpha far below 0"] = 1.0

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.CELU."""
        from torch import nn

        return construct(nn.CELU, self.alpha)


@component("softsign", "x")
class Softsign(Elementwise):
    """y = x / (1 + |x|).

    x: [...] → y: the same. Turian, Bergstra, Bengio 2009.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Softsign."""
        from torch import nn

        return construct(nn.Softsign)


@component("log_sigmoid", "x")
class LogSigmoid(Elementwise):
    """y = −log(1 + exp(−x)): the logarithm of sigmoid.

    x: [...] → y: the same.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.LogSigmoid in a form that exports."""
        from stackc.modules.transcendental import LogSigmoid

        return construct(LogSigmoid)


@component("relu6", "x")
class Relu6(Elementwise):
    """y = min(max(x, 0), 6).

    x: [...] → y: the same. Howard et al. 2017, arXiv:1704.04861.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.ReLU6."""
        from torch import nn

        return construct(nn.ReLU6)


@component("hardswish", "x")
class Hardswish(Elementwise):
    """y = x · min(max(x + 3, 0), 6) / 6.

    x: [...] → y: the same. Howard et al. 2019, arXiv:1905.02244.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Hardswish."""
        from torch import nn

        return construct(nn.Hardswish)


@component("mish", "x")
class Mish(Elementwise):
    """y = x · tanh(log(1 + exp(x))).

    x: [...] → y: the same. Misra 2019, arXiv:1908.08681.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Mish."""
        from torch import nn

        return construct(nn.Mish)


@component("softplus", "x")
class Softplus(Elementwise):
    """y = log(1 + exp(beta · x)) / beta, a smooth relu; y = x if beta · x exceeds 20.

    x: [...] → y: the same. Dugas et al. 2000.
    """

    beta: Annotated[float, Range(minimum=1e-3), "how sharp the bend at 0 is"] = 1.0

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Softplus."""
        from torch import nn

        return construct(nn.Softplus, self.beta)


@component("prelu", "x")
class Prelu(TypePreserving):
    """y = max(x, 0) + weight · min(x, 0): a leaky relu with a learned slope.

    x: [...] → y: the same. He et al. 2015, arXiv:1502.01852.
    """

    per_channel: Annotated[bool, "learn one slope per entry of axis 1 instead of one for all"] = False

    pointwise_axes = except_along(lambda self, x: (1,) if self.per_channel else ())

    def signature(self, x: TensorType) -> Signature:
        """Return the same type; weight [1], or [channels]."""
        require_float(x, is_arithmetic=True)
        return Signature((x,), {"weight": x.with_shape(self._slopes(x))})

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.PReLU."""
        from torch import nn

        return construct(nn.PReLU, self._slopes(x))

    def _slopes(self, x: TensorType) -> int:
        if self.per_channel and x.rank < 2:
            raise SignatureError(f"expects [batch, channels, ...], got {x}", port="x")
        return channels_of(x) if self.per_channel else 1


@component("glu", "x")
class Glu(Component):
    """y = a · sigmoid(b) with a and b the two halves of x along an axis: the gated linear unit.

    x: [..., 2·n, ...] → y: [..., n, ...]. Dauphin et al. 2016, arXiv:1612.08083.
    """

    axis: Annotated[int, "the axis to split in half, counted from 0, or from the end if negative"] = -1

    pointwise_axes = except_along(lambda self, x: (axis_of(self.axis, x),))
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the type with half the size along the axis."""
        require_float(x)
        axis = axis_of(self.axis, x)
        half = x.shape[axis].exactly(2)
        if half is None:
            message = f"axis {self.axis} of {x} cannot be halved: 2 does not divide {x.shape[axis]}"
            raise SignatureError(message, code="T202", port="x")
        return Signature((x.with_shape(*x.shape[:axis], half, *x.shape[axis + 1 :]),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.GLU."""
        from torch import nn

        return construct(nn.GLU, self.axis)


@component("softmax", "x")
class Softmax(TypePreserving):
    """yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ) along an axis.

    x: [...] → y: the same; it sums to 1 along the axis. Bridle 1990.
    """

    axis: Annotated[int, "the axis to sum over, counted from 0, or from the end if negative"] = -1

    mixes = ("normalizes over the axis", None)
    pointwise_axes = except_along(lambda self, x: (axis_of(self.axis, x),))
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the same type."""
        require_float(x, is_arithmetic=True)
        axis_of(self.axis, x)
        return Signature((x,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Softmax."""
        from torch import nn

        return construct(nn.Softmax, self.axis)


@component("log_softmax", "x")
class LogSoftmax(Component):
    """yᵢ = xᵢ − log Σⱼ exp(xⱼ) along an axis: the logarithm of softmax.

    x: [...] → y: the same.
    """

    axis: Annotated[int, "the axis to sum over, counted from 0, or from the end if negative"] = -1

    mixes = ("normalizes over the axis", None)
    pointwise_axes = except_along(lambda self, x: (axis_of(self.axis, x),))
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the same type."""
        require_float(x, is_arithmetic=True)
        axis_of(self.axis, x)
        return Signature((x,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.LogSoftmax."""
        from torch import nn

        return construct(nn.LogSoftmax, self.axis)


@component("dropout", "x")
class Dropout(Elementwise):
    """y = x in evaluation; in training y = x·m / (1 − p), where each element of m is 0 with probability p, else 1.

    x: [...] → y: the same. Srivastava et al. 2014, JMLR 15.
    """

    p: Annotated[Probability, "the probability of setting an element to 0"] = 0.5

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Dropout."""
        from torch import nn

        return construct(nn.Dropout, self.p)
