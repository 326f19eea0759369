"""Which components each node of the graph that ONNX Runtime runs belongs to: its optimizer fuses, renames and merges.

A node is traced back through the file, from the values it makes to values that the optimized graph makes as well: it
computes everything between. Nodes of the file that compute the same are one there; what is left of them belongs to the
components of all. Blocked convolutions ("nchwc") make values of other names: they are named for the value they made
before the last of their fusions, and what follows on it, but is nowhere else, is theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import onnx

from stackc.export.template import PATH
from stackc.onnx_format.nodes import reads

_BLOCKED = "_nchwc"
_REORDERS = ("ReorderInput", "ReorderOutput")


def nodes_within(file: onnx.ModelProto, optimized: onnx.ModelProto) -> dict[str, tuple[onnx.NodeProto, ...]]:
    """Return the nodes of the file, a model without functions, that each node of the optimized graph stands for.

    A node that stands for none, such as a copy into another layout, has those of a node beside it, of which it is a
    part. The names of the optimized graph's nodes are the keys.
    """
    origin = _Origin(tuple(file.graph.node), {value.name for value in file.graph.input})
    tracer = _Tracer(origin, tuple(optimized.graph.node))
    within = {node.name: tracer.trace(node) for node in tracer.nodes}
    tracer.absorb(within)
    tracer.merge(within)
    tracer.lend(within)
    return {name: tuple(origin.nodes[index] for index in sorted(indices)) for name, indices in within.items()}


def stamped_path(node: onnx.NodeProto) -> str:
    """Return the path of the component that a node is stamped with; "" if it is of none."""
    return next((entry.value for entry in node.metadata_props if entry.key == PATH), "")


@dataclass(frozen=True, eq=False)
class _Origin:
    """The graph of the file: `inputs` are the names of its inputs."""

    nodes: tuple[onnx.NodeProto, ...]
    inputs: set[str]

    @cached_property
    def producers(self) -> dict[str, int]:
        """The index of the node that makes each value."""
        return {name: index for index, node in enumerate(self.nodes) for name in node.output if name}

    @cached_property
    def classes(self) -> dict[str, object]:
        """A key for each value that is equal for values that are computed alike; other names are their own."""
        numbers: dict[tuple[object, ...], int] = {}
        classes: dict[str, object] = {}
        for node in self.nodes:
            attributes = tuple(sorted(a.SerializeToString(deterministic=True) for a in node.attribute))
            entering = tuple(classes.get(name, name) for name in node.input), tuple(reads(node))[len(node.input) :]
            number = numbers.setdefault((node.domain, node.op_type, attributes, entering), len(numbers))
            classes |= {name: (number, position) for position, name in enumerate(node.output) if name}
        return classes

    def class_of(self, value: str) -> object:
        return self.classes.get(value, value)


@dataclass
class _Tracer:
    """Traces the nodes of the optimized graph. `made` are the classes of the values that it makes."""

    origin: _Origin
    nodes: tuple[onnx.NodeProto, ...]
    inexact: set[str] = field(default_factory=set)

    @cached_property
    def made(self) -> set[object]:
        return {self.origin.class_of(name) for node in self.nodes for name in self.anchors(node)}

    def anchors(self, node: onnx.NodeProto) -> list[str]:
        """Return the values of the file that a node makes; of a blocked one, the value that it is named for."""
        known = [name for name in node.output if name in self.origin.producers]
        named = node.name.removesuffix(_BLOCKED)
        return known if known or named == node.name or named not in self.origin.producers else [named]

    def trace(self, node: onnx.NodeProto) -> set[int]:
        """Return the nodes of the file between the values that a node makes and those that are made elsewhere."""
        anchors, blocked = self.anchors(node), node.name.endswith(_BLOCKED)
        if blocked:
            self.inexact.add(node.name)
        if node.op_type in _REORDERS:
            return set()

        indices: set[int] = set()
        waiting = [self.origin.producers[name] for name in anchors]
        while waiting:
            index = waiting.pop()
            if index in indices:
                continue
            indices.add(index)
            origin = self.origin.nodes[index]
            if blocked and origin.op_type == node.op_type:
                continue  # before it there is a fusion of the node before
            entering = [name for name in reads(origin) if name in self.origin.producers]
            waiting += [self.origin.producers[name] for name in entering if self.origin.class_of(name) not in self.made]
        return indices

    def absorb(self, within: Mapping[str, set[int]]) -> None:
        """Give blocked nodes what follows on them in the file and is nowhere in the optimized graph."""
        owner = {index: name for name, indices in within.items() if name in self.inexact for index in indices}
        covered = set().union(*within.values()) if within else set()
        order = {node.name: position for position, node in enumerate(self.nodes)}
        for index, node in enumerate(self.origin.nodes):
            if index in covered:
                continue
            before = [self.origin.producers[name] for name in reads(node) if name in self.origin.producers]
            names = [owner[each] for each in before if each in owner]
            if names:
                last = max(names, key=order.__getitem__)
                owner[index] = last
                within[last].add(index)

    def merge(self, within: Mapping[str, set[int]]) -> None:
        """Add nodes that are gone, since others compute the same, to what is left of those others."""
        covered = {index: name for name, indices in within.items() for index in indices}
        left: dict[object, list[str]] = {}
        for index, name in covered.items():
            left.setdefault(self._class_of_node(index), []).append(name)
        for index in range(len(self.origin.nodes)):
            if index not in covered:
                for name in left.get(self._class_of_node(index), []):
                    within[name].add(index)

    def _class_of_node(self, index: int) -> object:
        return next((self.origin.class_of(name) for name in self.origin.nodes[index].output if name), index)

    def lend(self, within: dict[str, set[int]]) -> None:
        """Give a node that stands for none those of a node it is a part of: the one that reads it, or is read by it."""
        makers = {name: node.name for node in self.nodes for name in node.output if name}
        readers: dict[str, list[str]] = {}
        for node in self.nodes:
            for name in reads(node):
                readers.setdefault(name, []).append(node.name)

        for node in reversed(self.nodes):
            if not within[node.name]:
                after = [reader for name in node.output for reader in readers.get(name, [])]
                before = [makers[name] for name in reads(node) if name in makers]
                if node.op_type == "ReorderOutput":
                    after, before = before, after
                within[node.name] = set(_first_of(within, [*after, *before]))


def _first_of(within: Mapping[str, set[int]], names: Iterable[str]) -> Iterator[int]:
    """Yield the nodes of the first of the named ones that stands for any."""
    yield from next((within[name] for name in names if within[name]), ())
