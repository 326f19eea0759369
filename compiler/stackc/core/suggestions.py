"""Which known name a misspelt one is meant for: the same spelt otherwise, another library's word, a slip, a part."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

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
    "positionembedding": ("learned_position",), "interpolate": ("upsample",), "resize": ("upsample",),
    "bmm": ("matmul",), "view": ("reshape",), "sequential": ("stack",), "noop": ("identity",),
    "normalize": ("l2_normalize",), "gating": ("glu",),
    # their fields
    "kernelsize": ("kernel",), "ksize": ("kernel",), "filters": ("out",), "units": ("out",), "channels": ("out",),
    "features": ("out",), "size": ("out", "dim", "hidden"), "width": ("out", "hidden", "dim"),
    "numheads": ("heads",), "nhead": ("heads",), "nheads": ("heads",), "hiddensize": ("hidden",),
    "intermediatesize": ("hidden",), "ffndim": ("hidden",), "dmodel": ("dim",), "embeddim": ("dim",),
    "embeddingdim": ("dim",), "numembeddings": ("vocab",), "numgroups": ("groups",), "rate": ("p", "dropout"),
    "prob": ("p",), "dropoutrate": ("p", "dropout"), "factor": ("scale",), "usebias": ("bias",),
    "nonlinearity": ("activation",), "elementwiseaffine": ("affine",),
    # of stacks
    "n": ("repeat",), "layers": ("repeat",), "numlayers": ("repeat",), "depth": ("repeat",), "args": ("with",),
    "kwargs": ("with",), "params": ("with",), "block": ("of",), "module": ("of",), "type": ("op", "dtype"),
}  # fmt: skip
"""What other libraries call things, folded, and what they are called here; the first that is known is meant."""

SHORTEST_PART = 3
"""Letters that a name has to share with a longer one that begins with it, unless it lacks no more than one."""


def folded(name: str) -> str:
    """The name without what spellings differ by: `LayerNorm`, `layer-norm` and `layer_norm` are one."""
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")


def likeliest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is meant, as it seems; None where none is like it."""
    names = sorted(set(known))
    word = folded(name)
    if not word:
        return None
    if same := next((one for one in names if folded(one) == word), None):
        return same
    if meant := next((one for one in SYNONYMS.get(word, ()) if one in names), None):
        return meant
    return _slip(name, names) or _part(word, names)


def _slip(name: str, names: list[str]) -> str | None:
    """The name that the fewest edits lead to, about one for every three letters at most."""
    alike = difflib.get_close_matches(name, names, n=8, cutoff=0.6)
    counted = sorted((edits(name, one), place) for place, one in enumerate(alike))
    return next((alike[i] for count, i in counted if count <= (max(len(name), len(alike[i])) + 1) // 3), None)


def _part(word: str, names: list[str]) -> str | None:
    """The shortest name that begins with the word, else the longest that the word begins with."""
    pairs = [(folded(one), one) for one in names]
    longer = [(len(other), one) for other, one in pairs if other.startswith(word) and _is_part(word, other)]
    shorter = [(-len(other), one) for other, one in pairs if word.startswith(other) and _is_part(other, word)]
    return min(longer or shorter, default=(0, None))[1]


def _is_part(part: str, whole: str) -> bool:
    return len(part) >= SHORTEST_PART or (len(part) > 0 and len(whole) - len(part) == 1)


def edits(one: str, other: str) -> int:
    """How many letters have to be put in, left out, changed, or swapped with the next, to make one name the other."""
    row: list[int] = [*range(len(other) + 1)]
    before = row
    for i, a in enumerate(one):
        above = row
        row = [i + 1]
        for j, b in enumerate(other):
            cost = min(above[j] + (a != b), above[j + 1] + 1, row[j] + 1)
            if i and j and a == other[j - 1] and b == one[i - 1]:
                cost = min(cost, before[j - 1] + 1)
            row.append(cost)
        before = above
    return row[-1]
