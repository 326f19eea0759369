"""Mixtures of experts whose gate chooses: the choice, and the sum over those that are chosen.

The choice is a component of its own, so that it can be proven by itself: near a tie two exact models may choose
differently, and everything after it differs. `stack` with `mode: gated` and `top_k` draws both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.axes import except_along, last
from stackc.components.base import Component, Port, Signature, SignatureError, features_of, require_float
from stackc.components.construction import ConstructorCall, construct
from stackc.components.families.merge import require_branches, require_floats
from stackc.components.fields import Size
from stackc.components.registry import component
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn


@component("top_k_mask", "x")
class TopKMask(Component):
    """y[..., i] is true if x[..., i] is among the k largest entries of the last axis, of equal ones the first.

    x: [..., n] with n ≥ k → y: bool [..., n]. The routing of Shazeer et al. 2017, arXiv:1701.06538, without noise.
    """

    k: Annotated[Size, "the number of entries that are true"]

    mixes = ("chooses among all entries of the axis", None)
    pointwise_axes = except_along(last)

    def signature(self, x: TensorType) -> Signature:
        """Return booleans of the same shape."""
        require_float(x, is_arithmetic=True)
        if self.k > (entries := features_of(x)):
            raise SignatureError(f"k {self.k} exceeds the {entries} entries of the last axis of {x}", field="k")
        return Signature((TensorType("bool", x.shape),))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.topk and torch.scatter as a module."""
        from stackc.modules.experts import TopKMask

        return construct(TopKMask, self.k)


@component("routed_sum", "x", Port("mask"), Port("branch", variadic=True))
class RoutedSum(Component):
    """y = Σᵢ gᵢ·branchᵢ with g = softmax(x) over the branches whose mask is true, and 0 for all others.

    x, mask: [..., branches], branch: [..., n] each → y: [..., n]. The mixture of experts of Mixtral, Jiang et al. 2024,
    arXiv:2401.04088. Without `renormalize`, g is the softmax over all branches, set to 0 where the mask is false. All
    branches run at every position, so that the graph is the same whatever is chosen.
    """

    renormalize: Annotated[bool, "make the weights of those chosen sum to 1"] = True

    pointwise_axes = except_along(last)

    def signature(self, x: TensorType, mask: TensorType, *branch: TensorType) -> Signature:
        """Return the type that the branches share."""
        require_floats((x, *branch))
        if mask.dtype != "bool" or mask.shape != x.shape:
            expected = TensorType("bool", x.shape)
            raise SignatureError(f"expects a mask {expected} for scores {x}, got {mask}", port="mask", code="T203")
        if features_of(x) != len(branch):
            message = f"expects a score for each of {len(branch)} branches, got {x}"
            raise SignatureError(message, port="x", hint=f"its last axis must have {len(branch)} entries")
        require_branches(x, branch)
        return Signature((branch[0],))

    def construction(self, x: TensorType, mask: TensorType, *branch: TensorType) -> ConstructorCall[nn.Module]:
        """Return softmax and weighted sum as a module."""
        from stackc.modules.experts import RoutedSum

        return construct(RoutedSum, self.renormalize)
