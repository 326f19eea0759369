"""Compare two typed graphs: components added, removed, changed, renamed, rewired.

Graphs are compared region by region. A pair of regions is compared once, however many layers share it, and its changes
carry the number of their occurrences.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeAlias

from stackc.analysis.diff.alterations import (
    counterpart,
    describe_origins,
    is_lock,
    is_shared,
    merges_inside,
    merges_into,
    node_changes,
    origins,
    rewired_ports,
    span_of_detail,
)
from stackc.analysis.diff.changes import Change, SpanPair
from stackc.analysis.diff.declarations import declaration_changes
from stackc.analysis.diff.matching import Digests, Match, is_merge, is_stack, match_nodes
from stackc.analysis.diff.training import training_changes
from stackc.analysis.plan.footprint import Footprint, footprint_of
from stackc.frontend import Checked
from stackc.ir.model import Node, Region
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.typecheck.cost import Cost, cost_of, cost_of_node


@dataclass(frozen=True)
class Difference:
    """All changes, from the outermost region inward, and the footprints of both models."""

    names: tuple[str, str]
    changes: tuple[Change, ...]
    before: Footprint
    after: Footprint


def compare(before: TypedGraph, after: TypedGraph) -> Difference:
    """Return the difference between two checked specs."""
    digests = Digests()
    renames = _renamed_blocks(before, after, digests)
    new_names = {old: new for old, new, _ in renames}
    comparer = _Comparer(digests, cost_of(before.root), cost_of(after.root), new_names)
    match = match_nodes(before.root, after.root, digests)

    changes = [
        *declaration_changes(before, after, match),
        *(Change("renamed", old, new, "block", at=at) for old, new, at in renames),
        *comparer.changes((before.root, after.root)),
    ]
    names = before.graph.document.name, after.graph.document.name
    return Difference(names, tuple(changes), footprint_of(before), footprint_of(after))


def compare_specs(before: Checked, after: Checked) -> Difference:
    """Return the difference between two checked specs: of their models, and of how these are trained."""
    difference = compare(before.typed, after.typed)
    with_a_lock = is_lock(before.graph.root) or is_lock(after.graph.root)

    def nodes(old: TypedRegion, new: TypedRegion) -> tuple[Change, ...]:
        return _Comparer(Digests(), cost_of(old), cost_of(new), {}).compare_pair(old, new).changes

    trained = tuple(training_changes(before, after, nodes, with_a_lock=with_a_lock))
    return dataclasses.replace(difference, changes=(*difference.changes, *trained))


RegionPair: TypeAlias = tuple[TypedRegion, TypedRegion]


@dataclass(frozen=True, slots=True)
class _InnerPair:
    """A pair of regions inside another pair, the node ids that lead there, and whether it is a module of its own."""

    before: str
    after: str
    pair: RegionPair
    own: bool


@dataclass(frozen=True)
class _PairChanges:
    """The changes directly in a pair of regions, with ids instead of paths, and the pairs inside."""

    changes: tuple[Change, ...]
    inside: tuple[_InnerPair, ...]


@dataclass
class _Comparer:
    """Compares pairs of regions, each once. `blocks` maps renamed blocks of the first spec to their new names."""

    digests: Digests
    costs_before: Mapping[TypedRegion, Cost]
    costs_after: Mapping[TypedRegion, Cost]
    blocks: Mapping[str, str]
    compared: dict[RegionPair, _PairChanges] = field(default_factory=dict)

    def changes(self, root: RegionPair) -> Iterator[Change]:
        """Yield every change once, under the path of its first occurrence."""
        order: list[RegionPair] = []
        self.visit(root, order)

        calls, modules = Counter({root: 1}), Counter({root: 1})
        paths = {root: ("", "")}
        for pair in reversed(order):  # all occurrences of a pair are counted before it is reached
            for change in self.compared[pair].changes:
                yield _under_paths(change, paths[pair], calls[pair], modules[pair])

            before, after = paths[pair]
            for inner in self.compared[pair].inside:
                calls[inner.pair] += calls[pair]
                modules[inner.pair] += modules[pair] * inner.own
                paths.setdefault(inner.pair, (f"{before}{inner.before}.", f"{after}{inner.after}."))

    def visit(self, pair: RegionPair, order: list[RegionPair]) -> None:
        """Compare a pair and the pairs inside; `order` gets every pair after all those inside it."""
        if pair not in self.compared:
            self.compared[pair] = self.compare_pair(*pair)
            for inner in self.compared[pair].inside:
                self.visit(inner.pair, order)
            order.append(pair)

    def compare_pair(self, before: TypedRegion, after: TypedRegion) -> _PairChanges:
        """Compare the nodes of two regions."""
        match = match_nodes(before, after, self.digests)
        named = not (is_stack(before.region) and is_stack(after.region))  # members of stacks have no names
        changes = [*self.removed(before, match), *self.added(after, match)]
        inside: list[_InnerPair] = []

        for old_id, new_id in match.pairs.items():
            if is_merge(before.region, old_id) and is_merge(after.region, new_id):
                continue  # reported at the node that it feeds
            old, new = before.region.nodes[old_id], after.region.nodes[new_id]
            if named and old_id != new_id:
                changes.append(Change("renamed", old_id, new_id, new.op, at=(old.span, new.span)))
            changes += self.altered(before, old, after, new)
            if named:
                changes += _rewired(before, old, after, new, match)
            if old_id in before.bodies and new_id in after.bodies:
                bodies = before.bodies[old_id], after.bodies[new_id]
                inside.append(_InnerPair(old_id, new_id, bodies, not new.same_as))

        if before.region.kind != "spec" and (details := tuple(_output_changes(before.region, after.region, match))):
            changes.append(Change("rewired", "", "", "output", details, at=(before.region.span, after.region.span)))
        return _PairChanges(tuple(changes if named else _combine_equal(changes)), tuple(inside))

    def removed(self, before: TypedRegion, match: Match) -> Iterator[Change]:
        """Yield the nodes of the first region alone."""
        for id in match.removed:
            if not is_merge(before.region, id):
                node = before.region.nodes[id]
                parameters = _parameters_with_merges(before, node, self.costs_before)
                yield Change("removed", id, None, node.op, (), 1, -parameters, (node.span, None))

    def added(self, after: TypedRegion, match: Match) -> Iterator[Change]:
        """Yield the nodes of the second region alone."""
        for id in match.added:
            if not is_merge(after.region, id):
                node = after.region.nodes[id]
                parameters = _parameters_with_merges(after, node, self.costs_after)
                yield Change("added", None, id, node.op, (), 1, parameters, (None, node.span))

    def altered(self, before: TypedRegion, old: Node, after: TypedRegion, new: Node) -> Iterator[Change]:
        """Yield what differs in a node itself, if anything."""
        if details := tuple(node_changes(before, old, after, new, self.blocks)):
            growth = self.growth(before, old, after, new)
            at = span_of_detail(old, details), span_of_detail(new, details)
            yield Change("changed", old.id, new.id, new.op, details, 1, growth, at)

    def growth(self, before: TypedRegion, old: Node, after: TypedRegion, new: Node) -> int:
        """Return the parameters that a node and its merges gain; changes inside the node count those inside it."""
        sides = ((before, old, self.costs_before), (after, new, self.costs_after))
        if old.id in before.bodies and new.id in after.bodies:
            left, right = (_merge_parameters(typed, node, costs) for typed, node, costs in sides)
            if is_shared(old) != is_shared(new):
                right += self.sharing_growth(before.bodies[old.id], after.bodies[new.id])
        elif is_stack(before.region) and is_stack(after.region) and bool(old.same_as) != bool(new.same_as):
            # `sharing_growth` counts the rest at the stack.
            left, right = (0 if new.same_as else cost_of_node(*side).parameters for side in sides)
        else:
            left, right = (_parameters_with_merges(*side) for side in sides)
        return right - left

    def sharing_growth(self, before: TypedRegion, after: TypedRegion) -> int:
        """Return the parameters gained if the members of a stack stop sharing one module; negative if they start."""
        growth = 0
        for old_id, new_id in match_nodes(before, after, self.digests).pairs.items():
            old, new = before.region.nodes[old_id], after.region.nodes[new_id]
            if bool(old.same_as) != bool(new.same_as):
                parameters = cost_of_node(before, old, self.costs_before).parameters
                growth += -parameters if new.same_as else parameters
        return growth


def _rewired(before: TypedRegion, old: Node, after: TypedRegion, new: Node, match: Match) -> Iterator[Change]:
    """Yield the ports of a node that other values enter, if any, as one change at the first of the arrows."""
    if ports := tuple(rewired_ports(before.region, old, after.region, new, match)):
        details = tuple(detail for detail, _, _ in ports)
        yield Change("rewired", old.id, new.id, new.op, details, at=ports[0][1:])


def _merge_parameters(typed: TypedRegion, node: Node, costs: Mapping[TypedRegion, Cost]) -> int:
    """Return the parameters of the merges inside a stack and of those that feed it."""
    body = typed.bodies[node.id]
    inside = sum(_own_parameters(body, merge, costs) for merge in merges_inside(body.region))
    return inside + sum(_own_parameters(typed, merge, costs) for merge in merges_into(typed.region, node).values())


def _parameters_with_merges(typed: TypedRegion, node: Node, costs: Mapping[TypedRegion, Cost]) -> int:
    """Return the parameters of a node and of the merges that feed it."""
    return sum(_own_parameters(typed, each, costs) for each in (node, *merges_into(typed.region, node).values()))


def _own_parameters(typed: TypedRegion, node: Node, costs: Mapping[TypedRegion, Cost]) -> int:
    return 0 if node.same_as else cost_of_node(typed, node, costs).parameters


def _under_paths(change: Change, paths: tuple[str, str], calls: int, modules: int) -> Change:
    """Return a change of a pair of regions with the paths of the pair, multiplied by the pair's occurrences."""
    before, after = (
        None if id is None else f"{path}{id}".removesuffix(".")
        for path, id in zip(paths, (change.before, change.after), strict=True)
    )
    repeat, parameters = change.repeat * calls, change.parameters * modules
    return dataclasses.replace(change, before=before, after=after, repeat=repeat, parameters=parameters)


def _combine_equal(changes: Sequence[Change]) -> Iterator[Change]:
    """Combine equal changes of several members of a stack into one, at the first member."""
    groups: dict[Hashable, list[Change]] = {}
    for change in changes:
        groups.setdefault((change.kind, change.op, change.details), []).append(change)
    for group in groups.values():
        parameters = sum(change.parameters for change in group)
        yield dataclasses.replace(group[0], repeat=len(group), parameters=parameters)


def _output_changes(before: Region, after: Region, match: Match) -> Iterator[str]:
    """Compare the outputs of both regions in order; an output of one alone is reported where it is used."""
    count = min(len(before.outputs), len(after.outputs))
    left, right = (origins(region, [*region.outputs.values()][:count]) for region in (before, after))
    if not is_stack(before) and [counterpart(origin, match) for origin in left] != right:
        yield f"out: from {describe_origins(left)} → from {describe_origins(right)}"


# -- blocks

BlockRename: TypeAlias = tuple[str, str, SpanPair]


def _renamed_blocks(before: TypedGraph, after: TypedGraph, digests: Digests) -> list[BlockRename]:
    """Match blocks of one spec with blocks of other names in the other that share at least half of their nodes."""
    old_blocks, new_blocks = before.graph.document.blocks, after.graph.document.blocks
    if is_lock(before.root.region) or is_lock(after.root.region):
        return []

    removed = _regions_of({name for name in old_blocks if name not in new_blocks}, before.root)
    added = _regions_of({name for name in new_blocks if name not in old_blocks}, after.root)
    renames: list[BlockRename] = []
    for name, typed in removed.items():
        similarity = {new_name: _similarity(typed, new_typed, digests) for new_name, new_typed in added.items()}
        best = max(similarity, key=similarity.__getitem__, default=None)
        if best is not None and similarity[best] >= 0.5:
            del added[best]
            renames.append((name, best, (old_blocks[name].body.span, new_blocks[best].body.span)))
    return renames


def _regions_of(names: Set[str], root: TypedRegion) -> dict[str, TypedRegion]:
    """Return the first region of each of these blocks, searching depth-first from the root."""
    regions: dict[str, TypedRegion] = {}
    seen: set[TypedRegion] = set()
    waiting = [root] if names else []
    while waiting:
        typed = waiting.pop()
        for body in typed.bodies.values():
            if body not in seen:
                seen.add(body)
                waiting.append(body)
                if body.region.kind == "block" and body.region.name in names:
                    regions.setdefault(body.region.name, body)
    return regions


def _similarity(before: TypedRegion, after: TypedRegion, digests: Digests) -> float:
    """Return the share of nodes of two regions that have equal structure, from 0 to 1."""
    if digests.of_region(before.region) == digests.of_region(after.region):
        return 1.0
    left, right = (Counter(map(digests.of_node, each.region.nodes.values())) for each in (before, after))
    return 2 * (left & right).total() / (left.total() + right.total())
