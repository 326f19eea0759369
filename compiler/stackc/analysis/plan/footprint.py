"""Footprint of a model or a part: parameters, FLOPs, and the memory of weights and activations.

Each distinct region is counted once and multiplied, as in typecheck/cost.py: nothing walks the flattened model.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stackc.components.base import Signature
from stackc.core.types import BYTES, Dim, TensorType, product
from stackc.ir.model import Node
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.typecheck.cost import Cost, cost_of, cost_of_node, size_of


@dataclass(frozen=True, slots=True)
class Precision:
    """Bytes per element: of a weight with two or more axes, of any other weight, of an activation."""

    matrix: int
    vector: int
    activation: int


PRECISIONS = {"float32": Precision(4, 4, 4), "float16": Precision(2, 2, 2), "int8": Precision(1, 2, 2)}
"""float16 covers bfloat16 too. int8 applies to weight matrices, without their scales; the rest is float16."""


@dataclass(frozen=True, slots=True)
class WeightFootprint:
    """Elements of parameters and buffers, matrices and others; and the bytes of integers, equal in every precision."""

    matrices: int = 0
    vectors: int = 0
    whole: int = 0

    def bytes(self, precision: Precision) -> int:
        """Return the memory of the weights."""
        return self.matrices * precision.matrix + self.vectors * precision.vector + self.whole


@dataclass(frozen=True, slots=True)
class ActivationFootprint:
    """Floating-point elements, including the workspace of components; and the bytes of integers."""

    floats: Dim
    whole: Dim

    def bytes(self, precision: Precision) -> Dim:
        """Return the memory of all activations together, as kept for training."""
        return self.floats * precision.activation + self.whole


@dataclass(frozen=True, slots=True)
class Footprint:
    """The cost and memory of a model or a part of it."""

    cost: Cost
    weights: WeightFootprint
    activations: ActivationFootprint

    def times(self, modules: int, calls: int) -> Footprint:
        """Return the footprint of `modules` equal parts that are called `calls` times in total."""
        weights, activations = self.weights, self.activations
        return Footprint(
            Cost(self.cost.parameters * modules, self.cost.flops * calls),
            WeightFootprint(weights.matrices * modules, weights.vectors * modules, weights.whole * modules),
            ActivationFootprint(activations.floats * calls, activations.whole * calls),
        )

    def facts(self) -> dict[str, Any]:
        """Return the footprint for JSON, bytes by precision; figures that depend on open sizes are text."""
        return {
            "parameters": self.cost.parameters,
            "flops": str(self.cost.flops),
            "weight_bytes": {name: self.weights.bytes(each) for name, each in PRECISIONS.items()},
            "activation_bytes": {name: str(self.activations.bytes(each)) for name, each in PRECISIONS.items()},
        }


def footprint_of(typed: TypedGraph) -> Footprint:
    """Return the footprint of the whole model."""
    return FootprintCounter(cost_of(typed.root)).region(typed.root)


@dataclass
class FootprintCounter:
    """Computes footprints of regions, nodes and components, and remembers them.

    `costs` has the cost of every region of the model.
    """

    costs: Mapping[TypedRegion, Cost]
    _regions: dict[TypedRegion, Footprint] = field(default_factory=dict, init=False)
    _components: dict[Hashable, Footprint] = field(default_factory=dict, init=False)

    def region(self, typed: TypedRegion) -> Footprint:
        """Return the footprint of a region."""
        if typed not in self._regions:
            nodes = [self.nodes(typed, (node,)) for node in typed.region.nodes.values()]
            weights = _sum_of_weights(node.weights for node in nodes)
            floats = sum((node.activations.floats for node in nodes), Dim.of(0))
            whole = sum((node.activations.whole for node in nodes), Dim.of(0))
            self._regions[typed] = Footprint(self.costs[typed], weights, ActivationFootprint(floats, whole))
        return self._regions[typed]

    def nodes(self, typed: TypedRegion, copies: tuple[Node, ...]) -> Footprint:
        """Return the footprint of equal nodes together; a node that shares a module (`same_as`) adds no weights."""
        node = copies[0]
        each = self.region(typed.bodies[node.id]) if node.id in typed.bodies else self.component(typed, node)
        modules = sum(not copy.same_as for copy in copies)
        return each if modules == len(copies) == 1 else each.times(modules, len(copies))

    def component(self, typed: TypedRegion, node: Node) -> Footprint:
        """Return the footprint of a component, computed once for all with equal signatures."""
        signature = typed.signatures[node.id]
        tensors = tuple(signature.parameters.items()), tuple(signature.buffers.items()), tuple(node.ties)
        key = signature.outputs, tensors, signature.flops, signature.workspace
        if key not in self._components:
            cost = cost_of_node(typed, node, self.costs)
            self._components[key] = Footprint(cost, _weights_of(signature, node), _activations_of(signature))
        return self._components[key]


def _weights_of(signature: Signature, node: Node) -> WeightFootprint:
    """Count the buffers and the parameters of a component, except for parameters tied to another component's."""
    untied = [type_ for name, type_ in signature.parameters.items() if name not in node.ties]
    return _sum_of_weights(map(_weight, [*untied, *signature.buffers.values()]))


def _weight(type_: TensorType) -> WeightFootprint:
    elements = size_of(type_)
    if not type_.is_float:
        return WeightFootprint(whole=elements * BYTES[type_.dtype])
    return WeightFootprint(matrices=elements) if type_.rank > 1 else WeightFootprint(vectors=elements)


def _sum_of_weights(weights: Iterable[WeightFootprint]) -> WeightFootprint:
    matrices = vectors = whole = 0
    for each in weights:
        matrices, vectors, whole = matrices + each.matrices, vectors + each.vectors, whole + each.whole
    return WeightFootprint(matrices, vectors, whole)


def _activations_of(signature: Signature) -> ActivationFootprint:
    outputs = activations(signature.outputs)
    return ActivationFootprint(outputs.floats + signature.workspace, outputs.whole)


def activations(types: Iterable[TensorType]) -> ActivationFootprint:
    """Return the footprint of values of these types."""
    floats, whole = Dim.of(0), Dim.of(0)
    for type_ in types:
        elements = product(type_.shape)
        if type_.is_float:
            floats = floats + elements
        else:
            whole = whole + elements * BYTES[type_.dtype]
    return ActivationFootprint(floats, whole)
