"""Vectors by position, biases by distance, and learned queries."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn


class EmbeddingBag(nn.EmbeddingBag):
    """The sum, mean or maximum of the vectors of each row of ids."""

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensor]:
        """Look up all vectors and reduce them: the exporter makes a loop over the bags."""

        def forward(x: Tensor, weights: Tensor | None = None) -> Tensor:
            vectors = nn.functional.embedding(x, self.weight)  # [bags, n, dim]
            if weights is not None:
                vectors = vectors * weights.unsqueeze(-1)
            if self.mode == "max":
                return vectors.amax(dim=1)
            return vectors.sum(dim=1) if self.mode == "sum" else vectors.mean(dim=1)

        return forward

    def forward(self, x: Tensor, weights: Tensor | None = None) -> Tensor:  # type: ignore[override]  # no offsets
        """x [bags, n] ids, weights [bags, n] → [bags, dim]."""
        return super().forward(x, per_sample_weights=weights)


class LearnedPosition(nn.Embedding):
    """A table of one vector per position."""

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, seq, ...] → the vectors of its positions, [1, seq, dim]."""
        return self.weight[: x.shape[1]].unsqueeze(0)


class SinusoidalPosition(nn.Module):
    """Sinusoids of increasing wavelength, a sine and a cosine each."""

    def __init__(
        self,
        dim: int,
        base: float = 10000.0,
        start: float = 0.0,
        scale: float = 1.0,
        normalize: bool = False,
        *,
        halves: bool = False,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.base = base
        self.start = start
        self.scale = scale
        self.normalize = normalize
        self.halves = halves

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x [batch, seq, features], mask [batch, seq] → [1 or batch, seq, dim]."""
        waves = self.sinusoids(self.places(x, 1, mask), self.dim)
        return waves.unsqueeze(0) if mask is None else waves

    def places(self, x: Tensor, axis: int, mask: Tensor | None) -> Tensor:
        """Positions along an axis of x, [size]; or of the mask, of its shape, counted where it is not 0."""
        if mask is None:
            places = torch.arange(x.shape[axis], dtype=x.dtype, device=x.device)
        else:
            places = mask.bool().to(x.dtype).cumsum(axis) - 1

        if self.start:
            places = places + self.start
        if self.normalize:
            last = places.amax(0 if mask is None else axis, keepdim=True)
            places = places / (last + 1e-6)
        return places if self.scale == 1.0 else places * self.scale

    def sinusoids(self, places: Tensor, dim: int) -> Tensor:
        """[...] → [..., dim]: sin and cos of place / base^(2k / dim), alternating or each in a half."""
        frequencies = places.new_tensor([self.base ** (-2 * k / dim) for k in range(dim // 2)])
        axis = places.dim()
        angles = places.unsqueeze(axis) * frequencies
        if self.halves:
            return torch.cat((angles.sin(), angles.cos()), dim=-1)
        return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(axis)


class SinusoidalPosition2d(SinusoidalPosition):
    """Sinusoids along both axes of an image: half of the features by row, half by column."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x [batch, features, height, width], mask [batch, height, width] → [1 or batch, dim, height, width]."""
        if mask is not None:
            rows, columns = (self.sinusoids(self.places(x, axis, mask), self.dim // 2) for axis in (1, 2))
            return torch.cat((rows, columns), dim=-1).permute(0, 3, 1, 2)

        height, width = x.shape[2:]
        rows = self.sinusoids(self.places(x, 2, None), self.dim // 2).unsqueeze(1).expand(-1, width, -1)
        columns = self.sinusoids(self.places(x, 3, None), self.dim // 2).expand(height, -1, -1)
        return torch.cat((rows, columns), dim=-1).permute(2, 0, 1).unsqueeze(0)


class RelativePositionBias(nn.Embedding):
    """A bias for each head and bucket of distances: short ones have a bucket each, long ones share wider buckets."""

    def __init__(self, buckets: int, heads: int, *, max_distance: int = 128, bidirectional: bool = True) -> None:
        super().__init__(buckets, heads)
        starts = first_distances(buckets // 2 if bidirectional else buckets, max_distance)
        self.buckets = [bucket for bucket, ends in enumerate(pairwise(starts)) for _ in range(*ends)]
        self.buckets.append(len(starts) - 1)
        self.bidirectional = bidirectional

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """x [batch, queries, ...], context [batch, keys, ...] → [1, heads, queries, keys]."""
        source = x if context is None else context
        device = self.weight.device
        keys, queries = (torch.arange(t.shape[1], device=device) for t in (source, x))
        offset = keys.unsqueeze(0) - queries.unsqueeze(1)  # [queries, keys]
        distance = offset.abs() if self.bidirectional else (-offset).clamp(min=0)

        table = torch.tensor(self.buckets, device=device)
        bucket = table[distance.clamp(max=len(self.buckets) - 1)]
        if self.bidirectional:
            bucket = bucket + (offset > 0) * (self.num_embeddings // 2)
        return super().forward(bucket).permute(2, 0, 1).unsqueeze(0)


def first_distances(buckets: int, max_distance: int) -> list[int]:
    """The least distance in each bucket: 0, 1, …, n − 1, then n·(max_distance / n)^(i / rest), n half the buckets.

    It is computed in integers, so that rounding cannot move a distance to another bucket.
    """
    near, rest = buckets // 2, buckets - buckets // 2
    starts = list(range(near))
    for i in range(rest):
        bound = near ** (rest - i) * max_distance**i
        starts.append(next(d for d in range(starts[-1], max_distance + 1) if d**rest >= bound))
    return starts


class LearnedQuery(nn.Embedding):
    """Learned vectors, the same for every sample."""

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, ...] → [batch, count, dim]."""
        return self.weight.expand(x.shape[0], -1, -1)
