"""Components that let values through, or make one value of several: what `merge:` and the stacking component use.

Elementwise ones broadcast as NumPy, PyTorch and ONNX do: axes are matched from the last one, and go together where they
are equal or one of them is 1. Element types are never converted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from stackc.components.base import Component, Port, Signature, SignatureError, axis_of, features_of, require_float
from stackc.components.construction import ConstructorCall, construct
from stackc.components.families.linear import linear_flops, linear_parameters
from stackc.components.fields import Size
from stackc.components.registry import component
from stackc.core.types import Dim, Shape, TensorType, equating_multiple

if TYPE_CHECKING:
    from torch import nn

MERGES = {"sum": "add", "mean": "mean", "concat": "concat", "mul": "mul", "weighted": "weighted_sum"}
"""What the words of `merge:` are called as components."""

SIDE_BY_SIDE = MERGES | {"gated": "gated_sum"}
"""What the modes of `stack` are called as components; a gate reads the input of the stack, which a merge has not."""

SEVERAL = Port("x", variadic=True)


@component("identity", "x")
class Identity(Component):
    """y = x.

    x: [...] → y: the same.
    """

    def signature(self, x: TensorType) -> Signature:
        """The same type."""
        return Signature((x,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.Identity."""
        from torch import nn

        return construct(nn.Identity)

    def expression(self, x: str) -> str:
        """The variable itself."""
        return x


@component("add", SEVERAL)
class Add(Component):
    """y = x₁ + x₂ + … + x_N.

    x: [...] each → y: their shapes broadcast. With sub-models as inputs, the residual connection of He et al. 2015,
    arXiv:1512.03385, and the stacking component h = h₁ + h₂ + … + h_N.
    """

    def signature(self, *x: TensorType) -> Signature:
        """The broadcast type."""
        require_numbers(x)
        return Signature((broadcast(x),))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """The sum as a module."""
        from stackc.modules.merge import Add

        return construct(Add)

    def expression(self, *x: str) -> str:
        """The sum, written out."""
        return " + ".join(x)


@component("mul", SEVERAL)
class Mul(Component):
    """y = x₁ · x₂ · … · x_N, elementwise.

    x: [...] each → y: their shapes broadcast.
    """

    def signature(self, *x: TensorType) -> Signature:
        """The broadcast type."""
        require_numbers(x)
        return Signature((broadcast(x),))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """The product as a module."""
        from stackc.modules.merge import Mul

        return construct(Mul)

    def expression(self, *x: str) -> str:
        """The product, written out."""
        return " * ".join(x)


@component("mean", SEVERAL)
class Mean(Component):
    """y = (x₁ + x₂ + … + x_N) / N, elementwise over the inputs.

    x: [...] each → y: their shapes broadcast.
    """

    def signature(self, *x: TensorType) -> Signature:
        """The broadcast type."""
        require_floats(x)
        return Signature((broadcast(x),))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """The mean as a module."""
        from stackc.modules.merge import Mean

        return construct(Mean)

    def expression(self, *x: str) -> str:
        """The mean, written out."""
        return f"({' + '.join(x)}) / {len(x)}" if len(x) > 1 else x[0]


@component("weighted_sum", SEVERAL)
class WeightedSum(Component):
    """y = γ · Σᵢ sᵢ·xᵢ with s = softmax(weight): a learned mix, which starts as the mean.

    x: [...] each → y: their shapes broadcast. The scalar mix of ELMo, Peters et al. 2018, arXiv:1802.05365, equation 1.
    """

    def signature(self, *x: TensorType) -> Signature:
        """The broadcast type; weight [inputs], gamma []."""
        require_floats(x)
        mixed = broadcast(x)
        return Signature((mixed,), {"weight": mixed.with_shape(len(x)), "gamma": mixed.with_shape()})

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """The scalar mix as a module."""
        from stackc.modules.merge import WeightedSum

        return construct(WeightedSum, len(x))


@component("gated_sum", "x", Port("branch", variadic=True))
class GatedSum(Component):
    """y = Σᵢ gᵢ·branchᵢ with g = softmax(W·x + b): at each position, x says how much of each branch is wanted.

    x: [..., features], branch: [..., n] each, their axes but the last those of x → y: [..., n]. The mixture of experts
    of Jacobs et al. 1991, with every expert at work. With `top_k`, g is the softmax over the k largest numbers of
    W·x + b, and 0 for all others: Shazeer et al. 2017, arXiv:1701.06538, without noise; all branches are still run.
    """

    bias: Annotated[bool, "learn the bias b"] = True
    top_k: Annotated[Size | None, "how many branches each position takes; by default all"] = None

    def signature(self, x: TensorType, *branch: TensorType) -> Signature:
        """The type that the branches share; `gate` has the parameters of a linear from features to branches."""
        require_floats((x, *branch))
        parameters = linear_parameters(features_of(x), len(branch), self.bias, x.dtype, "gate.")
        if self.top_k is not None and self.top_k > len(branch):
            raise SignatureError(f"top_k {self.top_k} is more than the {len(branch)} branches there are", field="top_k")
        for other in branch:
            if (other.dtype, other.shape) != (branch[0].dtype, branch[0].shape):
                raise SignatureError(f"needs branches of one type, and gets {branch[0]} and {other}", port="branch")
        if (branch[0].dtype, branch[0].shape[:-1]) != (x.dtype, x.shape[:-1]):
            needed = f"{x.dtype}[{', '.join([*map(str, x.shape[:-1]), '…'])}]"
            raise SignatureError(f"needs branches {needed} for a gate of {x}, and gets {branch[0]}", port="branch")
        return Signature((branch[0],), parameters, flops=linear_flops(x, len(branch)))

    def construction(self, x: TensorType, *branch: TensorType) -> ConstructorCall[nn.Module]:
        """A torch.nn.Linear, `gate`, and the sum it weighs."""
        from stackc.modules.merge import GatedSum

        some = self.top_k if self.top_k != len(branch) else None
        return construct(GatedSum, features_of(x), len(branch), self.bias, some)


@component("concat", SEVERAL)
class Concat(Component):
    """y = the inputs one after another along an axis, in the order of the arrows.

    x: [..., nᵢ, ...] each → y: [..., n₁ + n₂ + … + n_N, ...]; all other axes equal.
    """

    axis: Annotated[int, "the axis to join along, counted from 0, or from the end if negative"] = -1

    def signature(self, *x: TensorType) -> Signature:
        """The sizes along the axis added up."""
        first = x[0]
        axis = axis_of(self.axis, first)
        _require_same_dtype(x)
        for other in x[1:]:
            if other.rank != first.rank or _without(axis, other) != _without(axis, first):
                raise SignatureError(
                    f"cannot join {first} and {other} along axis {self.axis}",
                    port="x",
                    hint=_multiple(first, other, axis) or "all axes but that one have to be equal",
                )
        joined = sum((t.shape[axis] for t in x), Dim.of(0))
        return Signature((first.with_shape(*first.shape[:axis], joined, *first.shape[axis + 1 :]),))

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """The concatenation as a module."""
        from stackc.modules.merge import Concat

        return construct(Concat, self.axis)

    def expression(self, *x: str) -> str:
        """torch.cat."""
        return f"torch.cat(({', '.join(x)}{',' * (len(x) == 1)}), dim={self.axis})"


def _multiple(one: TensorType, other: TensorType, joined: int | None = None) -> str | None:
    """The contract by which sizes that were halved and doubled again are equal to what they were; None without one."""
    if one.rank != other.rank:
        return None
    pairs = [pair for axis, pair in enumerate(zip(one.shape, other.shape, strict=True)) if axis != joined]
    unlike = [(a, b) for a, b in pairs if a != b]
    multiples = [equating_multiple(a, b) for a, b in unlike]
    if not unlike or None in multiples:
        return None
    symbols = {name: of for pair in unlike for dim in pair for name, of in dim.symbols().items()}
    m = math.lcm(*(multiple for multiple in multiples if multiple))
    declared = ", ".join(f"{name}: {{multiple_of: {of * m}}}" for name, of in sorted(symbols.items()))
    return f"they are equal with `dims: {{{declared}}}`"


def _without(axis: int, x: TensorType) -> Shape:
    return x.shape[:axis] + x.shape[axis + 1 :]


def require_floats(x: tuple[TensorType, ...]) -> None:
    """A SignatureError unless the elements of each are floating-point numbers."""
    for t in x:
        require_float(t)


def require_numbers(x: tuple[TensorType, ...]) -> None:
    """A SignatureError where the elements of one are no numbers."""
    for t in x:
        if t.dtype == "bool":
            raise SignatureError(f"needs numbers, and gets {t}", code="T203", port="x")


def _require_same_dtype(x: tuple[TensorType, ...]) -> None:
    for other in x[1:]:
        if other.dtype != x[0].dtype:
            raise SignatureError(f"needs one element type, and gets {x[0]} and {other}", code="T203", port="x")


def broadcast(x: tuple[TensorType, ...]) -> TensorType:
    """The common type of the inputs; a SignatureError that names two of them where they do not go together."""
    _require_same_dtype(x)
    rank = max(t.rank for t in x)
    common = tuple(_common_size(x, axis) for axis in range(-rank, 0))
    return x[0].with_shape(*common)


def _common_size(x: tuple[TensorType, ...], axis: int) -> Dim:
    """The size that the inputs share at `axis`, counted from the end; inputs of lower rank have 1 there."""
    sized = [t for t in x if t.rank >= -axis and t.shape[axis] != 1]
    if not sized:
        return Dim.of(1)
    size = sized[0].shape[axis]
    for other in sized[1:]:
        if other.shape[axis] != size:
            raise SignatureError(
                f"cannot combine {sized[0]} and {other}: {size} is not {other.shape[axis]} at axis {axis}",
                port="x",
                hint=_multiple(sized[0], other) or "sizes have to be equal, or one of them 1",
            )
    return size
