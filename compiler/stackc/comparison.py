"""Two typed graphs → what differs between them: components added, removed, changed, renamed, rewired.

Graphs are compared region by region. A pair of regions is compared once, however many layers share it, and its changes
say how often they come.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from stackc.alterations import changed, merges_inside, merges_into, renamed, rewired, sources
from stackc.graph.check import TypedGraph, TypedRegion
from stackc.graph.cost import Cost, cost_of, cost_of_node
from stackc.graph.model import Node, Region
from stackc.matching import Digests, Match, is_merge, is_stack, match_nodes
from stackc.needs import Needs, needs_of

Kind = Literal["added", "removed", "changed", "renamed", "rewired"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `before` and `after` are the paths in the two models, None in the one that has no such thing.

    `op` is what it is: a component, a block, `input`, `output` or `dim`. It comes `repeat` times, and changes the
    parameters of the whole model by `parameters`.
    """

    kind: Kind
    before: str | None
    after: str | None
    op: str
    details: tuple[str, ...] = ()
    repeat: int = 1
    parameters: int = 0

    @property
    def path(self) -> str:
        """Where it is, in the second model if it is there."""
        return self.after if self.after is not None else self.before or ""


@dataclass(frozen=True)
class Difference:
    """All changes, from the outside in, and what both models need."""

    names: tuple[str, str]
    changes: tuple[Change, ...]
    before: Needs
    after: Needs


def compare(before: TypedGraph, after: TypedGraph) -> Difference:
    """The difference between two checked specs."""
    comparer = _Comparer(Digests(), cost_of(before.root), cost_of(after.root))
    names = before.graph.document.name, after.graph.document.name
    match = match_nodes(before.root, after.root, comparer.digests)
    ends = _ends(before.root, after.root, match)
    changes = [*_dims(before, after), *ends, *comparer.changes((before.root, after.root))]
    return Difference(names, tuple(changes), needs_of(before), needs_of(after))


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
                changes.append(Change("renamed", left, right, other.op))
            if details := tuple(changed(before, one, after, other)):
                more = self.more(before, one, after, other)
                changes.append(Change("changed", left, right, other.op, details, 1, more))
            if named and (details := tuple(rewired(before.region, one, after.region, other, match))):
                changes.append(Change("rewired", left, right, other.op, details))
            if left in before.bodies and right in after.bodies:
                inside.append(_Inside(left, right, (before.bodies[left], after.bodies[right]), not other.same_as))
        if before.region.kind != "spec" and (details := tuple(_other_outputs(before.region, after.region, match))):
            changes.append(Change("rewired", "", "", "output", details))
        return _Local(tuple(changes if named else _in_turn(changes)), tuple(inside))

    def gone(self, before: TypedRegion, match: Match) -> Iterator[Change]:
        """What only the first model has."""
        for id in match.gone:
            if not is_merge(before.region, id):
                node = before.region.nodes[id]
                yield Change("removed", id, None, node.op, (), 1, -_whole(before, node, self.costs_before))

    def come(self, after: TypedRegion, match: Match) -> Iterator[Change]:
        """What only the second model has."""
        for id in match.come:
            if not is_merge(after.region, id):
                node = after.region.nodes[id]
                yield Change("added", None, id, node.op, (), 1, _whole(after, node, self.costs_after))

    def more(self, before: TypedRegion, one: Node, after: TypedRegion, other: Node) -> int:
        """By how much the parameters of a node and its merges grow; those of what is inside it are told there."""
        sides = ((before, one, self.costs_before), (after, other, self.costs_after))
        if one.id in before.bodies and other.id in after.bodies:
            was, now = (
                sum(_own(typed.bodies[node.id], merge, costs) for merge in merges_inside(typed.bodies[node.id].region))
                + sum(_own(typed, merge, costs) for merge in merges_into(typed.region, node).values())
                for typed, node, costs in sides
            )
        else:
            was, now = (_whole(typed, node, costs) for typed, node, costs in sides)
        return now - was


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
    was, now = list(one.outputs.values()), list(other.outputs.values())
    if not is_stack(one) and [renamed(wire, match) for wire in was] != now:
        yield f"out: from {sources(was)} → from {sources(now)}"


# -- the model as a whole


def _dims(before: TypedGraph, after: TypedGraph) -> Iterator[Change]:
    """What differs in the dims contract."""
    was, now = before.graph.contract, after.graph.contract
    for name in dict.fromkeys([*was, *now]):
        if name not in now:
            yield Change("removed", name, None, "dim", (str(was[name]),))
        elif name not in was:
            yield Change("added", None, name, "dim", (str(now[name]),))
        elif was[name] != now[name]:
            yield Change("changed", name, name, "dim", (f"{was[name]} → {now[name]}",))


def _ends(before: TypedRegion, after: TypedRegion, match: Match) -> Iterator[Change]:
    """What differs in the inputs and outputs of the whole model."""
    one, other = before.region, after.region
    inputs = [dict(zip(each.region.inputs, each.inputs, strict=True)) for each in (before, after)]
    outputs = [dict(zip(each.region.outputs, each.outputs, strict=True)) for each in (before, after)]
    for op, (was, now) in (("input", inputs), ("output", outputs)):
        for name in dict.fromkeys([*was, *now]):
            if name not in now:
                yield Change("removed", name, None, op, (str(was[name]),))
            elif name not in was:
                yield Change("added", None, name, op, (str(now[name]),))
            elif was[name] != now[name]:
                yield Change("changed", name, name, op, (f"{was[name]} → {now[name]}",))
    for name, wire in one.outputs.items():
        if name in other.outputs and renamed(wire, match) != other.outputs[name]:
            details = f"from {sources([wire])} → from {sources([other.outputs[name]])}"
            yield Change("rewired", name, name, "output", (details,))
