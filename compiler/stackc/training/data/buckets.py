"""The order of the examples in an epoch: random, but always the same for a seed and an epoch."""

from __future__ import annotations

import numpy as np

from stackc.runtime import Array


def epoch_order(count: int, seed: int, epoch: int, *, shuffle: bool) -> Array:
    """Return the order of the examples in an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count) if shuffle else np.arange(count)


def bucketed_order(order: Array, lengths: Array, batch: int, buckets: int, seed: tuple[int, int]) -> Array:
    """Return an order in which the rows of each batch are of similar length.

    Of `buckets` batches at a time the rows are sorted by length; their batches then come in a random order. The last
    batch of all stays last, since it may be smaller.
    """
    random = np.random.default_rng([*seed, 1])
    parts = []
    for start in range(0, len(order), batch * buckets):
        rows = order[start : start + batch * buckets]
        batches = np.split(rows[np.argsort(lengths[rows], kind="stable")], range(batch, len(rows), batch))
        whole = [part for part in batches if len(part) == batch]
        parts += [whole[index] for index in random.permutation(len(whole))]
        parts += [part for part in batches if len(part) < batch]
    return np.concatenate(parts)
