"""Delta debugging: a minimal part of a list that still fails.

Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28(2), 2002.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")


def ddmin(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return a part of `items`, in their order, that fails and of which no single item can be left out.

    Requires that `items` fails as a whole. `fails` is asked about no part twice, and never about all of `items`. The
    empty part is asked about first: then everything can go.
    """
    ask = _remembering(len(items), lambda kept: fails([items[index] for index in kept]))
    if items and ask(()):
        return []

    kept, chunks = tuple(range(len(items))), 2
    while len(kept) >= 2:
        smaller = _smaller(kept, chunks, ask)
        if smaller is not None:
            kept, chunks = smaller
        elif chunks < len(kept):
            chunks = min(2 * chunks, len(kept))
        else:
            break
    return [items[index] for index in kept]


Part = tuple[int, ...]


def _smaller(kept: Part, chunks: int, ask: Callable[[Part], bool]) -> tuple[Part, int] | None:
    """Return the first chunk, or else the first complement of a chunk, that fails, and the next number of chunks."""
    parts = _split(kept, chunks)
    for part in parts:
        if ask(part):
            return part, 2
    for part in parts:
        rest = tuple(index for index in kept if index not in part)
        if ask(rest):
            return rest, max(chunks - 1, 2)
    return None


def _split(kept: Part, chunks: int) -> list[Part]:
    ends = [len(kept) * number // chunks for number in range(chunks + 1)]
    return [kept[start:end] for start, end in pairwise(ends) if end > start]


def _remembering(size: int, fails: Callable[[Part], bool]) -> Callable[[Part], bool]:
    answers: dict[Part, bool] = {tuple(range(size)): True}

    def ask(part: Part) -> bool:
        if part not in answers:
            answers[part] = fails(part)
        return answers[part]

    return ask
