"""Products of vectors and matrices with each other: how alike two of them are, and matrices multiplied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.base import Component, Port, Signature, SignatureError, axis_of
from stackc.components.construction import ConstructorCall, construct
from stackc.components.families.merge import SEVERAL, broadcast, require_floats
from stackc.components.fields import Epsilon
from stackc.components.registry import component
from stackc.core.types import TensorType, product

if TYPE_CHECKING:
    from torch import nn

Axis = Annotated[int, "the axis of the vectors, counted from 0, or from the end if negative"]


def _pair(x: tuple[TensorType, ...], axis: int) -> Signature:
    """A number for each pair of vectors along an axis, which goes; a SignatureError unless there are two inputs that fit."""
    require_floats(x)
    if len(x) != 2:
        raise SignatureError(f"needs two arrows, one for each factor, and gets {len(x)}", port="x")
    both = broadcast(x)
    place = axis_of(axis, both)
    from_end = place - both.rank
    if any(t.rank < -from_end or t.shape[from_end] != both.shape[place] for t in x):
        raise SignatureError(f"the vectors of {x[0]} and {x[1]} differ in length", port="x")
    return Signature((both.with_shape(*both.shape[:place], *both.shape[place + 1 :]),))


@component("dot", SEVERAL)
class Dot(Component):
    """y = Σᵢ aᵢ·bᵢ along an axis, for two arrows into x, which bring a and b.

    x: [..., n, ...] each → y: [..., ...], their shapes broadcast, the axis gone.
    Of vectors of length 1 it is their cosine.
    """

    axis: Axis = -1

    def signature(self, *x: TensorType) -> Signature:
        """The axis goes."""
        return _pair(x, self.axis)

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """The sum of products as a module."""
        from stackc.modules.product import Dot

        return construct(Dot, self.axis)

    def expression(self, a: str, b: str) -> str:
        """The sum of products, written out."""
        return f"({a} * {b}).sum(dim={self.axis})"


@component("cosine_similarity", SEVERAL)
class CosineSimilarity(Component):
    """y = Σᵢ aᵢ·bᵢ / (max(‖a‖₂, eps) · max(‖b‖₂, eps)) along an axis, for two arrows into x, which bring a and b.

    x: [..., n, ...] each → y: [..., ...], their shapes broadcast, the axis gone.
    """

    axis: Axis = -1
    eps: Annotated[Epsilon, "the least norm to divide by"] = 1e-8

    def signature(self, *x: TensorType) -> Signature:
        """The axis goes."""
        return _pair(x, self.axis)

    def construction(self, *x: TensorType) -> ConstructorCall[nn.Module]:
        """torch.nn.CosineSimilarity."""
        from torch import nn

        return construct(nn.CosineSimilarity, self.axis, self.eps)


@component("matmul", "x", Port("other"))
class Matmul(Component):
    """y = x · other, the product of two matrices, or of as many pairs of them as the other axes hold.

    x: [..., m, k], other: [..., k, n], or [..., n, k] if transposed → y: [..., m, n]; the axes before broadcast.
    """

    transposed: Annotated[bool, "take `other` with its last two axes exchanged"] = False

    def signature(self, x: TensorType, other: TensorType) -> Signature:
        """The inner axis goes."""
        require_floats((x, other))
        for port, t in (("x", x), ("other", other)):
            if t.rank < 2:
                raise SignatureError(f"needs [..., rows, columns], and gets {t}", port=port)
        inner, columns = other.shape[-2:] if not self.transposed else other.shape[:-3:-1]
        if inner != x.shape[-1]:
            raise SignatureError(
                f"cannot multiply {x} by {other}: {x.shape[-1]} is not {inner}",
                port="other",
                hint="`transposed: true` takes it with its last two axes exchanged",
            )
        before = broadcast((x.with_shape(*x.shape[:-2]), other.with_shape(*other.shape[:-2]))).shape
        y = x.with_shape(*before, x.shape[-2], columns)
        return Signature((y,), flops=2 * product(y.shape) * inner)

    def construction(self, x: TensorType, other: TensorType) -> ConstructorCall[nn.Module]:
        """torch.matmul as a module."""
        from stackc.modules.product import Matmul

        return construct(Matmul, self.transposed)

    def expression(self, x: str, other: str) -> str:
        """The operator."""
        return f"{x} @ {other}.transpose(-2, -1)" if self.transposed else f"{x} @ {other}"
