"""Equal neighbours of a stack as one: what a picture draws once and marks with ×12.

A stretch of a series is folded where it repeats exactly and only its end is taken by anyone else, members side by side
where they are equal and only the merge takes them. So an arrow that leaves what is folded has one meaning.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from stackc.graph.check import TypedRegion
from stackc.graph.model import Node, Region, Wire

_LONGEST_PERIOD = 64


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of nodes, and how often it comes: `repeats[0]` is the one to draw, the others are equal to it.

    `beside` tells members side by side from repeats one after the other.
    """

    repeats: tuple[tuple[Node, ...], ...]
    beside: bool = False

    @property
    def first(self) -> tuple[Node, ...]:
        """The stretch that is drawn."""
        return self.repeats[0]

    @property
    def only(self) -> Node | None:
        """The node that is all of the stretch, None where there are several."""
        return self.first[0] if len(self.first) == 1 else None


def fold(typed: TypedRegion) -> tuple[Run, ...]:
    """The nodes of a region in running order, those of a stack folded."""
    nodes = tuple(typed.region.nodes.values())
    if typed.region.kind != "stack":
        return tuple(Run(((node,),)) for node in nodes)
    merge = next((node for node in nodes if node.implied), None)
    return _fold_beside(typed, nodes, merge) if merge else _fold_series(typed, nodes)


def _fold_series(typed: TypedRegion, nodes: Sequence[Node]) -> tuple[Run, ...]:
    before = [typed.region.inputs[0], *(node.id for node in nodes)]
    keys = [_key(typed, node, Wire(carried)) for node, carried in zip(nodes, before, strict=False)]
    tapped = {wire.node for wire in typed.region.outputs.values()}
    runs: list[Run] = []
    start = 0
    while start < len(nodes):
        period, count = _longest(keys, [node.id in tapped for node in nodes], start)
        ends = range(start, start + period * count, period)
        runs.append(Run(tuple(tuple(nodes[i : i + period]) for i in ends)))
        start += period * count
    return tuple(runs)


def _longest(keys: Sequence[Hashable], tapped: Sequence[bool], start: int) -> tuple[int, int]:
    """Period and count of the repetition from `start` on that covers most; the shortest period of those that do."""
    best = (1, 1)
    for period in range(1, min(_LONGEST_PERIOD, (len(keys) - start) // 2) + 1):
        count, end = 1, start + period
        while keys[end : end + period] == keys[start : start + period] and not any(tapped[end - period : end]):
            count, end = count + 1, end + period
        if count > 1 and period * count > best[0] * best[1]:
            best = (period, count)
    return best


def _fold_beside(typed: TypedRegion, nodes: Sequence[Node], merge: Node) -> tuple[Run, ...]:
    members = {inlet.wire.node for inlet in merge.inlets if inlet.wire}
    tapped = {wire.node for wire in typed.region.outputs.values()}
    runs: dict[Hashable, list[Node]] = {}
    for node in nodes:
        alone = node.id not in members or node.id in tapped
        runs.setdefault(node.id if alone else _key(typed, node, None), []).append(node)
    return tuple(Run(tuple((node,) for node in equal), beside=True) for equal in runs.values())


def _key(typed: TypedRegion, node: Node, carried: Wire | None) -> Hashable:
    """Equal for nodes that do the same to the same: the value carried along a series is the same to all."""
    wires = [(inlet.port, "carried" if inlet.wire == carried else inlet.wire) for inlet in node.inlets]
    types = [typed.type_of(inlet.wire) if inlet.wire else None for inlet in node.inlets]
    work = typed.bodies[node.id] if isinstance(node.body, Region) else node.body
    return work, node.op, node.reparams, tuple(node.ties), tuple(wires), tuple(types)
