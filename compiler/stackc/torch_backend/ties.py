"""Find the parameters to tie: if ties lead to further ties, each is followed to the last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stackc.ir.typed import TypedRegion

Ties = Mapping[str, str]
"""From the path of a parameter to that of the one it is tied to, both below a region."""


def ties_to_make(typed: TypedRegion, cache: dict[TypedRegion, Ties]) -> Iterator[tuple[str, str]]:
    """Yield the ties to make in a region whose parts have made their own: the path of a parameter and of its owner.

    Those are the region's own ties, and again those of a part that lead to a parameter which the region ties to another
    one. `cache` keeps the ties of regions that were visited before.
    """
    declared = {f"{node.id}.{name}" for node in typed.region.nodes.values() for name in node.ties}
    if not declared:
        return

    ties = _ties_below(typed, cache)
    for path in ties:
        *between, owner = _follow(path, ties)
        if declared.intersection([path, *between]):
            yield path, owner


def _follow(path: str, ties: Ties) -> Iterator[str]:
    while path in ties:
        path = ties[path]
        yield path


def _ties_below(typed: TypedRegion, cache: dict[TypedRegion, Ties]) -> Ties:
    """Return the ties of a region and of its parts, by path below the region."""
    if typed not in cache:
        ties: dict[str, str] = {}
        for node in typed.region.nodes.values():
            if node.id in typed.bodies and not node.same_as:
                inside = _ties_below(typed.bodies[node.id], cache)
                ties |= {f"{node.id}.{path}": f"{node.id}.{owner}" for path, owner in inside.items()}
            ties |= {f"{node.id}.{name}": tie.path for name, tie in node.ties.items()}
        cache[typed] = ties
    return cache[typed]
