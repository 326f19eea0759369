"""Equal neighbours of a stack as one: what a picture draws once and marks with ×12.

A stretch of a series is folded where it repeats exactly and only its end is taken by anyone else, members side by side
where they are equal and only the merge takes them. So an arrow that leaves what is folded has one meaning.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from stackc.ir.model import Node, Region, ValueRef
from stackc.ir.typed import TypedRegion

_LONGEST_PERIOD = 64


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of nodes, and how often it comes: `repeats[0]` is the one to draw, the others are equal to it.

    A stretch of several nodes is made of `inner` runs. `beside` tells members side by side from repeats in series.
    """

    repeats: tuple[tuple[Node, ...], ...]
    inner: tuple[Run, ...] = ()
    beside: bool = False

    @property
    def only(self) -> Node | None:
        """The node that is all of the stretch, None where there are several."""
        return None if self.inner else self.repeats[0][0]

    def drawn(self) -> tuple[Node, ...]:
        """The nodes that are drawn, each for all that are equal to it."""
        return tuple(node for run in self.inner for node in run.drawn()) or self.repeats[0]


def fold_repeats(typed: TypedRegion) -> tuple[Run, ...]:
    """The nodes of a region in running order, those of a stack folded."""
    nodes = tuple(typed.region.nodes.values())
    if typed.region.kind != "stack":
        return tuple(Run(((node,),)) for node in nodes)
    tapped = {ref.node for ref in typed.region.outputs.values()}
    merge = next((node for node in nodes if node.implied), None)
    if merge:
        return _fold_beside(typed, nodes, merge, tapped)
    carried = [ValueRef(typed.region.inputs[0]), *(ValueRef(node.id) for node in nodes)]
    keys = [_key(typed, node, ref) for node, ref in zip(nodes, carried, strict=False)]
    return _fold_series(nodes, keys, [node.id in tapped for node in nodes])


def opens(body: TypedRegion, runs: Sequence[Run]) -> bool:
    """Whether there is more to see inside: a stack of equal components says all on its box."""
    only = runs[0].only if len(runs) == 1 and body.region.kind == "stack" else None
    return only is None or isinstance(only.body, Region)


def _fold_series(nodes: Sequence[Node], keys: Sequence[Hashable], tapped: Sequence[bool]) -> tuple[Run, ...]:
    """`keys` are equal for nodes that do the same; `tapped` are those whose value leaves the stack from within."""
    runs: list[Run] = []
    start = 0
    while start < len(nodes):
        begins = nodes[start].id.isdecimal()  # with a member, not with the norm behind one
        period, count = _longest(keys, tapped, start) if begins else (1, 1)
        starts = range(start, start + period * count, period)
        repeats = tuple(tuple(nodes[i : i + period]) for i in starts)
        inner = _fold_series(repeats[0], keys[start : start + period], [False] * period) if period > 1 else ()
        runs.append(Run(repeats, inner))
        start += period * count
    return tuple(runs)


def _longest(keys: Sequence[Hashable], tapped: Sequence[bool], start: int) -> tuple[int, int]:
    """Period and count of the repetition from `start` on that covers most; the shortest period of those that do."""
    best = (1, 1)
    for period in range(1, min(_LONGEST_PERIOD, (len(keys) - start) // 2) + 1):
        stretch, count, end = keys[start : start + period], 1, start + period
        while keys[end : end + period] == stretch and not any(tapped[start : end + period - 1]):
            count, end = count + 1, end + period
        if count > 1 and period * count > best[0] * best[1]:
            best = (period, count)
    return best


def _fold_beside(typed: TypedRegion, nodes: Sequence[Node], merge: Node, tapped: set[str]) -> tuple[Run, ...]:
    members = {operand.value.node for operand in merge.operands if operand.value}
    equal: dict[Hashable, list[Node]] = {}
    for node in nodes:
        folds = node.id in members and node.id not in tapped
        equal.setdefault(_key(typed, node, None) if folds else node.id, []).append(node)
    return tuple(Run(tuple((node,) for node in same), beside=True) for same in equal.values())


def _key(typed: TypedRegion, node: Node, carried: ValueRef | None) -> Hashable:
    """Equal for nodes that do the same to the same: the value carried along a series is the same to all."""
    refs = [(operand.port, "carried" if operand.value == carried else operand.value) for operand in node.operands]
    types = [typed.type_of(operand.value) if operand.value else None for operand in node.operands]
    work = typed.bodies[node.id] if isinstance(node.body, Region) else node.body
    return work, node.op, node.reparams, tuple(node.ties), tuple(refs), tuple(types)
