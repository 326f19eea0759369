"""The table of faults: what each is called, its class, and the nodes it may be planted at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import onnx
from tests.benchmarks.mutants.graph import Graph, NotHere

Plant = Callable[[Graph, onnx.NodeProto], None]


@dataclass(frozen=True)
class Fault:
    """A kind of fault. `plant` changes the graph at a node of one of `op_types`, or raises NotHere.

    `rare` if only few inputs show it. An empty `op_types` means every node.
    """

    kind: str
    name: str
    op_types: tuple[str, ...]
    plant: Plant
    rare: bool = False


FAULTS: list[Fault] = []


def fault(kind: str, name: str, *op_types: str, rare: bool = False) -> Callable[[Plant], Plant]:
    """Add a function to the table of faults."""

    def add(plant: Plant) -> Plant:
        FAULTS.append(Fault(kind, name, op_types, plant, rare))
        return plant

    return add


def sites(fault: Fault, graph: Graph) -> Iterator[str]:
    """Yield the names of the nodes that a fault may be planted at, by the types of the nodes alone."""
    for node in graph.proto.node:
        if not fault.op_types or node.op_type in fault.op_types:
            yield node.name


def planted(fault: Fault, graph: Graph, name: str) -> Graph | None:
    """Return a copy of a graph with the fault at a node; None if it does not apply there."""
    copy = Graph(graph.model, graph.ops, graph.types, graph.ranks, graph.largest)
    try:
        fault.plant(copy, copy.node(name))
    except NotHere:
        return None
    return copy
