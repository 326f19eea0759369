"""The typed graph: the regions of a graph with the type of every value and the signature of every component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stackc.components.base import Signature
from stackc.core.types import TensorType
from stackc.ir.model import Graph, Region, ValueRef


@dataclass(frozen=True, eq=False)
class TypedRegion:
    """A region entered by inputs of certain types: a signature for each component, a typed region for each region."""

    region: Region
    inputs: tuple[TensorType, ...]
    signatures: Mapping[str, Signature]
    bodies: Mapping[str, TypedRegion]
    outputs: tuple[TensorType, ...]

    def type_of(self, ref: ValueRef) -> TensorType:
        """Return the type of a value inside the region."""
        if ref.node in self.signatures:
            return self.signatures[ref.node].outputs[ref.output]
        if ref.node in self.bodies:
            return self.bodies[ref.node].outputs[ref.output]
        return self.inputs[self.region.inputs.index(ref.node)]

    def parameter_at(self, path: str) -> TensorType | None:
        """Return the type of the parameter at a path inside the region, or None if there is no such parameter."""
        id, _, rest = path.partition(".")
        if id in self.bodies:
            return self.bodies[id].parameter_at(rest)
        return self.signatures[id].parameters.get(rest) if id in self.signatures else None


@dataclass(frozen=True)
class TypedGraph:
    """A spec whose every value has a type."""

    graph: Graph
    root: TypedRegion
