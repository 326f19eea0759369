"""Typed graph → plan: block by block what comes out, what it computes, and what weights and activations take.

Everything is counted once a distinct region and multiplied, as in graph/cost.py: no plan walks a model flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stackc.components.base import Signature
from stackc.graph.check import TypedGraph, TypedRegion
from stackc.graph.cost import Cost, cost_of, cost_of_node, size_of
from stackc.graph.model import Node, Wire
from stackc.types import BYTES, Dim, DimContract, TensorType, product
from stackc.view.folding import Run, fold, opens


@dataclass(frozen=True, slots=True)
class Precision:
    """Bytes of an element: of a weight with two axes or more, of any other one, of an activation."""

    matrix: int
    vector: int
    activation: int


PRECISIONS = {"float32": Precision(4, 4, 4), "float16": Precision(2, 2, 2), "int8": Precision(1, 2, 2)}
"""float16 stands for bfloat16 too. int8 is that of weight matrices, their scales left out; the rest is float16 then."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Elements of parameters and buffers: of matrices and others; and the bytes of whole numbers, always the same."""

    matrices: int = 0
    vectors: int = 0
    whole: int = 0

    def bytes(self, precision: Precision) -> int:
        """The memory they take."""
        return self.matrices * precision.matrix + self.vectors * precision.vector + self.whole


@dataclass(frozen=True, slots=True)
class Activations:
    """Floating-point elements, those that a component holds on the way included; and the bytes of whole numbers."""

    floats: Dim
    whole: Dim

    def bytes(self, precision: Precision) -> Dim:
        """The memory they take where all of them are kept, as for training."""
        return self.floats * precision.activation + self.whole


@dataclass(frozen=True, slots=True)
class Needs:
    """What a part of a model needs."""

    cost: Cost
    weights: Weights
    activations: Activations

    def times(self, modules: int, calls: int) -> Needs:
        """That of `modules` equal parts, called `calls` times in all."""
        weights, made = self.weights, self.activations
        return Needs(
            Cost(self.cost.parameters * modules, self.cost.flops * calls),
            Weights(weights.matrices * modules, weights.vectors * modules, weights.whole * modules),
            Activations(made.floats * calls, made.whole * calls),
        )

    def facts(self) -> dict[str, Any]:
        """All of it for programs, bytes by precision; what depends on sizes left open is a text."""
        return {
            "parameters": self.cost.parameters,
            "flops": str(self.cost.flops),
            "weight_bytes": {name: self.weights.bytes(each) for name, each in PRECISIONS.items()},
            "activation_bytes": {name: str(self.activations.bytes(each)) for name, each in PRECISIONS.items()},
        }


@dataclass(frozen=True, slots=True)
class Row:
    """A node, or equal ones: `path` is that of the first, `needs` those of all. Rows inside have a higher `level`."""

    path: str
    op: str
    repeat: int
    level: int
    outputs: tuple[TensorType, ...]
    needs: Needs


@dataclass(frozen=True)
class Plan:
    """A whole plan. The sizes left open are those of `contract` that the inputs have."""

    name: str
    inputs: Mapping[str, TensorType]
    outputs: Mapping[str, TensorType]
    rows: tuple[Row, ...]
    total: Needs
    contract: DimContract
    root: TypedRegion


def make_plan(typed: TypedGraph, depth: int = 1) -> Plan:
    """The plan of a checked spec, with blocks and stacks opened down to `depth` as in its drawing."""
    root, graph = typed.root, typed.graph
    bill = _Bill(cost_of(root), {})
    open_dims = {name for type_ in root.inputs for dim in type_.shape for name in dim.symbols()}
    return Plan(
        name=graph.document.name,
        inputs=dict(zip(root.region.inputs, root.inputs, strict=True)),
        outputs=dict(zip(root.region.outputs, root.outputs, strict=True)),
        rows=tuple(bill.rows(root, fold(root), "", depth)),
        total=bill.region(root),
        contract={name: limits for name, limits in graph.contract.items() if name in open_dims},
        root=root,
    )


def total_of(typed: TypedGraph) -> Needs:
    """What the whole model needs."""
    return _Bill(cost_of(typed.root), {}).region(typed.root)


Factor = tuple[int, int]


@dataclass(frozen=True)
class _Bill:
    costs: Mapping[TypedRegion, Cost]
    known: dict[TypedRegion, Needs]

    def region(self, typed: TypedRegion) -> Needs:
        """The needs of a region."""
        if typed not in self.known:
            needs = [self.of(typed, (node,)) for node in typed.region.nodes.values()]
            weights = _sum_of_weights(each.weights for each in needs)
            floats = sum((each.activations.floats for each in needs), Dim.of(0))
            whole = sum((each.activations.whole for each in needs), Dim.of(0))
            self.known[typed] = Needs(self.costs[typed], weights, Activations(floats, whole))
        return self.known[typed]

    def of(self, typed: TypedRegion, copies: tuple[Node, ...]) -> Needs:
        """The needs of equal nodes together; one that is the same module as another has no weights of its own."""
        node = copies[0]
        if node.id in typed.bodies:
            each = self.region(typed.bodies[node.id])
        else:
            signature = typed.signatures[node.id]
            cost = cost_of_node(typed, node, self.costs)
            each = Needs(cost, _weights_of(signature, node), _activations_of(signature))
        return each.times(sum(not copy.same_as for copy in copies), len(copies))

    def rows(
        self, typed: TypedRegion, runs: Iterable[Run], path: str, depth: int, level: int = 0, factor: Factor = (1, 1)
    ) -> Iterator[Row]:
        """The rows of a region of which the model has as many modules, called as often, as `factor` says."""
        for run in _merged(runs):
            copies = tuple(node for repeat in run.repeats for node in repeat)
            node, here = copies[0], path + copies[0].id
            outputs = tuple(typed.type_of(Wire(node.id, number)) for number in range(_arity(typed, node)))
            needs = self.of(typed, copies).times(*factor)
            yield Row(here, node.op, len(copies) * factor[1], level, outputs, needs)
            body = typed.bodies.get(node.id)
            if body is not None and depth > 1 and opens(body, fold(body)):
                times = factor[0] * sum(not copy.same_as for copy in copies), factor[1] * len(copies)
                yield from self.inside(body, f"{here}.", depth, level + 1, times)

    def inside(self, body: TypedRegion, path: str, depth: int, level: int, factor: Factor) -> Iterator[Row]:
        """The rows inside a node. A stack of equal members has those of one member, as its drawing has."""
        runs = fold(body)
        if len(runs) == 1 and body.region.kind == "stack" and (only := runs[0].only):
            members = [node for (node,) in runs[0].repeats]
            times = factor[0] * sum(not member.same_as for member in members), factor[1] * len(members)
            yield from self.inside(body.bodies[only.id], f"{path}{only.id}.", depth, level, times)
        else:
            yield from self.rows(body, runs, path, depth - 1, level, factor)


def _merged(runs: Iterable[Run]) -> Iterator[Run]:
    """The runs of single nodes that a region consists of, those of a repeated stretch with all of its repeats."""
    for run in runs:
        start = 0
        for inner in run.inner:
            width = len(inner.repeats[0])
            places = range(start, start + width * len(inner.repeats), width)
            yield from _merged([Run(tuple(each[i : i + width] for each in run.repeats for i in places), inner.inner)])
            start = places.stop
        if not run.inner:
            yield run


def _arity(typed: TypedRegion, node: Node) -> int:
    return len(typed.bodies[node.id].outputs if node.id in typed.bodies else typed.signatures[node.id].outputs)


def _weights_of(signature: Signature, node: Node) -> Weights:
    """Of a component: its buffers, and its parameters but for those tied to another one's."""
    own = [type_ for name, type_ in signature.parameters.items() if name not in node.ties]
    return _sum_of_weights(map(_weight, [*own, *signature.buffers.values()]))


def _weight(type_: TensorType) -> Weights:
    elements = size_of(type_)
    if not type_.is_float:
        return Weights(whole=elements * BYTES[type_.dtype])
    return Weights(matrices=elements) if type_.rank > 1 else Weights(vectors=elements)


def _sum_of_weights(weights: Iterable[Weights]) -> Weights:
    matrices = vectors = whole = 0
    for each in weights:
        matrices, vectors, whole = matrices + each.matrices, vectors + each.vectors, whole + each.whole
    return Weights(matrices, vectors, whole)


def _activations_of(signature: Signature) -> Activations:
    made = activations(signature.outputs)
    return Activations(made.floats + signature.workspace, made.whole)


def activations(types: Iterable[TensorType]) -> Activations:
    """What values of these types take."""
    floats, whole = Dim.of(0), Dim.of(0)
    for type_ in types:
        elements = product(type_.shape)
        if type_.is_float:
            floats = floats + elements
        else:
            whole = whole + elements * BYTES[type_.dtype]
    return Activations(floats, whole)
