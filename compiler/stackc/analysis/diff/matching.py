"""Which node of one region is which of another: by id, by equal structure, and in stacks by order."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from stackc.components.families.merge import MERGES, SIDE_BY_SIDE
from stackc.ir.model import Node, Region, ValueRef
from stackc.ir.typed import TypedRegion


@dataclass(frozen=True)
class Match:
    """Ids of the first region with their counterparts in the second; what only one of them has, in running order.

    `inputs` are those inputs of the first that the second has under another name.
    """

    pairs: Mapping[str, str]
    gone: tuple[str, ...]
    come: tuple[str, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Digests:
    """Numbers that are equal for equal structure: components, fields and wiring, whatever anything is called."""

    numbers: dict[Hashable, int] = field(default_factory=dict)
    known: dict[Region, int] = field(default_factory=dict)

    def of_node(self, node: Node) -> int:
        """The number of a node, with everything inside it but not what enters it."""
        work = self.of_region(node.body) if isinstance(node.body, Region) else node.body
        return self._number((work, node.reparams, tuple(node.ties), tuple(operand.port for operand in node.operands)))

    def of_region(self, region: Region) -> int:
        """The number of a region: its nodes, wired by their places in running order."""
        if region not in self.known:
            places: dict[str, Hashable] = {name: ("input", number) for number, name in enumerate(region.inputs)}
            places |= {id: number for number, id in enumerate(region.nodes)}

            def placed(ref: ValueRef | None) -> Hashable:
                return (places[ref.node], ref.output) if ref else None

            nodes = tuple(
                (
                    self.of_node(node),
                    places.get(node.same_as or ""),
                    tuple(placed(operand.value) for operand in node.operands),
                )
                for node in region.nodes.values()
            )
            self.known[region] = self._number((nodes, tuple(map(placed, region.outputs.values()))))
        return self.known[region]

    def _number(self, key: Hashable) -> int:
        return self.numbers.setdefault(key, len(self.numbers))


def is_stack(region: Region) -> bool:
    """Whether its nodes go by numbers, as those of a stack do, also in a lock, where it is a block."""
    return region.kind == "stack" or "0" in region.nodes


def is_merge(region: Region, id: str) -> bool:
    """Whether a node is one that no one drew: what `mode: sum` and `merge: sum` ask for, also in a lock."""
    node = region.nodes[id]
    locked = node.span.column == 0 and node.op in MERGES.values() and id.rstrip("_").endswith("_merge")
    return node.implied or locked or (is_stack(region) and id in SIDE_BY_SIDE)


def match_nodes(before: TypedRegion, after: TypedRegion, digests: Digests) -> Match:
    """The counterparts of two regions."""
    one, other = before.region, after.region
    inputs: dict[str, str] = {}
    if one is other:
        pairs = {id: id for id in one.nodes}
    elif is_stack(one) and is_stack(other):
        pairs = _in_order(one, other, digests)
    else:
        inputs = _renamed_inputs(before, after, digests)
        known = {name: name for name in one.inputs if name in other.inputs} | inputs
        pairs = _renamed(one, other, known | {id: id for id in one.nodes if id in other.nodes}, digests)
    found = set(pairs.values())
    gone = tuple(id for id in one.nodes if id not in pairs)
    return Match(pairs, gone, tuple(id for id in other.nodes if id not in found), inputs)


def _renamed_inputs(before: TypedRegion, after: TypedRegion, digests: Digests) -> dict[str, str]:
    """Inputs with another name but the same type that equal nodes take; of several that are alike, by their order."""
    left, right = (_inputs_by_use(each, digests) for each in (before, after))
    gone = [name for name in left if name not in right]
    come = [name for name in right if name not in left]
    found: dict[str, str] = {}
    for name in gone:
        if (same := next((n for n in come if n not in found.values() and right[n] == left[name]), None)) is not None:
            found[name] = same
    return found


def _inputs_by_use(typed: TypedRegion, digests: Digests) -> dict[str, Hashable]:
    """The type of each input, and what takes it at which ports."""
    takers: dict[str, list[tuple[int, str]]] = {name: [] for name in typed.region.inputs}
    for node in typed.region.nodes.values():
        for operand in node.operands:
            if operand.value and operand.value.node in takers:
                takers[operand.value.node].append((digests.of_node(node), operand.port))
    types = zip(typed.region.inputs, typed.inputs, strict=True)
    return {name: (str(type_), tuple(sorted(takers[name]))) for name, type_ in types}


def _in_order(one: Region, other: Region, digests: Digests) -> dict[str, str]:
    """Members of stacks, which have no names: as few as can be are added or removed, the others go by their order."""
    ids, others = ([id for id in region.nodes if not is_merge(region, id)] for region in (one, other))
    left = [digests.of_node(one.nodes[id]) for id in ids]
    right = [digests.of_node(other.nodes[id]) for id in others]
    start, end = _common(left, right)
    pairs = {ids[i]: others[i] for i in range(start)}
    middle = left[start : len(left) - end], right[start : len(right) - end]
    for _, i, i_end, j, j_end in SequenceMatcher(None, *middle, autojunk=False).get_opcodes():
        count = min(i_end - i, j_end - j)
        pairs |= {ids[start + i + k]: others[start + j + k] for k in range(count)}
    return pairs | {ids[-k]: others[-k] for k in range(end, 0, -1)}


def _common(left: Sequence[int], right: Sequence[int]) -> tuple[int, int]:
    """How many are equal at the beginning, and of the rest at the end."""
    shorter = min(len(left), len(right))
    start = next((i for i in range(shorter) if left[i] != right[i]), shorter)
    most = shorter - start
    return start, next((i for i in range(most) if left[-1 - i] != right[-1 - i]), most)


def _renamed(one: Region, other: Region, pairs: dict[str, str], digests: Digests) -> dict[str, str]:
    """`pairs`, inputs included, with those that have another id but the same structure: in the same place, or nowhere
    else.

    The same place is behind the same nodes or, failing that, before the same ones.
    """
    renaming = _Renaming(digests, one, other, pairs)
    size = -1
    while len(renaming.names) != size:
        size = len(renaming.names)
        renaming.behind()
        renaming.before()
        renaming.nowhere_else()
    return {id: renaming.names[id] for id in one.nodes if id in renaming.names}


@dataclass(frozen=True)
class _Renaming:
    """`names` leads from ids of the first region, its inputs included, to ids of the second one, and grows."""

    digests: Digests
    one: Region
    other: Region
    names: dict[str, str]

    def behind(self) -> None:
        """Match nodes that the same values enter, in running order: a whole chain in one go."""
        same = {id: id for id in (*self.other.inputs, *self.other.nodes)}
        places = {node.id: _entering(node, same) for node in self.other.nodes.values()}
        self.settle(self.one.nodes.values(), lambda node: _entering(node, self.names), places)

    def before(self) -> None:
        """Match nodes whose values the same nodes take, against running order."""
        takers = _takers(self.one)
        places = {id: frozenset(taken) for id, taken in _takers(self.other).items()}
        nodes = reversed(list(self.one.nodes.values()))
        self.settle(nodes, lambda node: frozenset(self.names.get(id) for id in takers[node.id]), places)

    def nowhere_else(self) -> None:
        """Match nodes of a structure that only one of those left has, on either side."""
        here: dict[int, list[str]] = {}
        for node in self.one.nodes.values():
            if node.id not in self.names:
                here.setdefault(self.digests.of_node(node), []).append(node.id)
        for (number, _), ids in self.left({}).items():
            if len(ids) == len(here.get(number, ())) == 1:
                self.names[here[number][0]] = ids[0]

    def settle(self, nodes: Iterable[Node], place: Callable[[Node], Hashable], places: Mapping[str, Hashable]) -> None:
        """Match each node with the first one left of the same structure at the same place."""
        left = self.left(places)
        for node in nodes:
            if node.id not in self.names and (ids := left.get((self.digests.of_node(node), place(node)))):
                self.names[node.id] = ids.pop(0)

    def left(self, places: Mapping[str, Hashable]) -> dict[tuple[int, Hashable], list[str]]:
        """What is left of the second region, by structure and place."""
        known = set(self.names.values())
        found: dict[tuple[int, Hashable], list[str]] = {}
        for id, node in self.other.nodes.items():
            if id not in known:
                found.setdefault((self.digests.of_node(node), places.get(id)), []).append(id)
        return found


def _entering(node: Node, names: Mapping[str, str]) -> Hashable:
    return tuple(
        (names.get(operand.value.node), operand.value.output) if operand.value else None for operand in node.operands
    )


def _takers(region: Region) -> dict[str, set[str]]:
    """The nodes that take a value of each node."""
    takers: dict[str, set[str]] = {id: set() for id in (*region.inputs, *region.nodes)}
    for node in region.nodes.values():
        for operand in node.operands:
            if operand.value:
                takers[operand.value.node].add(node.id)
    return takers
