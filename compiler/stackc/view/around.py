"""Which arrows go around others: residual connections and skips, told from the graph alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from stackc.view.picture import PictureArrow


def mark_around(arrows: Sequence[PictureArrow]) -> tuple[PictureArrow, ...]:
    """The arrows, with those marked whose target can be reached from another box that takes the same value.

    The arrows into a box have to stand before those out of it, as they do in running order.
    """
    targets: dict[str, list[str]] = {}
    values: dict[tuple[str, str], list[str]] = {}
    for arrow in arrows:
        targets.setdefault(arrow.source, []).append(arrow.target)
        values.setdefault((arrow.source, arrow.type), []).append(arrow.target)
    rank = {arrow.target: number for number, arrow in enumerate(arrows)}
    behind = {value: _behind(takers, targets, rank) for value, takers in values.items() if len(set(takers)) > 1}
    return tuple(replace(arrow, around=arrow.target in behind.get((arrow.source, arrow.type), ())) for arrow in arrows)


def _behind(starts: Iterable[str], targets: Mapping[str, Sequence[str]], rank: Mapping[str, int]) -> set[str]:
    """All that can be reached from the boxes, no farther than the last one of them."""
    last = max(rank[start] for start in starts)
    seen: set[str] = set()
    waiting = list(dict.fromkeys(starts))
    while waiting:
        for target in targets.get(waiting.pop(), ()):
            if target not in seen and rank[target] <= last:
                seen.add(target)
                waiting.append(target)
    return seen
