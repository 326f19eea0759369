"""Tables of learned vectors, looked up by id or by position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.base import Component, Limit, Misfit, Signature, component, features_of, require_integer
from stackc.components.fields import Size
from stackc.types import TensorType, shape

if TYPE_CHECKING:
    from torch import nn


@component("embedding", "x")
class Embedding(Component):
    """y[i] = weight[x[i]]: a learned vector for each id.

    x: [...] whole numbers from 0 up to vocab − 1 → y: [..., dim]. Bengio et al. 2003, JMLR 3.
    """

    vocab: Annotated[Size, "how many ids there are"]
    dim: Annotated[Size, "features of a vector"]

    def signature(self, x: TensorType) -> Signature:
        """A last axis of `dim` more; weight [vocab, dim]."""
        require_integer(x)
        weight = TensorType("float32", shape(self.vocab, self.dim))
        return Signature((weight.with_shape(*x.shape, self.dim),), {"weight": weight})

    def module(self, x: TensorType) -> nn.Module:
        """torch.nn.Embedding."""
        from torch import nn

        return nn.Embedding(self.vocab, self.dim)


@component("learned_position", "x")
class LearnedPosition(Component):
    """y[0, i] = weight[i]: a learned vector for each position of x, to be added to what stands there.

    x: ids [batch, seq] or vectors [batch, seq, features], of which only the length is read → y: [1, seq, dim].
    Gehring et al. 2017, arXiv:1705.03122.
    """

    max: Annotated[Size, "positions in the table, the length of the longest sequence"]
    dim: Annotated[Size | None, "features of a vector; by default as many as x has"] = None

    def signature(self, x: TensorType) -> Signature:
        """The first `seq` rows of weight [max, dim]; in the element type of x where that is a float."""
        if x.rank not in (2, 3):
            raise Misfit(f"needs [batch, seq] or [batch, seq, features], and gets {x}", port="x")
        weight = TensorType(x.dtype if x.is_float else "float32", shape(self.max, self._dim(x)))
        seq = x.shape[1]
        limit = Limit(seq, f"its table has {self.max} positions", maximum=self.max)
        return Signature((weight.with_shape(1, seq, self._dim(x)),), {"weight": weight}, limits=(limit,))

    def module(self, x: TensorType) -> nn.Module:
        """The rows of a torch.nn.Embedding from the first on."""
        from stackc.modules.embedding import LearnedPosition

        return LearnedPosition(self.max, self._dim(x))

    def _dim(self, x: TensorType) -> int:
        if self.dim is not None:
            return self.dim
        if x.rank == 2:
            raise Misfit(f"dim is needed, since {x} has no features to take it from", field="dim")
        return features_of(x)
