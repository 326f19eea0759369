"""Overlays: a number for each component, by which a page colours the drawing instead of by families.

A closed block or stack has the sum of what is in it, or the largest, and a box that is drawn once for equal ones has
that of all of them: the page works both out. What every typed graph has are parameters and FLOPs; a build adds time and
error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stackc.core.types import DimContract, DimRange
from stackc.ir.model import Node
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.typecheck.cost import Cost, cost_of_node

_USUAL = 128
"""The size at which FLOPs are compared where the contract allows it: products grow with it, attention with its
square."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """A number for each component by its path, in `unit`; `note` says at which sizes, or of what, they are."""

    name: str
    unit: Literal["ms", "%", ""]
    values: Mapping[str, float]
    combine: Literal["sum", "max"] = "sum"
    note: str = ""

    def data(self) -> dict[str, Any]:
        """Return the overlay for the page's script, numbers with four digits."""
        values = {path: float(f"{value:.4g}") for path, value in self.values.items()}
        return {"name": self.name, "unit": self.unit, "combine": self.combine, "note": self.note, "values": values}


def cost_overlays(typed: TypedGraph, sizes: Mapping[str, int] | None = None) -> tuple[Overlay, ...]:
    """Return the parameters and the FLOPs of every component, at `sizes` or else at usual ones; none if all are 0."""
    sizes = usual_sizes(typed.graph.contract) if sizes is None else sizes
    costs = dict(_component_costs(typed.root, ""))
    parameters = Overlay("parameters", "", {path: float(cost.parameters) for path, cost in costs.items()})
    flops = {path: float(cost.flops.evaluate(sizes)) for path, cost in costs.items()}
    overlays = parameters, Overlay("FLOPs", "", flops, note=f"at {point_text(sizes)}")
    return tuple(overlay for overlay in overlays if any(overlay.values.values()))


def point_text(sizes: Mapping[str, int]) -> str:
    """Return `batch=1, seq=128`."""
    return ", ".join(f"{name}={size}" for name, size in sizes.items()) or "fixed sizes"


def usual_sizes(contract: DimContract) -> dict[str, int]:
    """Return sizes to compare FLOPs at: 128 of each dim, or the nearest that its range allows."""
    return {name: _usual_size(limits) for name, limits in contract.items()}


def _usual_size(limits: DimRange) -> int:
    most = _USUAL if limits.maximum is None else min(_USUAL, limits.maximum)
    return max(limits.least, most // limits.multiple_of * limits.multiple_of)


def _component_costs(typed: TypedRegion, prefix: str) -> Iterator[tuple[str, Cost]]:
    """Yield the path and the cost of every component; parameters that are tied or shared only at their owner."""
    for node in typed.region.nodes.values():
        path = f"{prefix}{node.id}"
        if body := typed.bodies.get(node.id):
            yield from _component_costs(body, f"{path}.")
        else:
            yield path, _own_cost(typed, node)


def _own_cost(typed: TypedRegion, node: Node) -> Cost:
    cost = cost_of_node(typed, node, {})
    return Cost(0, cost.flops) if node.same_as else cost
