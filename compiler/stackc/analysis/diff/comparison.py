"""Two typed graphs → what differs between them: components added, removed, changed, renamed, rewired.

Graphs are compared region by region. A pair of regions is compared once, however many layers share it, and its changes
say how often they come.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeAlias

from stackc.analysis.diff.alterations import (
    changed,
    ends,
    is_lock,
    merges_inside,
    merges_into,
    place_of,
    renamed,
    rewired,
    shares,
    sources,
)
from stackc.analysis.diff.changes import Change, Places
from stackc.analysis.diff.declarations import declared
from stackc.analysis.diff.matching import Digests, Match, is_merge, is_stack, match_nodes
from stackc.analysis.plan.footprint import Footprint, footprint_of
from stackc.ir.model import Node, Region
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.typecheck.cost import Cost, cost_of, cost_of_node


@dataclass(frozen=True)
class Difference:
    """All changes, from the outside in, and what both models need."""

    names: tuple[str, str]
    changes: tuple[Change, ...]
    before: Footprint
    after: Footprint


def compare(before: TypedGraph, after: TypedGraph) -> Difference:
    """The difference between two checked specs."""
    digests = Digests()
    blocks = _renamed_blocks(before, after, digests)
    comparer = _Comparer(digests, cost_of(before.root), cost_of(after.root), {one: other for one, other, _ in blocks})
    names = before.graph.document.name, after.graph.document.name
    match = match_nodes(before.root, after.root, comparer.digests)
    renames = [Change("renamed", one, other, "block", at=at) for one, other, at in blocks]
    changes = [*declared(before, after, match), *renames, *comparer.changes((before.root, after.root))]
    return Difference(names, tuple(changes), footprint_of(before), footprint_of(after))


Pair: TypeAlias = tuple[TypedRegion, TypedRegion]


@dataclass(frozen=True, slots=True)
class _Inside:
    """A pair of regions inside another pair, the ids that lead there, and whether it is a module of its own."""

    before: str
    after: str
    pair: Pair
    own: bool


@dataclass(frozen=True)
class _Local:
    """What differs right in a pair of regions, under ids, and the pairs inside."""

    changes: tuple[Change, ...]
    inside: tuple[_Inside, ...]


@dataclass(frozen=True)
class _Comparer:
    digests: Digests
    costs_before: Mapping[TypedRegion, Cost]
    costs_after: Mapping[TypedRegion, Cost]
    blocks: Mapping[str, str]
    known: dict[Pair, _Local] = field(default_factory=dict)

    def changes(self, root: Pair) -> Iterator[Change]:
        """Every change, under the path at which it comes first."""
        order: list[Pair] = []
        self.visit(root, order)
        calls, modules = Counter({root: 1}), Counter({root: 1})
        places = {root: ("", "")}
        for pair in reversed(order):
            for change in self.known[pair].changes:
                yield _placed(change, places[pair], calls[pair], modules[pair])
            left, right = places[pair]
            for inner in self.known[pair].inside:
                calls[inner.pair] += calls[pair]
                modules[inner.pair] += modules[pair] * inner.own
                places.setdefault(inner.pair, (f"{left}{inner.before}.", f"{right}{inner.after}."))

    def visit(self, pair: Pair, order: list[Pair]) -> None:
        """Compare a pair and those inside; `order` gets every pair after all those inside it."""
        if pair not in self.known:
            self.known[pair] = self.local(*pair)
            for inner in self.known[pair].inside:
                self.visit(inner.pair, order)
            order.append(pair)

    def local(self, before: TypedRegion, after: TypedRegion) -> _Local:
        """Compare the nodes of two regions."""
        match = match_nodes(before, after, self.digests)
        named = not (is_stack(before.region) and is_stack(after.region))  # members of stacks have no names
        changes = [*self.gone(before, match), *self.come(after, match)]
        inside: list[_Inside] = []
        for left, right in match.pairs.items():
            one, other = before.region.nodes[left], after.region.nodes[right]
            if is_merge(before.region, left) and is_merge(after.region, right):
                continue  # told of the node that takes what is merged
            if named and left != right:
                changes.append(Change("renamed", left, right, other.op, at=(one.span, other.span)))
            if details := tuple(changed(before, one, after, other, self.blocks)):
                more = self.more(before, one, after, other)
                at = place_of(one, details), place_of(other, details)
                changes.append(Change("changed", left, right, other.op, details, 1, more, at))
            if named and (ports := tuple(rewired(before.region, one, after.region, other, match))):
                details, at = tuple(told for told, _, _ in ports), ports[0][1:]
                changes.append(Change("rewired", left, right, other.op, details, at=at))
            if left in before.bodies and right in after.bodies:
                inside.append(_Inside(left, right, (before.bodies[left], after.bodies[right]), not other.same_as))
        if before.region.kind != "spec" and (details := tuple(_other_outputs(before.region, after.region, match))):
            changes.append(Change("rewired", "", "", "output", details, at=(before.region.span, after.region.span)))
        return _Local(tuple(changes if named else _in_turn(changes)), tuple(inside))

    def gone(self, before: TypedRegion, match: Match) -> Iterator[Change]:
        """What only the first model has."""
        for id in match.gone:
            if not is_merge(before.region, id):
                node = before.region.nodes[id]
                yield Change(
                    "removed", id, None, node.op, (), 1, -_whole(before, node, self.costs_before), (node.span, None)
                )

    def come(self, after: TypedRegion, match: Match) -> Iterator[Change]:
        """What only the second model has."""
        for id in match.come:
            if not is_merge(after.region, id):
                node = after.region.nodes[id]
                yield Change(
                    "added", None, id, node.op, (), 1, _whole(after, node, self.costs_after), (None, node.span)
                )

    def more(self, before: TypedRegion, one: Node, after: TypedRegion, other: Node) -> int:
        """By how much the parameters of a node and its merges grow; those of what is inside it are told there."""
        sides = ((before, one, self.costs_before), (after, other, self.costs_after))
        if one.id in before.bodies and other.id in after.bodies:
            was, now = (
                sum(_own(typed.bodies[node.id], merge, costs) for merge in merges_inside(typed.bodies[node.id].region))
                + sum(_own(typed, merge, costs) for merge in merges_into(typed.region, node).values())
                for typed, node, costs in sides
            )
            now += self.shared(before.bodies[one.id], after.bodies[other.id]) if shares(one) != shares(other) else 0
        elif is_stack(before.region) and is_stack(after.region) and bool(one.same_as) != bool(other.same_as):
            was, now = (0 if other.same_as else cost_of_node(*side).parameters for side in sides)  # the rest: `shared`
        else:
            was, now = (_whole(typed, node, costs) for typed, node, costs in sides)
        return now - was

    def shared(self, before: TypedRegion, after: TypedRegion) -> int:
        """By how much the parameters grow where the members of a stack come to be one module, or cease to be it."""
        grown = 0
        for left, right in match_nodes(before, after, self.digests).pairs.items():
            one, other = before.region.nodes[left], after.region.nodes[right]
            if bool(one.same_as) != bool(other.same_as):
                parameters = cost_of_node(before, one, self.costs_before).parameters
                grown += -parameters if other.same_as else parameters
        return grown


def _whole(typed: TypedRegion, node: Node, costs: Mapping[TypedRegion, Cost]) -> int:
    """The parameters of a node with those of what merges the arrows into it."""
    return sum(_own(typed, each, costs) for each in (node, *merges_into(typed.region, node).values()))


def _own(typed: TypedRegion, node: Node, costs: Mapping[TypedRegion, Cost]) -> int:
    return 0 if node.same_as else cost_of_node(typed, node, costs).parameters


def _placed(change: Change, places: tuple[str, str], calls: int, modules: int) -> Change:
    """A change of a pair of regions under the paths of the pair, as often as the pair comes."""
    before, after = (
        None if id is None else f"{path}{id}".removesuffix(".")
        for path, id in zip(places, (change.before, change.after), strict=True)
    )
    repeat, parameters = change.repeat * calls, change.parameters * modules
    return dataclasses.replace(change, before=before, after=after, repeat=repeat, parameters=parameters)


def _in_turn(changes: Sequence[Change]) -> Iterator[Change]:
    """The changes of members of a stack, those that come to all or several of them told once, at the first."""
    same: dict[Hashable, list[Change]] = {}
    for change in changes:
        same.setdefault((change.kind, change.op, change.details), []).append(change)
    for equal in same.values():
        yield dataclasses.replace(equal[0], repeat=len(equal), parameters=sum(each.parameters for each in equal))


def _other_outputs(one: Region, other: Region, match: Match) -> Iterator[str]:
    """The outputs that both have, in their order: those that one has besides are told where they are taken."""
    count = min(len(one.outputs), len(other.outputs))
    was, now = (ends(region, [*region.outputs.values()][:count]) for region in (one, other))
    if not is_stack(one) and [renamed(end, match) for end in was] != now:
        yield f"out: from {sources(was)} → from {sources(now)}"


# -- blocks

Rename: TypeAlias = tuple[str, str, Places]


def _renamed_blocks(before: TypedGraph, after: TypedGraph, digests: Digests) -> list[Rename]:
    """The blocks of the first spec that stand in the second under another name, at least half of their nodes alike."""
    one, other = before.graph.document.blocks, after.graph.document.blocks
    if is_lock(before.root.region) or is_lock(after.root.region):
        return []
    gone = _regions_of({name for name in one if name not in other}, before.root)
    come = _regions_of({name for name in other if name not in one}, after.root)
    found: list[Rename] = []
    for name, typed in gone.items():
        likeness = {same: _likeness(typed, other_typed, digests) for same, other_typed in come.items()}
        same = max(likeness, key=likeness.__getitem__, default=None)
        if same is not None and likeness[same] >= 0.5:
            del come[same]
            found.append((name, same, (one[name].body.span, other[same].body.span)))
    return found


def _regions_of(names: Set[str], root: TypedRegion) -> dict[str, TypedRegion]:
    """The first region of each of these blocks, from the outside in."""
    found: dict[str, TypedRegion] = {}
    seen: set[TypedRegion] = set()
    waiting = [root] if names else []
    while waiting:
        typed = waiting.pop()
        for body in typed.bodies.values():
            if body not in seen:
                seen.add(body)
                waiting.append(body)
                if body.region.kind == "block" and body.region.name in names:
                    found.setdefault(body.region.name, body)
    return found


def _likeness(one: TypedRegion, other: TypedRegion, digests: Digests) -> float:
    """Which part of the nodes of two regions is equal in structure."""
    if digests.of_region(one.region) == digests.of_region(other.region):
        return 1.0
    left, right = (Counter(map(digests.of_node, each.region.nodes.values())) for each in (one, other))
    return 2 * (left & right).total() / (left.total() + right.total())
