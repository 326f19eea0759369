"""Mark the arrows that go around others, such as residual connections, from the graph alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from stackc.view.picture import PictureArrow


def mark_around(arrows: Sequence[PictureArrow]) -> tuple[PictureArrow, ...]:
    """Return the arrows, with those marked whose target is reachable from another box that takes the same value.

    Requires running order: the arrows into a box come before those out of it.
    """
    targets: dict[str, list[str]] = {}
    consumers: dict[tuple[str, str], list[str]] = {}
    for arrow in arrows:
        targets.setdefault(arrow.source, []).append(arrow.target)
        consumers.setdefault((arrow.source, arrow.type), []).append(arrow.target)

    rank = {arrow.target: number for number, arrow in enumerate(arrows)}
    reachable = {value: _reachable(boxes, targets, rank) for value, boxes in consumers.items() if len(set(boxes)) > 1}
    return tuple(
        replace(arrow, around=arrow.target in reachable.get((arrow.source, arrow.type), ())) for arrow in arrows
    )


def _reachable(starts: Iterable[str], targets: Mapping[str, Sequence[str]], rank: Mapping[str, int]) -> set[str]:
    """Return the boxes that can be reached from `starts`, up to the last of them."""
    last = max(rank[start] for start in starts)
    seen: set[str] = set()
    waiting = list(dict.fromkeys(starts))
    while waiting:
        for target in targets.get(waiting.pop(), ()):
            if target not in seen and rank[target] <= last:
                seen.add(target)
                waiting.append(target)
    return seen
