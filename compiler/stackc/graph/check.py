"""Graph → typed Graph: the type of every value, the parameters of every component, and everything that does not fit.

A region is checked once for each combination of input types it is met with, however often it is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stackc.components.base import Limit, Misfit, Signature
from stackc.components.reparam import Reparam
from stackc.diagnostics import Collector, Note, Span, near
from stackc.graph.model import Graph, Node, Region, Wire
from stackc.types import Bounds, TensorType


@dataclass(frozen=True, eq=False)
class TypedRegion:
    """A region with the types of its inputs: signatures of its components, typed regions of its other nodes."""

    region: Region
    inputs: tuple[TensorType, ...]
    signatures: Mapping[str, Signature]
    bodies: Mapping[str, TypedRegion]
    outputs: tuple[TensorType, ...]

    def type_of(self, wire: Wire) -> TensorType:
        """The type of a value inside the region."""
        if wire.node in self.signatures:
            return self.signatures[wire.node].outputs[wire.output]
        if wire.node in self.bodies:
            return self.bodies[wire.node].outputs[wire.output]
        return self.inputs[self.region.inputs.index(wire.node)]


@dataclass(frozen=True)
class TypedGraph:
    """A checked spec."""

    graph: Graph
    root: TypedRegion


def check(graph: Graph) -> TypedGraph:
    """Types for every value of the graph. Raises SpecError with every T diagnostic."""
    checker = _Checker(Bounds(graph.contract), Collector())
    root = checker.region(graph.root, tuple(graph.inputs.values()))
    checker.found.raise_if_any()
    assert root is not None, "a region without types has noted why"
    return TypedGraph(graph, root)


@dataclass(frozen=True)
class _Checker:
    bounds: Bounds
    found: Collector
    known: dict[tuple[int, tuple[TensorType, ...]], TypedRegion | None] = field(default_factory=dict)

    def region(self, region: Region, inputs: tuple[TensorType, ...]) -> TypedRegion | None:
        """The typed region; None where a part of it has no types. What depends on such a part is passed over."""
        key = (id(region), inputs)
        if key not in self.known:
            self.known[key] = self.typed(region, inputs)
        return self.known[key]

    def typed(self, region: Region, inputs: tuple[TensorType, ...]) -> TypedRegion | None:
        types: dict[Wire, TensorType] = {Wire(name): type_ for name, type_ in zip(region.inputs, inputs, strict=True)}
        signatures: dict[str, Signature] = {}
        bodies: dict[str, TypedRegion] = {}
        for node in region.nodes.values():
            if any(inlet.wire and inlet.wire not in types for inlet in node.inlets):
                continue
            given = [types[inlet.wire] if inlet.wire else None for inlet in node.inlets]
            if isinstance(node.body, Region):
                entering = {inlet.port: type_ for inlet, type_ in zip(node.inlets, given, strict=True) if type_}
                body = self.region(node.body, tuple(entering[name] for name in node.body.inputs))
                if body is None:
                    continue
                bodies[node.id], outputs = body, body.outputs
            else:
                signature = self.signature(region, node, given)
                if signature is None:
                    continue
                signatures[node.id], outputs = signature, signature.outputs
            types |= {Wire(node.id, number): type_ for number, type_ in enumerate(outputs)}
        if not all(wire in types for wire in region.outputs.values()) or len(signatures) + len(bodies) < len(
            region.nodes
        ):
            return None
        typed = TypedRegion(region, inputs, signatures, bodies, tuple(types[wire] for wire in region.outputs.values()))
        for node in region.nodes.values():
            self.ties(typed, node)
        return typed

    def signature(self, region: Region, node: Node, given: Sequence[TensorType | None]) -> Signature | None:
        assert not isinstance(node.body, Region)
        try:
            signature = _reparametrized(node.body.signature(*given), node.reparams)
        except Misfit as misfit:
            self.misfit(region, node, given, misfit)
            return None
        for limit in signature.limits:
            self.limit(node, limit)
        return signature

    def misfit(self, region: Region, node: Node, given: Sequence[TensorType | None], misfit: Misfit) -> None:
        """Note a Misfit at the field or the arrow it blames, with the type and the origin of every input."""
        span = node.fields.get(misfit.field or "", node.span)
        if misfit.port and misfit.field not in node.fields:
            span = next((inlet.span for inlet in node.inlets if inlet.port == misfit.port), span)
        notes = [
            Note(f"{inlet.port} is {type_}, from '{inlet.wire.node}'", _origin(region, inlet.wire, node.span))
            for inlet, type_ in zip(node.inlets, given, strict=True)
            if inlet.wire and type_
        ]
        self.found.error(misfit.code, f"'{node.id}' ({node.op}): {misfit.message}", span, misfit.hint, *notes)

    def limit(self, node: Node, limit: Limit) -> None:
        """Note T205 where the dims contract allows a size that a component cannot take."""
        least, largest = self.bounds.least(limit.dim), self.bounds.largest(limit.dim)
        names = ", ".join(limit.dim.symbols()) or str(limit.dim)
        if least < limit.minimum:
            hint = f"declare it in the contract: `dims: {{{names}: {{min: {limit.minimum}}}}}`"
            message = f"'{node.id}' ({node.op}): {limit.reason}, and {limit.dim} may be {least}"
            self.found.error("T205", message, node.span, hint)
        if limit.maximum is not None and (largest is None or largest > limit.maximum):
            hint = f"declare it in the contract: `dims: {{{names}: {{max: {limit.maximum}}}}}`"
            up_to = "may be any size" if largest is None else f"may be {largest}"
            self.found.error(
                "T205", f"'{node.id}' ({node.op}): {limit.reason}, and {limit.dim} {up_to}", node.span, hint
            )

    def ties(self, typed: TypedRegion, node: Node) -> None:
        """Note T207 where a tied parameter does not exist or is of another type than its owner."""
        own = parameters_of(typed, node.id)
        for name, tie in node.ties.items():
            owner = parameter_at(typed, tie.path)
            if name not in own:
                message = f"'{node.id}' has no parameter '{name}'"
                self.found.error("T207", message, tie.span, near(name, own) or "it has no parameters")
            elif owner is None:
                head = tie.path.rpartition(".")[0].partition(".")[0]
                hint = near(head, typed.region.nodes) if head not in typed.region.nodes else None
                self.found.error("T207", f"no parameter is called '{tie.path}' here", tie.span, hint)
            elif owner != own[name]:
                message = f"'{node.id}.{name}' is {own[name]} and cannot be tied to '{tie.path}', which is {owner}"
                self.found.error("T207", message, tie.span)


def parameters_of(typed: TypedRegion, id: str) -> dict[str, TensorType]:
    """The parameters of a node by name; of a region, by path inside it."""
    if id in typed.signatures:
        return dict(typed.signatures[id].parameters)
    body = typed.bodies[id]
    return {f"{inner}.{name}": t for inner in body.region.nodes for name, t in parameters_of(body, inner).items()}


def parameter_at(typed: TypedRegion, path: str) -> TensorType | None:
    """The type of the parameter at a path inside the region; None where there is none."""
    id, _, rest = path.partition(".")
    if id in typed.bodies:
        return parameter_at(typed.bodies[id], rest)
    return typed.signatures[id].parameters.get(rest) if id in typed.signatures else None


def _reparametrized(signature: Signature, reparams: Sequence[tuple[str, Reparam]]) -> Signature:
    """The signature with PyTorch's names for what a reparametrized parameter is made of. Raises Misfit."""
    parameters = dict(signature.parameters)
    for name, reparam in reparams:
        if name not in parameters:
            hint = near(name, parameters) or "it has no parameters"
            raise Misfit(f"it has no parameter '{name}' to normalize", code="T207", hint=hint)
        reparam.check(parameters[name])
        parameters[f"parametrizations.{name}.original"] = parameters.pop(name)
    return replace(signature, parameters=parameters)


def _origin(region: Region, wire: Wire, default: Span) -> Span:
    return region.nodes[wire.node].span if wire.node in region.nodes else default
