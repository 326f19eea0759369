"""Vectors by id and by position, learned or sinusoidal; biases by distance; learned queries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.along import (
    Along,
    Followed,
    Mixes,
    carried,
    counted_along,
    distances_along,
    only_axes,
    pointwise_along,
)
from stackc.components.axes import Axes, everywhere, leading, pointwise
from stackc.components.base import (
    Component,
    Limit,
    Port,
    Signature,
    SignatureError,
    features_of,
    fixed,
    require_float,
    require_integer,
    require_layout,
    require_mask,
)
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Range, Size
from stackc.components.registry import component
from stackc.core.types import Dim, TensorType, shape

if TYPE_CHECKING:
    from torch import nn


@component("embedding", "x")
class Embedding(Component):
    """y[i] = weight[x[i]]: a learned vector for each id.

    x: [...] integers from 0 to vocab − 1 → y: [..., dim]. Bengio et al. 2003, JMLR 3.
    """

    vocab: Annotated[Size, "the number of ids"]
    dim: Annotated[Size, "features of each vector"]

    pointwise_axes = everywhere
    empty_axes = pointwise

    def signature(self, x: TensorType) -> Signature:
        """Return x with an additional last axis of `dim`; weight [vocab, dim]."""
        require_integer(x)
        weight = TensorType("float32", shape(self.vocab, self.dim))
        return Signature((weight.with_shape(*x.shape, self.dim),), {"weight": weight})

    def index_bounds(self, x: TensorType) -> Mapping[str, Dim]:
        """Return the number of ids."""
        return {"x": Dim.of(self.vocab)}

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Embedding."""
        from torch import nn

        return construct(nn.Embedding, self.vocab, self.dim)


@component("embedding_bag", "x", Port("weights", optional=True))
class EmbeddingBag(Component):
    """y[b] = Σⱼ weight[x[b, j]], or the mean or the maximum over j: one vector for each bag of ids.

    x: [bags, n] integers from 0 to vocab − 1, weights: [bags, n], factors of the vectors in a sum → y: [bags, dim].
    Bags of different lengths are one list of ids with the bag of each: an `embedding` and a `segment_sum`.
    """

    vocab: Annotated[Size, "the number of ids"]
    dim: Annotated[Size, "features of each vector"]
    mode: Annotated[Literal["sum", "mean", "max"], "how the vectors of a bag are combined"] = "mean"

    reduces = "combines all ids of a bag"

    def pointwise_axes(self, x: TensorType, weights: TensorType | None = None) -> tuple[Axes, ...]:
        """Return the axis of the bags."""
        return {0: (0,)}, {} if weights is None else {0: (0,)}

    def signature(self, x: TensorType, weights: TensorType | None = None) -> Signature:
        """Return one vector for each bag; weight [vocab, dim]."""
        require_integer(x)
        require_layout(x, "[bags, n]")
        weight = TensorType("float32", shape(self.vocab, self.dim))

        if weights is not None:
            require_float(weights, "weights")
            if weights.shape != x.shape:
                message = f"expects a weight for each id of {x}, got {weights}"
                raise SignatureError(message, port="weights")
            if self.mode != "sum":
                raise SignatureError(f"weights are factors of a sum, but mode is {self.mode}", field="mode")
            weight = TensorType(weights.dtype, weight.shape)
        return Signature((weight.with_shape(x.shape[0], self.dim),), {"weight": weight})

    def index_bounds(self, x: TensorType, weights: TensorType | None = None) -> Mapping[str, Dim]:
        """Return the number of ids."""
        return {"x": Dim.of(self.vocab)}

    def construction(self, x: TensorType, weights: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """Return torch.nn.EmbeddingBag."""
        from stackc.modules.embedding import EmbeddingBag

        return construct(EmbeddingBag, self.vocab, self.dim, mode=self.mode)


@component("learned_position", "x")
class LearnedPosition(Component):
    """y[0, i] = weight[i]: a learned vector for each position of x, to be added to the one at that position.

    x: ids [batch, seq] or vectors [batch, seq, features]; only its length is read → y: [1, seq, dim].
    Gehring et al. 2017, arXiv:1705.03122.
    """

    max: Annotated[Size, "positions in the table, the maximum sequence length"]
    dim: Annotated[Size | None, "features of each vector; by default those of x"] = None

    def along(self, followed: Followed, x: TensorType) -> Along | Mixes:
        """Return that it reads how many positions there are, and where they start."""
        return counted_along(only_axes(followed.axes[0], 1))

    def step_form(self, along: Along, *inputs: TensorType | None) -> Component:
        """Return the rows of the positions that new entries have."""
        from stackc.components.steps.positions import LearnedPositionStep

        return LearnedPositionStep(of=self) if along.needs_positions else self

    def signature(self, x: TensorType) -> Signature:
        """Return the first `seq` rows of weight [max, dim]; in the element type of x if that is a float."""
        if x.rank not in (2, 3):
            raise SignatureError(f"expects [batch, seq] or [batch, seq, features], got {x}", port="x")
        weight = TensorType(x.dtype if x.is_float else "float32", shape(self.max, self._dim(x)))
        seq = x.shape[1]
        limit = Limit(seq, f"its table has {self.max} positions", maximum=self.max)
        return Signature((weight.with_shape(1, seq, self._dim(x)),), {"weight": weight}, limits=(limit,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return a torch.nn.Embedding that gives its first rows."""
        from stackc.modules.embedding import LearnedPosition

        return construct(LearnedPosition, self.max, self._dim(x))

    def _dim(self, x: TensorType) -> int:
        if self.dim is not None:
            return self.dim
        if x.rank == 2:
            raise SignatureError(f"dim is required, since {x} has no features to take it from", field="dim")
        return features_of(x)


@component("sinusoidal_position", "x", Port("mask", optional=True))
class SinusoidalPosition(Component):
    """y[0, i, 2k] = sin(p_i / base^(2k / dim)), y[0, i, 2k + 1] = cos(p_i / base^(2k / dim)), p_i = scale·(start + i).

    x: vectors [batch, seq, features]; only their number is read → y: [1, seq, dim]; or an image
    [batch, features, height, width] → y: [1, dim, height, width], half of dim by row, then half by column.
    layout: halves has all sines before all cosines, y[0, i, k] and y[0, i, dim/2 + k], instead of 2k and 2k + 1.
    normalize: p_i = scale·(start + i) / (start + n − 1 + 10⁻⁶), with n positions. mask: [batch, seq] or
    [batch, height, width]; i and n count only where it is not 0, and y is of each sample.
    Vaswani et al. 2017, arXiv:1706.03762, section 3.5; for images: Parmar et al. 2018, arXiv:1802.05751; `start: 1` and
    `normalize: true` as in Carion et al. 2020, arXiv:2005.12872.
    """

    dim: Annotated[Size | None, "features of each vector, an even number; by default those of x"] = None
    base: Annotated[float, Range(minimum=1.0), "the ratio of the longest wavelength to the shortest"] = 10000.0
    start: Annotated[float, "the first position"] = 0.0
    normalize: Annotated[bool, "divide positions by the last one"] = False
    scale: Annotated[float | None, "the factor of positions; by default 1, with normalize 2π"] = None
    layout: Annotated[
        Literal["interleaved", "halves"], "sines and cosines alternate, or all sines come before all cosines"
    ] = "interleaved"

    def along(self, followed: Followed, x: TensorType, mask: TensorType | None = None) -> Along | Mixes:
        """Return that it reads how many positions there are, and where they start; or the batch of x and mask."""
        positions = only_axes(followed.axes[0], *((1,) if x.rank == 3 else (2, 3)))
        if self.normalize and positions:
            return Mixes("divides positions by the last one", field="normalize")
        if mask is None:
            return counted_along(positions)
        if positions or only_axes(followed.axes[1], *range(1, mask.rank)):
            return Mixes("counts the positions that its mask keeps", port="mask")
        batch: Axes = {0: (0,)}
        return carried(self, (only_axes(followed.axes[0], 0), followed.axes[1]), (batch, batch))

    def step_form(self, along: Along, *inputs: TensorType | None) -> Component:
        """Return the sinusoids of the positions that new entries have."""
        from stackc.components.steps.positions import SinusoidalPositionStep

        return SinusoidalPositionStep(of=self) if along.needs_positions else self

    def signature(self, x: TensorType, mask: TensorType | None = None) -> Signature:
        """Return one vector per position, in the element type of x."""
        require_float(x)
        dim = self._dim(x)
        if mask is not None:
            self._require_mask(mask, x)
        batch = Dim.of(1) if mask is None else x.shape[0]
        if x.rank == 3:
            return Signature((x.with_shape(batch, x.shape[1], dim),))
        return Signature((x.with_shape(batch, dim, *x.shape[2:]),))

    def construction(self, x: TensorType, mask: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """Return the sinusoids as a module."""
        from stackc.modules.embedding import SinusoidalPosition, SinusoidalPosition2d

        kind = SinusoidalPosition if x.rank == 3 else SinusoidalPosition2d
        scale = self.scale if self.scale is not None else 2 * math.pi if self.normalize else 1.0
        halves = self.layout == "halves"
        return construct(kind, self._dim(x), self.base, self.start, scale, self.normalize, halves=halves)

    def _require_mask(self, mask: TensorType, x: TensorType) -> None:
        require_mask(mask)
        expected = (x.shape[0], x.shape[1]) if x.rank == 3 else (x.shape[0], *x.shape[2:])
        if mask.shape != expected:
            message = f"expects a mask [{', '.join(map(str, expected))}], got {mask}"
            raise SignatureError(message, port="mask")

    def _dim(self, x: TensorType) -> int:
        if x.rank not in (3, 4):
            message = f"expects [batch, seq, features] or [batch, features, height, width], got {x}"
            raise SignatureError(message, port="x")

        dim = self.dim or fixed(x.shape[-1 if x.rank == 3 else 1], "the feature axis", port="x")
        multiple = 2 if x.rank == 3 else 4  # a sine and a cosine, along each axis
        if dim % multiple:
            message = f"dim {dim} is not a multiple of {multiple}: each frequency has a sine and a cosine"
            raise SignatureError(message, field="dim")
        return dim


@component("relative_position_bias", "x", Port("context", optional=True))
class RelativePositionBias(Component):
    """y[0, h, i, j] = weight[bucket(j − i), h]: a learned attention bias for each head and distance.

    Each short distance has its own bucket; longer ones, up to max_distance, share the other buckets, which widen.
    x: [batch, queries, ...], context: [batch, keys, ...], by default x itself → y: [1, heads, queries, keys], for the
    port `bias` of attention. Raffel et al. 2019, arXiv:1910.10683.
    """

    heads: Annotated[Size, "the number of attention heads"]
    buckets: Annotated[
        int,
        Range(minimum=4),
        "the number of distance buckets; with bidirectional an even number, half of it for each direction",
    ] = 32
    max_distance: Annotated[Size, "the distance from which all share the last bucket"] = 128
    bidirectional: Annotated[
        bool, "distinguish keys after the query from those before it; otherwise all keys after it have distance 0"
    ] = True

    def along(self, followed: Followed, x: TensorType, context: TensorType | None = None) -> Along | Mixes:
        """Return that it reads how many positions there are, and where queries start."""
        return distances_along(followed.axes[0], followed.axes[1] if context else None, queries=2)

    def signature(self, x: TensorType, context: TensorType | None = None) -> Signature:
        """Return one bias per score; weight [buckets, heads]."""
        for port, t in (("x", x), ("context", context)):
            if t is not None and t.rank < 2:
                raise SignatureError(f"expects [batch, positions, ...], got {t}", port=port)

        if self.bidirectional and self.buckets % 2:
            message = f"buckets {self.buckets} must be even: half of them for each direction"
            raise SignatureError(message, field="buckets")
        if self.max_distance <= self._near:
            message = (
                f"max_distance {self.max_distance} must be above {self._near}: shorter distances have a bucket each"
            )
            raise SignatureError(message, field="max_distance")

        dtype = x.dtype if x.is_float else "float32"
        weight = TensorType(dtype, shape(self.buckets, self.heads))
        keys = (x if context is None else context).shape[1]
        return Signature((weight.with_shape(1, self.heads, x.shape[1], keys),), {"weight": weight})

    def construction(self, x: TensorType, context: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """Return a torch.nn.Embedding indexed by distance buckets."""
        from stackc.modules.embedding import RelativePositionBias

        return construct(
            RelativePositionBias,
            self.buckets,
            self.heads,
            max_distance=self.max_distance,
            bidirectional=self.bidirectional,
        )

    @property
    def reach(self) -> int:
        """The distance from which all share the last bucket."""
        return self.max_distance

    @property
    def _buckets_per_direction(self) -> int:
        """The number of buckets of one direction."""
        return self.buckets // 2 if self.bidirectional else self.buckets

    @property
    def _near(self) -> int:
        """The number of distances that have a bucket each."""
        return self._buckets_per_direction // 2


@component("learned_query", "x")
class LearnedQuery(Component):
    """y[b] = weight: learned query vectors, the same for every sample.

    x: [batch, ...]; only its batch size is read → y: [batch, count, dim]. Object queries of Carion et al. 2020,
    arXiv:2005.12872.
    """

    count: Annotated[Size, "the number of vectors"]
    dim: Annotated[Size, "features of each vector"]

    pointwise_axes = leading(1)

    def along(self, followed: Followed, x: TensorType) -> Along | Mixes:
        """Return that it reads the batch size alone."""
        return pointwise_along(self, [only_axes(followed.axes[0], 0)], (x,))

    def signature(self, x: TensorType) -> Signature:
        """Return weight [count, dim] for every sample; in the element type of x if that is a float."""
        if not x.rank:
            raise SignatureError(f"expects [batch, ...], got {x}", port="x")
        weight = TensorType(x.dtype if x.is_float else "float32", shape(self.count, self.dim))
        return Signature((weight.with_shape(x.shape[0], self.count, self.dim),), {"weight": weight})

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the table of a torch.nn.Embedding, for each sample."""
        from stackc.modules.embedding import LearnedQuery

        return construct(LearnedQuery, self.count, self.dim)
