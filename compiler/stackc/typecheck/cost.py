"""Parameters and FLOPs of a typed graph, computed once per distinct region."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stackc.core.types import Dim, TensorType
from stackc.ir.model import Node
from stackc.ir.typed import TypedRegion


@dataclass(frozen=True)
class Cost:
    """Parameters, tied and shared ones counted once, and FLOPs of one forward pass: 2 per multiply-add of a product."""

    parameters: int
    flops: Dim


def cost_of(root: TypedRegion) -> dict[TypedRegion, Cost]:
    """Return the cost of a typed region and of every region inside it."""
    costs: dict[TypedRegion, Cost] = {}
    for typed in _inner_first(root, set()):
        parameters, flops = 0, Dim.of(0)
        for node in typed.region.nodes.values():
            cost = cost_of_node(typed, node, costs)
            parameters += 0 if node.same_as else cost.parameters
            flops = flops + cost.flops
        costs[typed] = Cost(parameters, flops)
    return costs


def cost_of_node(typed: TypedRegion, node: Node, costs: Mapping[TypedRegion, Cost]) -> Cost:
    """Return the cost of one node of a region, without tied parameters; `costs` has those of the regions inside.

    A node that calls another node's module again (`same_as`) counts the parameters of that module.
    """
    if node.id in typed.bodies:
        return costs[typed.bodies[node.id]]
    signature = typed.signatures[node.id]
    sizes = (size_of(type_) for name, type_ in signature.parameters.items() if name not in node.ties)
    return Cost(sum(sizes), signature.flops)


def size_of(type_: TensorType) -> int:
    """Return the number of elements of a tensor of constant shape."""
    return math.prod(dim.evaluate({}) for dim in type_.shape)


def _inner_first(typed: TypedRegion, seen: set[TypedRegion]) -> Iterator[TypedRegion]:
    """Yield every distinct region once, after the regions inside it."""
    if typed in seen:
        return
    seen.add(typed)
    for body in typed.bodies.values():
        yield from _inner_first(body, seen)
    yield typed
