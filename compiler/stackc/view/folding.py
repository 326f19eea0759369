"""Fold equal members of a stack, which a picture draws once and marks with ×12.

A sequence of members in series is folded if it repeats exactly and only its last output is used elsewhere; parallel
members are folded if they are equal and only the merge uses them. So an arrow that leaves a folded run is unambiguous.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from stackc.ir.model import Node, Region, ValueRef
from stackc.ir.typed import TypedRegion

_LONGEST_PERIOD = 64


@dataclass(frozen=True, slots=True)
class Run:
    """A sequence of nodes and its repeats: `repeats[0]` is the one to draw, the others are equal to it.

    A sequence of several nodes consists of `inner` runs. `beside` marks parallel members, as opposed to series.
    """

    repeats: tuple[tuple[Node, ...], ...]
    inner: tuple[Run, ...] = ()
    beside: bool = False

    @property
    def only(self) -> Node | None:
        """The only node of the sequence, None if there are several."""
        return None if self.inner else self.repeats[0][0]

    def drawn(self) -> tuple[Node, ...]:
        """Return the nodes that are drawn, each for all that are equal to it."""
        return tuple(node for run in self.inner for node in run.drawn()) or self.repeats[0]


def fold_repeats(typed: TypedRegion) -> tuple[Run, ...]:
    """Return the nodes of a region in running order, those of a stack folded."""
    nodes = tuple(typed.region.nodes.values())
    if typed.region.kind != "stack":
        return tuple(Run(((node,),)) for node in nodes)

    tapped = {ref.node for ref in typed.region.outputs.values()}
    merge = next((node for node in nodes if node.implied), None)
    if merge:
        return _fold_parallel(typed, nodes, merge, tapped)

    # `carried` is the value that each member gets from the one before it.
    carried = [ValueRef(typed.region.inputs[0]), *(ValueRef(node.id) for node in nodes)]
    keys = [_key(typed, node, ref) for node, ref in zip(nodes, carried, strict=False)]
    return _fold_series(nodes, keys, [node.id in tapped for node in nodes])


def opens(body: TypedRegion, runs: Sequence[Run]) -> bool:
    """Return whether opening shows more than the box: it does not for a stack of equal components."""
    only = runs[0].only if len(runs) == 1 and body.region.kind == "stack" else None
    return only is None or isinstance(only.body, Region)


def _fold_series(nodes: Sequence[Node], keys: Sequence[Hashable], tapped: Sequence[bool]) -> tuple[Run, ...]:
    """Fold repeats. `keys` are equal for equal nodes; `tapped` are the nodes whose values are outputs of the stack."""
    runs: list[Run] = []
    start = 0
    while start < len(nodes):
        is_member = nodes[start].id.isdecimal()  # a repeat begins with a member, not with the norm after one
        period, count = _longest_repetition(keys, tapped, start) if is_member else (1, 1)

        starts = range(start, start + period * count, period)
        repeats = tuple(tuple(nodes[i : i + period]) for i in starts)
        inner = _fold_series(repeats[0], keys[start : start + period], [False] * period) if period > 1 else ()
        runs.append(Run(repeats, inner))
        start += period * count
    return tuple(runs)


def _longest_repetition(keys: Sequence[Hashable], tapped: Sequence[bool], start: int) -> tuple[int, int]:
    """Return period and count of the longest repetition from `start`, with the shortest period of equally long ones."""
    best = (1, 1)
    for period in range(1, min(_LONGEST_PERIOD, (len(keys) - start) // 2) + 1):
        sequence, count, end = keys[start : start + period], 1, start + period
        while keys[end : end + period] == sequence and not any(tapped[start : end + period - 1]):
            count, end = count + 1, end + period
        if count > 1 and period * count > best[0] * best[1]:
            best = (period, count)
    return best


def _fold_parallel(typed: TypedRegion, nodes: Sequence[Node], merge: Node, tapped: set[str]) -> tuple[Run, ...]:
    """Fold equal members that only the merge uses."""
    members = {operand.value.node for operand in merge.operands if operand.value}
    equal: dict[Hashable, list[Node]] = {}
    for node in nodes:
        folds = node.id in members and node.id not in tapped
        equal.setdefault(_key(typed, node, None) if folds else node.id, []).append(node)
    return tuple(Run(tuple((node,) for node in same), beside=True) for same in equal.values())


def _key(typed: TypedRegion, node: Node, carried: ValueRef | None) -> Hashable:
    """Return a key that is equal for equal nodes with equal operands; all values `carried` along a series are equal."""
    refs = [(operand.port, "carried" if operand.value == carried else operand.value) for operand in node.operands]
    types = [typed.type_of(operand.value) if operand.value else None for operand in node.operands]
    work = typed.bodies[node.id] if isinstance(node.body, Region) else node.body
    return work, node.op, node.reparams, tuple(node.ties), tuple(refs), tuple(types)
