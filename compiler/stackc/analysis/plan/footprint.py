"""What a model needs: parameters and FLOPs, and the memory of weights and activations.

Everything is counted once a distinct region and multiplied, as in graph/cost.py: nothing walks a model flat.
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
    """Bytes of an element: of a weight with two axes or more, of any other one, of an activation."""

    matrix: int
    vector: int
    activation: int


PRECISIONS = {"float32": Precision(4, 4, 4), "float16": Precision(2, 2, 2), "int8": Precision(1, 2, 2)}
"""float16 stands for bfloat16 too. int8 is that of weight matrices, their scales left out; the rest is float16 then."""


@dataclass(frozen=True, slots=True)
class WeightFootprint:
    """Elements of parameters and buffers: of matrices and others; and the bytes of whole numbers, always the same."""

    matrices: int = 0
    vectors: int = 0
    whole: int = 0

    def bytes(self, precision: Precision) -> int:
        """The memory they take."""
        return self.matrices * precision.matrix + self.vectors * precision.vector + self.whole


@dataclass(frozen=True, slots=True)
class ActivationFootprint:
    """Floating-point elements, those that a component holds on the way included; and the bytes of whole numbers."""

    floats: Dim
    whole: Dim

    def bytes(self, precision: Precision) -> Dim:
        """The memory they take where all of them are kept, as for training."""
        return self.floats * precision.activation + self.whole


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a part of a model needs."""

    cost: Cost
    weights: WeightFootprint
    activations: ActivationFootprint

    def times(self, modules: int, calls: int) -> Footprint:
        """That of `modules` equal parts, called `calls` times in all."""
        weights, made = self.weights, self.activations
        return Footprint(
            Cost(self.cost.parameters * modules, self.cost.flops * calls),
            WeightFootprint(weights.matrices * modules, weights.vectors * modules, weights.whole * modules),
            ActivationFootprint(made.floats * calls, made.whole * calls),
        )

    def facts(self) -> dict[str, Any]:
        """All of it for programs, bytes by precision; what depends on sizes left open is a text."""
        return {
            "parameters": self.cost.parameters,
            "flops": str(self.cost.flops),
            "weight_bytes": {name: self.weights.bytes(each) for name, each in PRECISIONS.items()},
            "activation_bytes": {name: str(self.activations.bytes(each)) for name, each in PRECISIONS.items()},
        }


def footprint_of(typed: TypedGraph) -> Footprint:
    """What the whole model needs."""
    return FootprintCounter(cost_of(typed.root)).region(typed.root)


@dataclass(frozen=True)
class FootprintCounter:
    """Counts what parts of a model need; `costs` has those of all its regions, `known` what was counted before."""

    costs: Mapping[TypedRegion, Cost]
    known: dict[TypedRegion, Footprint] = field(default_factory=dict)
    alike: dict[Hashable, Footprint] = field(default_factory=dict)

    def region(self, typed: TypedRegion) -> Footprint:
        """The needs of a region."""
        if typed not in self.known:
            needs = [self.of(typed, (node,)) for node in typed.region.nodes.values()]
            weights = _sum_of_weights(each.weights for each in needs)
            floats = sum((each.activations.floats for each in needs), Dim.of(0))
            whole = sum((each.activations.whole for each in needs), Dim.of(0))
            self.known[typed] = Footprint(self.costs[typed], weights, ActivationFootprint(floats, whole))
        return self.known[typed]

    def of(self, typed: TypedRegion, copies: tuple[Node, ...]) -> Footprint:
        """The needs of equal nodes together; one that is the same module as another has no weights of its own."""
        node = copies[0]
        each = self.region(typed.bodies[node.id]) if node.id in typed.bodies else self.component(typed, node)
        modules = sum(not copy.same_as for copy in copies)
        return each if modules == len(copies) == 1 else each.times(modules, len(copies))

    def component(self, typed: TypedRegion, node: Node) -> Footprint:
        """The needs of a component, counted once for all that are alike."""
        signature = typed.signatures[node.id]
        held = tuple(signature.parameters.items()), tuple(signature.buffers.items()), tuple(node.ties)
        key = signature.outputs, held, signature.flops, signature.workspace
        if key not in self.alike:
            cost = cost_of_node(typed, node, self.costs)
            self.alike[key] = Footprint(cost, _weights_of(signature, node), _activations_of(signature))
        return self.alike[key]


def _weights_of(signature: Signature, node: Node) -> WeightFootprint:
    """Of a component: its buffers, and its parameters but for those tied to another one's."""
    own = [type_ for name, type_ in signature.parameters.items() if name not in node.ties]
    return _sum_of_weights(map(_weight, [*own, *signature.buffers.values()]))


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
    made = activations(signature.outputs)
    return ActivationFootprint(made.floats + signature.workspace, made.whole)


def activations(types: Iterable[TensorType]) -> ActivationFootprint:
    """What values of these types take."""
    floats, whole = Dim.of(0), Dim.of(0)
    for type_ in types:
        elements = product(type_.shape)
        if type_.is_float:
            floats = floats + elements
        else:
            whole = whole + elements * BYTES[type_.dtype]
    return ActivationFootprint(floats, whole)
