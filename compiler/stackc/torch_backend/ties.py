"""Which parameters are made one another's: where ties lead on to further ties, each to the last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stackc.ir.typed import TypedRegion

Ties = Mapping[str, str]
"""From the path of a parameter to that of the one it is tied to, both below a region."""


def ties_to_make(typed: TypedRegion, known: dict[TypedRegion, Ties]) -> Iterator[tuple[str, str]]:
    """What is to be tied to what in a region whose parts have made their own ties.

    Those are its own, and again those in a part that lead to a parameter which the region ties to another one.
    `known` keeps what was found for regions met before.
    """
    own = {f"{node.id}.{name}" for node in typed.region.nodes.values() for name in node.ties}
    if own:
        every = _ties_below(typed, known)
        for path in every:
            *between, owner = _followed(path, every)
            if own.intersection([path, *between]):
                yield path, owner


def _followed(path: str, ties: Ties) -> Iterator[str]:
    while path in ties:
        path = ties[path]
        yield path


def _ties_below(typed: TypedRegion, known: dict[TypedRegion, Ties]) -> Ties:
    if typed not in known:
        found: dict[str, str] = {}
        for node in typed.region.nodes.values():
            if node.id in typed.bodies and not node.same_as:
                inside = _ties_below(typed.bodies[node.id], known)
                found |= {f"{node.id}.{path}": f"{node.id}.{owner}" for path, owner in inside.items()}
            found |= {f"{node.id}.{name}": tie.path for name, tie in node.ties.items()}
        known[typed] = found
    return known[typed]
