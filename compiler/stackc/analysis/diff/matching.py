"""Match the nodes of two regions: by id, by equal structure, and in stacks by order."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from stackc.components.families.merge import MERGES, SIDE_BY_SIDE
from stackc.ir.model import Node, Region, ValueRef
from stackc.ir.typed import TypedRegion


@dataclass(frozen=True)
class Match:
    """The ids of the first region with their counterparts in the second; the ids of one region alone, in running order.

    `inputs` maps renamed inputs of the first region to their names in the second.
    """

    pairs: Mapping[str, str]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Digests:
    """Numbers that are equal for equal structure: components, fields and wiring, regardless of names."""

    numbers: dict[Hashable, int] = field(default_factory=dict)
    regions: dict[Region, int] = field(default_factory=dict)

    def of_node(self, node: Node) -> int:
        """Return the number of a node with everything inside it, but not of what enters it."""
        work = self.of_region(node.body) if isinstance(node.body, Region) else node.body
        ports = tuple(operand.port for operand in node.operands)
        return self._number((work, node.reparams, tuple(node.ties), ports))

    def of_region(self, region: Region) -> int:
        """Return the number of a region: its nodes, wired by their positions in running order."""
        if region in self.regions:
            return self.regions[region]

        positions: dict[str, Hashable] = {name: ("input", number) for number, name in enumerate(region.inputs)}
        positions |= {id: number for number, id in enumerate(region.nodes)}

        def position(ref: ValueRef | None) -> Hashable:
            return (positions[ref.node], ref.output) if ref else None

        nodes = tuple(
            (
                self.of_node(node),
                positions.get(node.same_as or ""),
                tuple(position(operand.value) for operand in node.operands),
            )
            for node in region.nodes.values()
        )
        self.regions[region] = self._number((nodes, tuple(map(position, region.outputs.values()))))
        return self.regions[region]

    def _number(self, key: Hashable) -> int:
        return self.numbers.setdefault(key, len(self.numbers))


def is_stack(region: Region) -> bool:
    """Return whether the nodes of a region are numbered, as in a stack; in a lock a stack is a block."""
    return region.kind == "stack" or "0" in region.nodes


def is_merge(region: Region, id: str) -> bool:
    """Return whether a node was inserted for a field, as `mode: sum` or `merge: sum`, not drawn; also in a lock."""
    node = region.nodes[id]
    ending = id.rstrip("_").rpartition("_")[2]
    ops = {"merge": MERGES.values(), "float32": ("cast",)}.get(ending, ())  # `float32` casts an input of half precision
    locked = node.span.column == 0 and node.op in ops
    return node.implied or locked or (is_stack(region) and node.op in _INSERTED.get(re.sub(r"_\d+$", "", id), ()))


_INSERTED = {mode: {op} for mode, op in SIDE_BY_SIDE.items()} | {
    "gated": {"gated_sum", "routed_sum"},
    "gate": {"linear"},
    "chosen": {"top_k_mask"},
    "collect": {*MERGES.values()},
}
"""What stands in a stack beside its members and norms, by id without number, with its ops; `concat_1` is dense."""


def match_nodes(before: TypedRegion, after: TypedRegion, digests: Digests) -> Match:
    """Match the nodes of two regions."""
    left, right = before.region, after.region
    inputs: dict[str, str] = {}
    if left is right:
        pairs = {id: id for id in left.nodes}
    elif is_stack(left) and is_stack(right):
        pairs = _match_by_order(left, right, digests)
    else:
        inputs = _renamed_inputs(before, after, digests)
        same_inputs = {name: name for name in left.inputs if name in right.inputs} | inputs
        same_ids = {id: id for id in left.nodes if id in right.nodes}
        pairs = _match_by_structure(left, right, same_inputs | same_ids, digests)

    matched = set(pairs.values())
    removed = tuple(id for id in left.nodes if id not in pairs)
    return Match(pairs, removed, tuple(id for id in right.nodes if id not in matched), inputs)


def _renamed_inputs(before: TypedRegion, after: TypedRegion, digests: Digests) -> dict[str, str]:
    """Match inputs with other names, equal types and equal consumers; several alike are matched in order."""
    left, right = (_inputs_by_use(each, digests) for each in (before, after))
    removed = [name for name in left if name not in right]
    added = [name for name in right if name not in left]

    renamed: dict[str, str] = {}
    for name in removed:
        free = (other for other in added if other not in renamed.values())
        if (same := next((other for other in free if right[other] == left[name]), None)) is not None:
            renamed[name] = same
    return renamed


def _inputs_by_use(typed: TypedRegion, digests: Digests) -> dict[str, Hashable]:
    """Return the type of each input, with the nodes and ports that it enters."""
    consumers: dict[str, list[tuple[int, str]]] = {name: [] for name in typed.region.inputs}
    for node in typed.region.nodes.values():
        for operand in node.operands:
            if operand.value and operand.value.node in consumers:
                consumers[operand.value.node].append((digests.of_node(node), operand.port))

    types = zip(typed.region.inputs, typed.inputs, strict=True)
    return {name: (str(type_), tuple(sorted(consumers[name]))) for name, type_ in types}


def _match_by_order(before: Region, after: Region, digests: Digests) -> dict[str, str]:
    """Match members of stacks, which have no names, in order, with as few added and removed ones as possible."""
    old_ids, new_ids = ([id for id in region.nodes if not is_merge(region, id)] for region in (before, after))
    left = [digests.of_node(before.nodes[id]) for id in old_ids]
    right = [digests.of_node(after.nodes[id]) for id in new_ids]

    # Equal ends are matched first: SequenceMatcher takes quadratic time on long stacks of equal members.
    start, end = _common_ends(left, right)
    pairs = {old_ids[i]: new_ids[i] for i in range(start)}
    middle = left[start : len(left) - end], right[start : len(right) - end]
    for _, i, i_end, j, j_end in SequenceMatcher(None, *middle, autojunk=False).get_opcodes():
        count = min(i_end - i, j_end - j)
        pairs |= {old_ids[start + i + k]: new_ids[start + j + k] for k in range(count)}
    return pairs | {old_ids[-k]: new_ids[-k] for k in range(end, 0, -1)}


def _common_ends(left: Sequence[int], right: Sequence[int]) -> tuple[int, int]:
    """Return how many items are equal at the beginning, and how many of the rest at the end."""
    shorter = min(len(left), len(right))
    start = next((i for i in range(shorter) if left[i] != right[i]), shorter)
    most = shorter - start
    return start, next((i for i in range(most) if left[-1 - i] != right[-1 - i]), most)


def _match_by_structure(before: Region, after: Region, pairs: dict[str, str], digests: Digests) -> dict[str, str]:
    """Extend `pairs`, which include inputs, by nodes with other ids but equal structure and position.

    Position means after the same nodes or, failing that, before the same ones; or the only node of its structure.
    """
    matcher = _StructureMatcher(digests, before, after, pairs)
    size = -1
    while len(matcher.pairs) != size:  # each match may reveal the position of others
        size = len(matcher.pairs)
        matcher.match_by_sources()
        matcher.match_by_consumers()
        matcher.match_unique()
    return {id: matcher.pairs[id] for id in before.nodes if id in matcher.pairs}


@dataclass
class _StructureMatcher:
    """`pairs` maps ids of the first region, including its inputs, to ids of the second, and grows."""

    digests: Digests
    before: Region
    after: Region
    pairs: dict[str, str]

    def match_by_sources(self) -> None:
        """Match nodes that the same values enter, in running order: a whole chain in one pass."""
        same = {id: id for id in (*self.after.inputs, *self.after.nodes)}
        positions = {node.id: _sources_of(node, same) for node in self.after.nodes.values()}
        self.match(self.before.nodes.values(), lambda node: _sources_of(node, self.pairs), positions)

    def match_by_consumers(self) -> None:
        """Match nodes whose values enter the same nodes, against running order."""
        consumers = _consumers(self.before)
        positions = {id: frozenset(users) for id, users in _consumers(self.after).items()}
        nodes = reversed(list(self.before.nodes.values()))
        self.match(nodes, lambda node: frozenset(self.pairs.get(id) for id in consumers[node.id]), positions)

    def match_unique(self) -> None:
        """Match nodes whose structure occurs once among the unmatched ones of either side."""
        unmatched: dict[int, list[str]] = {}
        for node in self.before.nodes.values():
            if node.id not in self.pairs:
                unmatched.setdefault(self.digests.of_node(node), []).append(node.id)

        for (number, _), ids in self.unmatched_after({}).items():
            if len(ids) == len(unmatched.get(number, ())) == 1:
                self.pairs[unmatched[number][0]] = ids[0]

    def match(
        self, nodes: Iterable[Node], position: Callable[[Node], Hashable], positions: Mapping[str, Hashable]
    ) -> None:
        """Match each node with the first unmatched one of the same structure at the same position."""
        unmatched = self.unmatched_after(positions)
        for node in nodes:
            if node.id not in self.pairs and (ids := unmatched.get((self.digests.of_node(node), position(node)))):
                self.pairs[node.id] = ids.pop(0)

    def unmatched_after(self, positions: Mapping[str, Hashable]) -> dict[tuple[int, Hashable], list[str]]:
        """Return the unmatched nodes of the second region, by structure and position."""
        matched = set(self.pairs.values())
        unmatched: dict[tuple[int, Hashable], list[str]] = {}
        for id, node in self.after.nodes.items():
            if id not in matched:
                unmatched.setdefault((self.digests.of_node(node), positions.get(id)), []).append(id)
        return unmatched


def _sources_of(node: Node, names: Mapping[str, str]) -> Hashable:
    return tuple(
        (names.get(operand.value.node), operand.value.output) if operand.value else None for operand in node.operands
    )


def _consumers(region: Region) -> dict[str, set[str]]:
    """Return the nodes that use a value of each node or input."""
    consumers: dict[str, set[str]] = {id: set() for id in (*region.inputs, *region.nodes)}
    for node in region.nodes.values():
        for operand in node.operands:
            if operand.value:
                consumers[operand.value.node].add(node.id)
    return consumers
