"""Components that pass a value through or combine several into one; `merge:` and the stacking component use them.

Elementwise ones broadcast as in NumPy, PyTorch and ONNX: axes are aligned from the last one, and are compatible if they
are equal or one of them is 1. Element types are never converted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from stackc.components.axes import any_axis, everywhere, except_along, last, pointwise
from stackc.components.base import (
    BYTES,
    Component,
    Port,
    Signature,
    SignatureError,
    axis_of,
    cast_hint,
    features_of,
    require_float,
)
from stackc.components.construction import ConstructorCall, construct
from stackc.components.families.linear import linear_flops, linear_parameters
from stackc.components.registry import component
from stackc.core.types import Dim, Shape, TensorType, equating_multiple

if TYPE_CHECKING:
    from torch import nn

MERGES = {"sum": "add", "mean": "mean", "concat": "concat", "mul": "mul", "weighted": "weighted_sum"}
"""The op of each mode of `merge:`."""

SIDE_BY_SIDE = MERGES | {"gated": "gated_sum"}
"""The op of each mode of `stack`; a gate reads the input of the stack, which a merge does not have."""

SEVERAL = Port("x", variadic=True)


@component("identity", "x")
class Identity(Component):
    """y = x.

    x: [...] → y: the same.
    """

    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return the same type."""
        return Signature((x,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Identity."""
        from torch import nn

        return construct(nn.Identity)

    def expression(self, x: str) -> str:
        """Return the variable itself."""
        return x


@component("add", SEVERAL)
class Add(Component):
    """y = x₁ + x₂ + … + x_N.

    x: [...] each → y: their shapes broadcast. With sub-models as inputs, it is the residual connection of
    He et al. 2015, arXiv:1512.03385, and the stacking component h = h₁ + h₂ + … + h_N.
    """

    is_commutative = True
    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, *x: TensorType) -> Signature:
        """Return the broadcast type."""
        require_numbers(x)
        return Signature((broadcast(x),))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the sum as a module."""
        from stackc.modules.merge import Add

        return construct(Add)

    def expression(self, *x: str) -> str:
        """Return the sum, written out."""
        return " + ".join(x)


@component("mul", SEVERAL)
class Mul(Component):
    """y = x₁ · x₂ · … · x_N, elementwise.

    x: [...] each → y: their shapes broadcast.
    """

    is_commutative = True
    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, *x: TensorType) -> Signature:
        """Return the broadcast type."""
        require_numbers(x)
        return Signature((broadcast(x),))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the product as a module."""
        from stackc.modules.merge import Mul

        return construct(Mul)

    def expression(self, *x: str) -> str:
        """Return the product, written out."""
        return " * ".join(x)


@component("mean", SEVERAL)
class Mean(Component):
    """y = (x₁ + x₂ + … + x_N) / N, elementwise over the inputs.

    x: [...] each → y: their shapes broadcast.
    """

    is_commutative = True
    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, *x: TensorType) -> Signature:
        """Return the broadcast type."""
        require_floats(x)
        return Signature((broadcast(x),))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the mean as a module."""
        from stackc.modules.merge import Mean

        return construct(Mean)

    def expression(self, *x: str) -> str:
        """Return the mean, written out."""
        return f"({' + '.join(x)}) / {len(x)}" if len(x) > 1 else x[0]


@component("weighted_sum", SEVERAL)
class WeightedSum(Component):
    """y = γ · Σᵢ sᵢ·xᵢ with s = softmax(weight): a learned mix that starts as the mean.

    x: [...] each → y: their shapes broadcast. The scalar mix of ELMo, Peters et al. 2018, arXiv:1802.05365, equation 1.
    """

    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, *x: TensorType) -> Signature:
        """Return the broadcast type; weight [inputs], gamma []."""
        require_floats(x)
        mixed = broadcast(x)
        return Signature((mixed,), {"weight": mixed.with_shape(len(x)), "gamma": mixed.with_shape()})

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the scalar mix as a module."""
        from stackc.modules.merge import WeightedSum

        return construct(WeightedSum, len(x))


@component("gated_sum", "x", Port("branch", variadic=True))
class GatedSum(Component):
    """y = Σᵢ gᵢ·branchᵢ with g = softmax(W·x + b): x decides the weight of each branch at each position.

    x: [..., features], branch: [..., n] each, with the axes of x except the last → y: [..., n]. The mixture of experts
    of Jacobs et al. 1991, with all experts active; top_k_mask and routed_sum choose among them.
    """

    bias: Annotated[bool, "learn the bias b"] = True

    pointwise_axes = except_along(last)

    def signature(self, x: TensorType, *branch: TensorType) -> Signature:
        """Return the type that the branches share; `gate` has the parameters of a linear from features to branches."""
        require_floats((x, *branch))
        parameters = linear_parameters(features_of(x), len(branch), self.bias, x.dtype, "gate.")
        require_branches(x, branch)
        return Signature((branch[0],), parameters, flops=linear_flops(x, len(branch)))

    def construction(self, x: TensorType, *branch: TensorType) -> ConstructorCall[nn.Module]:
        """Return a torch.nn.Linear, `gate`, and the weighted sum."""
        from stackc.modules.merge import GatedSum

        return construct(GatedSum, features_of(x), len(branch), self.bias)


@component("concat", SEVERAL)
class Concat(Component):
    """y = the inputs concatenated along an axis, in the order of the arrows.

    x: [..., nᵢ, ...] each → y: [..., n₁ + n₂ + … + n_N, ...]; all other axes equal.
    """

    axis: Annotated[int, "the axis to concatenate along, counted from 0, or from the end if negative"] = -1

    mixes = ("joins other entries to those of the axis", None)
    pointwise_axes = except_along(lambda self, x: (axis_of(self.axis, x),))
    empty_axes = any_axis

    def signature(self, *x: TensorType) -> Signature:
        """Return the type with the sum of the sizes along the axis."""
        first, *others = x
        axis = axis_of(self.axis, first)
        _require_same_dtype(x)

        for other in others:
            if other.rank != first.rank or _without(axis, other) != _without(axis, first):
                raise SignatureError(
                    f"cannot concatenate {first} and {other} along axis {self.axis}",
                    port="x",
                    hint=_equating_contract(first, other, axis) or "all other axes must be equal",
                )

        joined = sum((t.shape[axis] for t in x), Dim.of(0))
        return Signature((first.with_shape(*first.shape[:axis], joined, *first.shape[axis + 1 :]),))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the concatenation as a module."""
        from stackc.modules.merge import Concat

        return construct(Concat, self.axis)

    def expression(self, *x: str) -> str:
        """Return torch.cat."""
        return f"torch.cat(({', '.join(x)}{',' * (len(x) == 1)}), dim={self.axis})"


def require_branches(x: TensorType, branch: tuple[TensorType, ...]) -> None:
    """Raise SignatureError unless the branches have one type, with the axes of x except the last."""
    first, *others = branch
    for other in others:
        if (other.dtype, other.shape) != (first.dtype, first.shape):
            raise SignatureError(f"expects branches of one type, got {first} and {other}", port="branch")
    if (first.dtype, first.shape[:-1]) != (x.dtype, x.shape[:-1]):
        expected = f"{x.dtype}[{', '.join([*map(str, x.shape[:-1]), '…'])}]"
        raise SignatureError(f"expects branches {expected} for a gate of {x}, got {first}", port="branch")


def _equating_contract(left: TensorType, right: TensorType, joined: int | None = None) -> str | None:
    """Return a hint with the contract under which all axes but `joined` are equal, or None.

    Sizes that were halved and doubled again need one, for example.
    """
    if left.rank != right.rank:
        return None

    pairs = [pair for axis, pair in enumerate(zip(left.shape, right.shape, strict=True)) if axis != joined]
    different = [(a, b) for a, b in pairs if a != b]
    multiples = [equating_multiple(a, b) for a, b in different]
    if not different or None in multiples:
        return None

    symbols = {name: of for pair in different for dim in pair for name, of in dim.symbols().items()}
    m = math.lcm(*(multiple for multiple in multiples if multiple))
    declared = ", ".join(f"{name}: {{multiple_of: {of * m}}}" for name, of in sorted(symbols.items()))
    return f"they are equal with `dims: {{{declared}}}`"


def _without(axis: int, x: TensorType) -> Shape:
    return x.shape[:axis] + x.shape[axis + 1 :]


def require_floats(x: tuple[TensorType, ...]) -> None:
    """Raise SignatureError unless the elements of each are floating-point numbers."""
    for t in x:
        require_float(t, is_arithmetic=True)


def require_numbers(x: tuple[TensorType, ...]) -> None:
    """Raise SignatureError (T203) if the elements of one are booleans or bytes."""
    for t in x:
        if t.dtype in ("bool", *BYTES):
            raise SignatureError(f"expects numbers, got {t}", code="T203", port="x", hint=cast_hint())


def _require_same_dtype(x: tuple[TensorType, ...]) -> None:
    for other in x[1:]:
        if other.dtype != x[0].dtype:
            whole = next((t for t in (x[0], other) if not t.is_float), other)
            mixed = x[0].is_float != other.is_float
            hint = cast_hint(str(whole)) if mixed else f"put `cast` before one of them, with `dtype: {x[0].dtype}`"
            message = f"expects a single element type, got {x[0]} and {other}"
            raise SignatureError(message, code="T203", port="x", hint=hint)


def broadcast(x: tuple[TensorType, ...]) -> TensorType:
    """Return the broadcast type of the inputs. Raises SignatureError, naming two of them, if they do not broadcast."""
    _require_same_dtype(x)
    rank = max(t.rank for t in x)
    common = tuple(_common_size(x, axis) for axis in range(-rank, 0))
    return x[0].with_shape(*common)


def _common_size(x: tuple[TensorType, ...], axis: int) -> Dim:
    """Return the broadcast size at `axis`, counted from the end; inputs of lower rank have 1 there."""
    sized = [t for t in x if t.rank >= -axis and t.shape[axis] != 1]
    if not sized:
        return Dim.of(1)

    first, *others = sized
    size = first.shape[axis]
    for other in others:
        if other.shape[axis] != size:
            raise SignatureError(
                f"cannot combine {first} and {other}: {size} is not {other.shape[axis]} at axis {axis}",
                port="x",
                hint=_equating_contract(first, other) or "sizes must be equal, or one of them must be 1",
            )
    return size
