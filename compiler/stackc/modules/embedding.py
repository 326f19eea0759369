"""Vectors by position, biases by distance, and learned queries."""

from itertools import pairwise

import torch
from torch import Tensor, nn


class LearnedPosition(nn.Embedding):
    """A table of one vector per position."""

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, seq, ...] → the vectors of its positions, [1, seq, dim]."""
        return self.weight[: x.shape[1]].unsqueeze(0)


class SinusoidalPosition(nn.Module):
    """Sinusoids of increasing wavelength, a sine and a cosine each."""

    def __init__(self, dim: int, base: float = 10000.0) -> None:
        super().__init__()
        self.dim = dim
        self.base = base

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, seq, features] → [1, seq, dim]."""
        return sinusoids(x, x.shape[1], self.dim, self.base).unsqueeze(0)


class SinusoidalPosition2d(nn.Module):
    """Sinusoids along both axes of an image: half of the features by row, half by column."""

    def __init__(self, dim: int, base: float = 10000.0) -> None:
        super().__init__()
        self.dim = dim
        self.base = base

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, features, height, width] → [1, dim, height, width]."""
        height, width = x.shape[2:]
        rows = sinusoids(x, height, self.dim // 2, self.base).unsqueeze(1).expand(-1, width, -1)
        columns = sinusoids(x, width, self.dim // 2, self.base).expand(height, -1, -1)
        return torch.cat((rows, columns), dim=-1).permute(2, 0, 1).unsqueeze(0)


def sinusoids(like: Tensor, length: int, dim: int, base: float) -> Tensor:
    """[length, dim] in the type of a tensor: sin and cos of i / base^(2k / dim), alternating."""
    frequencies = like.new_tensor([base ** (-2 * k / dim) for k in range(dim // 2)])
    positions = torch.arange(length, dtype=like.dtype, device=like.device)
    angles = positions.unsqueeze(1) * frequencies
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)


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
