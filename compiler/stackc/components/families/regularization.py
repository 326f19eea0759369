"""Regularization that acts in training alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.base import Signature, SignatureError
from stackc.components.construction import ConstructorCall, construct
from stackc.components.families.activation import Elementwise
from stackc.components.fields import Probability
from stackc.components.registry import component
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn


@component("stochastic_depth", "x")
class StochasticDepth(Elementwise):
    """y = x in evaluation; in training y = x·m / (1 − p), where m is 0 with probability p, else 1, for each sample.

    x: [batch, ...] → y: the same. `mode: batch` draws one m for all samples. Before the sum of a residual connection it
    leaves out the branch: Huang et al. 2016, arXiv:1603.09382; `p: index / count` grows it from layer to layer.
    """

    p: Annotated[Probability, "the probability of leaving x out"]
    mode: Annotated[Literal["row", "batch"], "draw for each sample, or once for all"] = "row"

    def signature(self, x: TensorType) -> Signature:
        """Return the same type."""
        if not x.rank:
            raise SignatureError(f"expects [batch, ...], got {x}", port="x")
        return super().signature(x)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the product with the drawn factor as a module."""
        from stackc.modules.regularization import StochasticDepth

        return construct(StochasticDepth, self.p, self.mode)
