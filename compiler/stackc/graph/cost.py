"""What a typed graph costs: parameters and FLOPs, counted once per distinct region and multiplied."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from stackc.graph.check import TypedRegion
from stackc.types import Dim, TensorType


@dataclass(frozen=True)
class Cost:
    """Parameters, tied and shared ones once, and the FLOPs of one forward pass: 2 a multiply-add of matrix products."""

    parameters: int
    flops: Dim


def cost_of(root: TypedRegion) -> dict[TypedRegion, Cost]:
    """The cost of a typed region and of every region inside it."""
    costs: dict[TypedRegion, Cost] = {}
    for typed in _inner_first(root, set()):
        parameters, flops = 0, Dim.of(0)
        for id, node in typed.region.nodes.items():
            if id in typed.bodies:
                cost = costs[typed.bodies[id]]
                own, work = cost.parameters, cost.flops
            else:
                signature = typed.signatures[id]
                own = sum(size_of(t) for name, t in signature.parameters.items() if name not in node.ties)
                work = signature.flops
            parameters += 0 if node.same_as else own
            flops = flops + work
        costs[typed] = Cost(parameters, flops)
    return costs


def size_of(type_: TensorType) -> int:
    """The number of elements of a tensor of constant shape."""
    return math.prod(dim.evaluate({}) for dim in type_.shape)


def _inner_first(typed: TypedRegion, seen: set[TypedRegion]) -> Iterator[TypedRegion]:
    if typed in seen:
        return
    seen.add(typed)
    for body in typed.bodies.values():
        yield from _inner_first(body, seen)
    yield typed
