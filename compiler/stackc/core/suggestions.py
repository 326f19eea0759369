"""Suggest the known name that a misspelt one means.

In this order: the same name in another spelling, the word of another library, a typing slip, a part of a longer name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

SYNONYMS: dict[str, tuple[str, ...]] = {
    # components
    "dense": ("linear",), "fc": ("linear",), "fullyconnected": ("linear",), "proj": ("linear",),
    "projection": ("linear",), "affine": ("linear",), "swish": ("silu",), "conv": ("conv2d", "conv1d"),
    "deconv": ("conv_transpose2d",), "convtranspose": ("conv_transpose2d",),
    "pool": ("max_pool2d", "mean_pool"), "avgpool": ("avg_pool2d",), "averagepool": ("avg_pool2d",),
    "gap": ("global_avg_pool",), "attn": ("attention",), "selfattn": ("attention",), "selfattention": ("attention",),
    "crossattention": ("attention",), "mha": ("attention",), "multiheadattention": ("attention",),
    "sdpa": ("attention",), "ffn": ("mlp",), "feedforward": ("mlp",), "ln": ("layer_norm",), "lnorm": ("layer_norm",),
    "bn": ("batch_norm",), "gn": ("group_norm",), "norm": ("layer_norm",), "cat": ("concat",), "sum": ("add",),
    "add": ("sum",), "avg": ("mean",), "average": ("mean",), "plus": ("add",), "residual": ("add",),
    "multiply": ("mul",), "product": ("mul",), "times": ("mul", "repeat"),
    "emb": ("embedding",), "lookup": ("embedding",), "positionalencoding": ("sinusoidal_position",),
    "positionembedding": ("learned_position",), "interpolate": ("resize",), "nms": ("non_max_suppression",),
    "bmm": ("matmul",), "view": ("reshape",), "sequential": ("stack",), "noop": ("identity",),
    "gating": ("glu",),
    # fields of components
    "kernelsize": ("kernel",), "ksize": ("kernel",), "filters": ("out",), "units": ("out",), "channels": ("out",),
    "features": ("out",), "size": ("out", "dim", "hidden"), "width": ("out", "hidden", "dim"),
    "numheads": ("heads",), "nhead": ("heads",), "nheads": ("heads",), "hiddensize": ("hidden",),
    "intermediatesize": ("hidden",), "ffndim": ("hidden",), "dmodel": ("dim",), "embeddim": ("dim",),
    "embeddingdim": ("dim",), "numembeddings": ("vocab",), "numgroups": ("groups",), "rate": ("p", "dropout"),
    "prob": ("p",), "dropoutrate": ("p", "dropout"), "factor": ("scale",), "usebias": ("bias",),
    "nonlinearity": ("activation",), "elementwiseaffine": ("affine",),
    # keys of stacks
    "n": ("repeat",), "layers": ("repeat",), "numlayers": ("repeat",), "depth": ("repeat",), "args": ("with",),
    "kwargs": ("with",), "params": ("with",), "block": ("of",), "module": ("of",), "type": ("op", "dtype"),
}  # fmt: skip
"""Words of other libraries, folded → the names used here; the first of these that is known is the suggestion."""

SHORTEST_PART = 3
"""Fewest letters that a prefix must have to suggest the longer name, unless only one letter is missing."""


MOST_COMPARED = 30_000
"""Pairs of names that `bounded_suggestions` compares: about half a second."""

_compared: ContextVar[list[int] | None] = ContextVar("compared", default=None)


def folded(name: str) -> str:
    """Remove case and separators, so that `LayerNorm`, `layer-norm` and `layer_norm` are the same."""
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")


@contextmanager
def bounded_suggestions() -> Iterator[None]:
    """Compare at most `MOST_COMPARED` pairs of names inside, so that many mistakes beside many names stay cheap.

    Those after that get no suggestion: many more are collected than a person reads.
    """
    if _compared.get() is not None:
        yield  # the one around counts
        return
    token = _compared.set([0])
    try:
        yield
    finally:
        _compared.reset(token)


def likeliest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` most likely means, or None if none is similar."""
    names = sorted(set(known))
    word = folded(name)
    if not word or not _may_compare(len(names)):
        return None

    if same := next((candidate for candidate in names if folded(candidate) == word), None):
        return same
    if synonym := next((candidate for candidate in SYNONYMS.get(word, ()) if candidate in names), None):
        return synonym
    return _fewest_edits(name, names) or _longest_overlap(word, names)


def _may_compare(count: int) -> bool:
    """Return whether one more name may be compared with `count` others, and count them."""
    compared = _compared.get()
    if compared is None:
        return True
    compared[0] += count
    return compared[0] <= MOST_COMPARED


def _fewest_edits(name: str, names: list[str]) -> str | None:
    """Return the name at the smallest edit distance, if that is at most about one edit for every three letters."""
    similar = difflib.get_close_matches(name, names, n=8, cutoff=0.6)
    ranked = sorted((edits(name, candidate), rank) for rank, candidate in enumerate(similar))
    return next(
        (similar[rank] for count, rank in ranked if count <= (max(len(name), len(similar[rank])) + 1) // 3), None
    )


def _longest_overlap(word: str, names: list[str]) -> str | None:
    """Return the shortest name that begins with the word, else the longest name that the word begins with."""
    pairs = [(folded(name), name) for name in names]
    longer = [(len(other), name) for other, name in pairs if other.startswith(word) and _is_part(word, other)]
    shorter = [(-len(other), name) for other, name in pairs if word.startswith(other) and _is_part(other, word)]
    return min(longer or shorter, default=(0, None))[1]


def _is_part(part: str, whole: str) -> bool:
    return len(part) >= SHORTEST_PART or (len(part) > 0 and len(whole) - len(part) == 1)


def edits(left: str, right: str) -> int:
    """Return the edit distance of two names: insertions, deletions, substitutions and swaps of neighbours.

    This is the optimal string alignment distance; only three rows of its table are kept.
    """
    row: list[int] = [*range(len(right) + 1)]
    two_above = row

    for i, a in enumerate(left):
        above = row
        row = [i + 1]
        for j, b in enumerate(right):
            cost = min(above[j] + (a != b), above[j + 1] + 1, row[j] + 1)
            if i and j and a == right[j - 1] and b == left[i - 1]:
                cost = min(cost, two_above[j - 1] + 1)
            row.append(cost)
        two_above = above

    return row[-1]
