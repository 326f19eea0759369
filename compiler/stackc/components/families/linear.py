"""Linear layers, scales, and the feed-forward network of a transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.axes import everywhere, except_along, last, pointwise
from stackc.components.base import Component, Signature, SignatureError, axis_of, features_of, fixed, require_float
from stackc.components.construction import ConstructorCall, construct, nested
from stackc.components.fields import Probability, Size
from stackc.components.registry import component
from stackc.core.types import Dim, TensorType, product, shape

if TYPE_CHECKING:
    from torch import nn

Activation = Literal["gelu", "gelu_tanh", "quick_gelu", "relu", "silu", "sigmoid", "tanh"]


def linear_parameters(inputs: int, outputs: int, bias: bool, dtype: str, prefix: str = "") -> dict[str, TensorType]:
    """Return the parameters of a torch.nn.Linear: weight [outputs, inputs], and bias [outputs] if it has one."""
    parameters = {f"{prefix}weight": TensorType(dtype, shape(outputs, inputs))}
    return parameters | ({f"{prefix}bias": TensorType(dtype, shape(outputs))} if bias else {})


def linear_flops(x: TensorType, outputs: int) -> Dim:
    """Return 2 FLOPs per multiply-add of x·Wᵀ with W [outputs, features]."""
    return 2 * product(x.shape) * outputs


@component("linear", "x")
class Linear(Component):
    """y = x·Wᵀ + b, on the last axis.

    x: [..., features] → y: [..., out].
    """

    out: Annotated[Size, "features of y"]
    bias: Annotated[bool, "learn a bias b"] = True

    mixes = ("multiplies the axis by a matrix", None)
    pointwise_axes = except_along(last)
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the type with `out` as its last axis; weight [out, features], bias [out]."""
        require_float(x)
        parameters = linear_parameters(features_of(x), self.out, self.bias, x.dtype)
        return Signature((x.with_last(self.out),), parameters, flops=linear_flops(x, self.out))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Linear."""
        from torch import nn

        return construct(nn.Linear, features_of(x), self.out, self.bias)


@component("scale", "x")
class Scale(Component):
    """y = factor·x + offset, with two constants.

    x: [...] → y: the same.
    """

    factor: Annotated[float, "the factor of every element"]
    offset: Annotated[float, "the number added to every element"] = 0.0

    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the same type."""
        require_float(x, is_arithmetic=True)
        return Signature((x,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return product and sum as a module."""
        from stackc.modules.linear import Scale

        return construct(Scale, self.factor, self.offset)

    def expression(self, x: str) -> str:
        """Return product and sum, written out."""
        sign = "+" if self.offset > 0 else "-"
        return f"{x} * {self.factor}" + (f" {sign} {abs(self.offset)}" if self.offset else "")


@component("learned_scale", "x")
class LearnedScale(Component):
    """y = weight · x, with a learned factor per feature: the layer scale of Touvron et al. 2021, arXiv:2103.17239.

    `per: all` learns one factor for all. `exponential` learns its logarithm, so that the factor stays positive:
    y = exp(weight) · x, the temperature of Radford et al. 2021, arXiv:2103.00020, which starts at 1 / 0.07.
    x: [..., features], or features on any axis → y: the same.
    """

    per: Annotated[Literal["feature", "all"], "learn a factor for each feature, or one for all"] = "feature"
    axis: Annotated[int, "the feature axis, counted from 0, or from the end if negative"] = -1
    initial: Annotated[float, "the initial factor"] = 1.0
    exponential: Annotated[bool, "learn the logarithm of the factor"] = False

    pointwise_axes = except_along(lambda self, x: (axis_of(self.axis, x),) if self.per == "feature" else ())
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the same type; weight [features], or []."""
        require_float(x, is_arithmetic=True)
        if self.exponential and self.initial <= 0:
            raise SignatureError(
                f"initial {self.initial:g} has no logarithm", field="initial", hint="exponential needs a number above 0"
            )
        return Signature((x,), {"weight": x.with_shape(*self._features(x))})

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the scaling as a module."""
        from stackc.modules.linear import LearnedScale

        features = self._features(x)
        behind = x.rank - 1 - axis_of(self.axis, x) if features else 0
        size = features[0] if features else None
        return construct(LearnedScale, size, self.initial, behind=behind, exponential=self.exponential)

    def _features(self, x: TensorType) -> tuple[int, ...]:
        if self.per == "all":
            return ()
        return (fixed(x.shape[axis_of(self.axis, x)], "the feature axis", port="x"),)


@component("mlp", "x")
class Mlp(Component):
    """y = W₂·dropout(activation(W₁·x + b₁)) + b₂, on the last axis: the feed-forward network of a transformer.

    `gated` is y = W₂·dropout(activation(W₃·x + b₃) · (W₁·x + b₁)) + b₂: SwiGLU with silu, GEGLU with gelu.
    x: [..., features] → y: [..., out]. Vaswani et al. 2017, arXiv:1706.03762, section 3.3; gated: Shazeer 2020,
    arXiv:2002.05202.
    """

    hidden: Annotated[Size, "features between the two layers"]
    out: Annotated[Size | None, "features of y; by default those of x"] = None
    activation: Annotated[Activation, "the function between the two layers"] = "gelu"
    dropout: Annotated[Probability, "the dropout probability after the activation, in training"] = 0.0
    bias: Annotated[bool, "learn biases"] = True
    gated: Annotated[bool, "multiply by a third layer, which takes over the activation"] = False

    mixes = ("multiplies the axis by a matrix", None)
    pointwise_axes = except_along(last)
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the type with `out` as its last axis; `up`, `down` and, if gated, `gate` are linear layers."""
        require_float(x)
        features = features_of(x)
        out = self.out or features

        up = linear_parameters(features, self.hidden, self.bias, x.dtype, "up.")
        down = linear_parameters(self.hidden, out, self.bias, x.dtype, "down.")
        gate = linear_parameters(features, self.hidden, self.bias, x.dtype, "gate.") if self.gated else {}

        flops = (1 + self.gated) * linear_flops(x, self.hidden) + linear_flops(x.with_last(self.hidden), out)
        between = product(x.shape[:-1]) * self.hidden * (1 + self.gated)
        return Signature((x.with_last(out),), gate | up | down, flops=flops, workspace=between)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return two torch.nn.Linear, `up` and `down`, around the activation; if gated, a third one, `gate`."""
        from stackc.modules.linear import GatedMlp, Mlp

        features = features_of(x)
        kind = GatedMlp if self.gated else Mlp
        return construct(
            kind,
            features,
            hidden=self.hidden,
            out=self.out or features,
            activation=nested(self._activation()),
            dropout=self.dropout,
            bias=self.bias,
        )

    def _activation(self) -> ConstructorCall[nn.Module]:
        from torch import nn

        from stackc.modules.activation import QuickGELU

        match self.activation:
            case "gelu":
                return construct(nn.GELU)
            case "gelu_tanh":
                return construct(nn.GELU, "tanh")
            case "quick_gelu":
                return construct(QuickGELU)
            case "relu":
                return construct(nn.ReLU)
            case "silu":
                return construct(nn.SiLU)
            case "sigmoid":
                return construct(nn.Sigmoid)
            case "tanh":
                return construct(nn.Tanh)
