"""Propose entries of a map for parameters that a file lacks, by name, shape and order.

Parameters whose names differ in numbers alone are one family, and so are tensors; families of equal size and equal
shapes may mean each other, and the most similar names do. A tensor that is as large as two or three parameters of one
node together is proposed in parts. Proposals are guesses: equal shapes say nothing about meaning, names do a little.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from stackc.weights.mismatch import Missing
from stackc.weights.sources import tensor_shape

Shape = tuple[int, ...]
MOST_FAMILIES = 300
"""How many families of names are compared with each other; more would take minutes."""

_SAME_WORDS = (
    {"q", "query", "wq", "qproj"}, {"k", "key", "wk", "kproj"}, {"v", "value", "wv", "vproj"},
    {"out", "o", "wo", "output", "proj", "oproj", "outproj", "cproj", "dense"},
    {"qkv", "cattn", "inproj", "querykeyvalue", "attqkv"},
    {"up", "fc1", "w1", "cfc", "intermediate", "dense1", "linear1", "upproj", "wi", "h4h"},
    {"down", "fc2", "w2", "dense2", "linear2", "downproj", "4hh"}, {"gate", "w3", "gateproj"},
    {"norm1", "ln1", "inputlayernorm", "attentionnorm"}, {"norm2", "ln2", "postattentionlayernorm", "ffnnorm"},
    {"norm", "layernorm", "ln", "rmsnorm", "lnf"}, {"attn", "attention", "selfattn", "selfattention", "att"},
    {"mlp", "ffn", "feedforward", "ff"},
    {"word", "wte", "embed", "tokemb", "wordembeddings", "embedtokens", "tokenembd"},
    {"position", "wpe", "posemb", "positionembeddings"}, {"layers", "layer", "blocks", "block", "blk", "h", "encoder"},
    {"head", "classifier", "fc", "lmhead"}, {"weight", "gamma", "kernel"}, {"bias", "beta"},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proposal:
    """An entry for the map, with the number of parameters that it would find and the tensors that it would read."""

    key: str
    text: str
    count: int
    reads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Family:
    """Names that differ in numbers alone: `pattern` has `{i}` where they differ; members are in order."""

    pattern: str
    members: tuple[str, ...]
    shapes: tuple[Shape, ...]
    order: float


def propose_entries(
    missing: Sequence[Missing], unused: Sequence[str], shapes: Mapping[str, Shape]
) -> tuple[Proposal, ...]:
    """Return entries that would lead missing parameters to unused tensors of the file, in the order of parameters."""
    wanted = _families({item.name: tensor_shape(item.type_) for item in missing})
    stored = _families({name: shapes[name] for name in unused})
    if max(len(wanted), len(stored)) > MOST_FAMILIES:
        return ()

    # the best pairs first; each family is used once
    pairs = sorted(
        ((score, -abs(ours.order - theirs.order), ours, theirs, form)
         for ours in wanted for theirs in stored for form, score in _fits(ours, theirs)),
        key=lambda pair: pair[:2], reverse=True,
    )  # fmt: skip
    taken: dict[str, Proposal] = {}
    used: set[str] = set()
    for _, _, ours, theirs, form in pairs:
        if ours.pattern not in taken and theirs.pattern not in used:
            taken[ours.pattern] = _proposal(ours, theirs, form)
            used.add(theirs.pattern)

    rest = [family for family in wanted if family.pattern not in taken]
    for proposal in _in_parts(rest, [family for family in stored if family.pattern not in used]):
        taken.setdefault(proposal.key, proposal)
    _transpose_squares(wanted, taken)
    return _merged([taken[family.pattern] for family in wanted if family.pattern in taken])


def _merged(proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """Write `norm.*: ln.*` in place of `norm.weight: ln.weight` and `norm.bias: ln.bias`."""
    groups: dict[tuple[str, str, str], list[Proposal]] = {}
    for proposal in proposals:
        (ours, _, leaf), (theirs, _, other) = proposal.key.rpartition("."), proposal.text.rpartition(".")
        groups.setdefault((ours, theirs, "*" if ours and leaf == other else proposal.key), []).append(proposal)
    return tuple(
        Proposal(f"{ours}.*", f"{theirs}.*", sum(each.count for each in group), sum((e.reads for e in group), ()))
        if len(group) > 1 else group[0]
        for (ours, theirs, _), group in groups.items()
    )  # fmt: skip


def _families(shapes: Mapping[str, Shape]) -> list[_Family]:
    """Group names by what remains without their numbers; numbers that all members share stay."""
    groups: dict[str, list[str]] = {}
    for name in shapes:
        groups.setdefault(re.sub(r"(?<![^.])\d+(?![^.])", "#", name), []).append(name)

    families = []
    for number, (mask, members) in enumerate(groups.items()):
        columns = list(zip(*(name.split(".") for name in members), strict=True))
        letters = iter("ijklmn")
        parts = [
            next(letters, "z").join("{}") if part == "#" and len({*column}) > 1 else column[0]
            for part, column in zip(mask.split("."), columns, strict=True)
        ]
        sizes = tuple(shapes[name] for name in members)
        families.append(_Family(".".join(parts), tuple(members), sizes, number / len(groups)))
    return families


def _fits(ours: _Family, theirs: _Family) -> Iterator[tuple[str, float]]:
    """Yield how the tensors of a family can be read as those of another, with the similarity of the names."""
    if len(ours.members) != len(theirs.members) or ours.pattern.count("{") != theirs.pattern.count("{"):
        return
    similarity = _similarity(ours.pattern, theirs.pattern)
    pairs = list(zip(ours.shapes, theirs.shapes, strict=True))
    if all(_core(a) == _core(b) for a, b in pairs):
        yield "", similarity + 0.01
    elif all(a == b[::-1] for a, b in pairs):
        yield ".T", similarity


def _in_parts(wanted: Sequence[_Family], stored: Sequence[_Family]) -> Iterator[Proposal]:
    """Yield entries for two or three parameters of one node that one tensor holds, one after the other."""
    for theirs in stored:
        for count in (3, 2):
            for start in range(len(wanted) - count + 1):
                group = _of_one_kind(wanted, start, count)
                form = _joined_form(group, theirs) if group else None
                if group and form is not None:
                    yield from (_proposal(ours, theirs, f"{form}[{part}/{count}]") for part, ours in enumerate(group))
                    wanted = [family for family in wanted if family not in group]
                    break
            else:
                continue
            break


def _of_one_kind(wanted: Sequence[_Family], start: int, count: int) -> list[_Family]:
    """Return families of one node and one kind, from `start` on: the weights of q, k and v, not a bias between them."""
    first = wanted[start]
    node, _, kind = first.pattern.rpartition(".")
    parent = node.rpartition(".")[0]
    alike = [
        family for family in wanted[start:]
        if family.pattern.rpartition(".")[2] == kind and family.shapes == first.shapes
        and family.pattern.rpartition(".")[0].rpartition(".")[0] == parent
    ]  # fmt: skip
    return alike[:count] if len(alike) >= count else []


def _joined_form(group: Sequence[_Family], theirs: _Family) -> str | None:
    """Return "" or ".T" if a tensor is as large as the group, along its first or last axis; else None."""
    count, shape = len(group), group[0].shapes[0]
    if len(theirs.members) != len(group[0].members) or not shape:
        return None
    whole = (count * shape[0], *shape[1:])
    if all(stored == whole for stored in theirs.shapes):
        return ""
    return ".T" if len(shape) == 2 and all(stored == whole[::-1] for stored in theirs.shapes) else None


def _proposal(ours: _Family, theirs: _Family, form: str) -> Proposal:
    return Proposal(ours.pattern, f"{theirs.pattern}{form}", len(ours.members), theirs.members)


def _transpose_squares(wanted: Sequence[_Family], taken: dict[str, Proposal]) -> None:
    """Transpose square matrices if the file stores all others of the layers so: their shape alone does not tell."""
    forms: dict[int, set[bool]] = {}
    squares = []
    for family in wanted:
        if family.pattern not in taken or len(family.shapes[0]) != 2:
            continue
        depth, text = family.pattern.count("{"), taken[family.pattern].text
        rows, columns = family.shapes[0]
        if rows == columns and not text.endswith("]"):
            squares.append((family.pattern, depth))
        else:
            forms.setdefault(depth, set()).add(".T" in text)

    for pattern, depth in squares:
        if forms.get(depth) == {True}:
            taken[pattern] = replace(taken[pattern], text=f"{taken[pattern].text}.T")


def _core(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def _similarity(ours: str, theirs: str) -> float:
    """Return how alike two names are, from 0 to 1; the last words count most, and words of one meaning are equal."""
    left, right = _words(ours), _words(theirs)
    weights = [2.0**-place for place in range(max(len(left), len(right)))]
    scores = [_word_likeness(a, b) * w for a, b, w in zip(left, right, weights, strict=False)]
    anywhere = sum(max((_word_likeness(a, b) for b in right), default=0.0) for a in left) / max(len(left), 1)
    return (sum(scores) / sum(weights) + anywhere) / 2 if weights else math.nan


@lru_cache(maxsize=4096)
def _words(pattern: str) -> tuple[str, ...]:
    """Return the parts of a name from its end, in lower case and without numbers of layers and underscores."""
    parts = [part.lower().replace("_", "").replace("-", "") for part in pattern.split(".")]
    return tuple(part for part in reversed(parts) if not part.startswith("{") and not part.isdigit())


@lru_cache(maxsize=65536)
def _word_likeness(a: str, b: str) -> float:
    if a == b or any(a in words and b in words for words in _SAME_WORDS):
        return 1.0
    return 0.8 * difflib.SequenceMatcher(None, a, b, autojunk=False).ratio()
