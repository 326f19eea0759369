"""Graph → typed Graph: the type of every value, the parameters of every component, and everything that does not fit.

A region is checked once for each combination of input types it is met with, however often it is repeated.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from stackc.components.base import Limit, Signature, SignatureError
from stackc.core.diagnostics import MOST_GUESSED, Collector, Diagnostic, Note, Span, SpecError, closest, did_you_mean
from stackc.core.types import INT64, Bounds, Dim, TensorType, product
from stackc.ir.model import Graph, Node, Region, ValueRef
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.spec.document import Document

if TYPE_CHECKING:
    from stackc.components.reparam import Reparam


MOST_COMPONENTS = 100_000
MOST_PARAMS = 4
"""Params of a block that a message names."""


def infer_types(graph: Graph) -> TypedGraph:
    """Types for every value of the graph. Raises SpecError with every T diagnostic.

    S003 where the model has more than `MOST_COMPONENTS`: each of them could have types of its own.
    """
    count = _count(graph.root, {})
    if count > MOST_COMPONENTS:
        message = f"the model has {count:,} components; stackc takes {MOST_COMPONENTS:,}"
        raise SpecError(Diagnostic("S003", message, graph.root.span, "repeat less, or nest fewer blocks"))
    contracts = {name: Note(f"the contract of {name}", decl.span) for name, decl in graph.document.dims.items()}
    checker = _Checker(Bounds(graph.contract), Collector(), contracts, _strays(graph.document))
    root = checker.region(graph.root, tuple(graph.inputs.values()))
    checker.diagnostics.raise_if_any()
    assert root is not None, "a region without types has noted why"
    return TypedGraph(graph, root)


@dataclass(frozen=True)
class _Checker:
    bounds: Bounds
    diagnostics: Collector
    contracts: Mapping[str, Note]
    strays: Mapping[str, Note]
    known: dict[tuple[int, tuple[TensorType, ...]], TypedRegion | None] = field(default_factory=dict)
    around: list[tuple[Region, Node]] = field(default_factory=list)
    clear: dict[tuple[int, tuple[TensorType, ...]], tuple[TensorType, ...]] = field(default_factory=dict)
    told: set[tuple[str, Span]] = field(default_factory=set)
    signed: dict[Hashable, Signature] = field(default_factory=dict)

    def region(self, region: Region, inputs: tuple[TensorType, ...]) -> TypedRegion | None:
        """The typed region; None where a part of it does not fit. What depends on types that are open is passed over.

        `clear` has the types of the outputs of a region that has none, where they are clear all the same.
        """
        key = (id(region), inputs)
        if key not in self.known:
            self.known[key] = self.typed(region, inputs)
        return self.known[key]

    def typed(self, region: Region, inputs: tuple[TensorType, ...]) -> TypedRegion | None:
        types: dict[ValueRef, TensorType] = {
            ValueRef(name): type_ for name, type_ in zip(region.inputs, inputs, strict=True)
        }
        signatures: dict[str, Signature] = {}
        bodies: dict[str, TypedRegion] = {}
        for node in region.nodes.values():
            if any(operand.value and operand.value not in types for operand in node.operands):
                continue
            given = [types[operand.value] if operand.value else None for operand in node.operands]
            if isinstance(node.body, Region):
                entering = {operand.port: type_ for operand, type_ in zip(node.operands, given, strict=True) if type_}
                entered = tuple(entering[name] for name in node.body.inputs)
                self.around.append((region, node))
                body = self.region(node.body, entered)
                self.around.pop()
                if body is None:
                    outputs = self.clear.get((id(node.body), entered), ())
                else:
                    bodies[node.id], outputs = body, body.outputs
            else:
                signature = self.signature(region, node, given)
                if signature is None:
                    outputs = node.body.fallback_outputs(*given)
                else:
                    signatures[node.id], outputs = signature, signature.outputs
            types |= {ValueRef(node.id, number): type_ for number, type_ in enumerate(outputs)}
        if not all(ref in types for ref in region.outputs.values()):
            return None
        if len(signatures) + len(bodies) < len(region.nodes):
            self.clear[id(region), inputs] = tuple(types[ref] for ref in region.outputs.values())
            return None
        typed = TypedRegion(region, inputs, signatures, bodies, tuple(types[ref] for ref in region.outputs.values()))
        for node in region.nodes.values():
            self.ties(typed, node)
            if node.same_as:
                self.again(typed, node)
        return typed

    def signature(self, region: Region, node: Node, given: Sequence[TensorType | None]) -> Signature | None:
        assert not isinstance(node.body, Region)
        key = node.body, node.reparams, tuple(given)
        if key not in self.signed:
            try:
                self.signed[key] = _reparametrized(node.body.signature(*given), node.reparams)
            except SignatureError as misfit:
                self.misfit(region, node, given, misfit)
                return None
            self.size(region, node, self.signed[key])
        signature = self.signed[key]
        for limit in signature.limits:
            self.limit(region, node, limit)
        return signature

    def size(self, region: Region, node: Node, signature: Signature) -> None:
        """Note T212 where a parameter, or an output at its least, has more elements than a tensor can have."""
        tensors = [(f"its parameter '{name}'", type_) for name, type_ in signature.parameters.items()]
        for what, type_ in [*tensors, *(("what it gives", type_) for type_ in signature.outputs)]:
            if (count := self.bounds.least(product(type_.shape))) >= INT64:
                message = f"{_called(region, node)} ({node.op}): {what}, {type_}, has {count:,} elements"
                hint = f"a tensor has at most {INT64 - 1:,}"
                self.diagnostics.error("T212", message, node.entry or node.span, hint, *self.instance())
                return

    def misfit(self, region: Region, node: Node, given: Sequence[TensorType | None], misfit: SignatureError) -> None:
        """Note a SignatureError at the field or the arrow it blames, with the type and the origin of every input.

        Of a block that is used several times it is told once, for the types that it first meets with.
        """
        span = node.fields.get(misfit.field, node.entry or node.span) if misfit.field else node.span
        if misfit.port and misfit.field not in node.fields:
            span = next((operand.span for operand in node.operands if operand.port == misfit.port), span)
        of_parameters = (misfit.field or "").startswith("reparam.")
        notes = [
            self.origin(f"{operand.port} is {type_}", region, operand.value, node.span)
            for operand, type_ in zip(node.operands, given, strict=True)
            if operand.value and type_ and not of_parameters
        ]
        notes += self.instance()
        symbols = {symbol for type_ in given if type_ for dim in type_.shape for symbol in dim.symbols()}
        notes += [note for name, note in self.strays.items() if name in symbols]
        message = f"{_called(region, node)} ({node.op}): {misfit.message}"
        if (misfit.code, span) not in self.told:  # of a block with other types again, or of other types that follow
            self.told.add((misfit.code, span))
            self.diagnostics.error(misfit.code, message, span, misfit.hint, *notes)

    def origin(self, said: str, region: Region, ref: ValueRef, default: Span) -> Note:
        """Where the value of a wire comes from: the node that makes it, from outside of as many blocks as it enters."""
        around = list(self.around)
        while ref.node not in region.nodes and around:
            port, (region, node) = ref.node, around.pop()
            entering = next((operand.value for operand in node.operands if operand.port == port), None)
            if entering is None:
                break
            ref, default = entering, node.span
        place = region.nodes[ref.node].span if ref.node in region.nodes else region.places.get(ref.node, default)
        inner = [node.id for _, node in around]
        return Note(f"{said}, from '{'.'.join([*inner, ref.node])}'", place)

    def instance(self) -> list[Note]:
        """Which of the blocks and stacks it is in, with the params that the innermost of them is given."""
        if not self.around:
            return []
        path, body = ".".join(node.id for _, node in self.around), self.around[-1][1].body
        assert isinstance(body, Region)
        given = ", ".join(f"{name} = {value}" for name, value in islice(body.params.items(), MOST_PARAMS))
        return [Note(f"this is inside of '{path}'" + (f", where {given}" if given else ""), self.around[-1][1].span)]

    def limit(self, region: Region, node: Node, limit: Limit) -> None:
        """Note T205 where the dims contract allows a size that a component cannot take."""
        least, largest = self.bounds.least(limit.dim), self.bounds.largest(limit.dim)
        what = f"{_called(region, node)} ({node.op}): {limit.reason}, and {limit.dim}"
        notes = [self.contracts[name] for name in limit.dim.symbols() if name in self.contracts] + self.instance()
        if least < limit.minimum:
            hint = _contract_hint(limit.dim, "min", limit.minimum)
            self.diagnostics.error("T205", f"{what} may be {least}", node.span, hint, *notes)
        if limit.maximum is not None and (largest is None or largest > limit.maximum):
            up_to = "may be any size" if largest is None else f"may be {largest}"
            hint = _contract_hint(limit.dim, "max", limit.maximum)
            self.diagnostics.error("T205", f"{what} {up_to}", node.span, hint, *notes)

    def again(self, typed: TypedRegion, node: Node) -> None:
        """Note T209 where a module that is called again would need other parameters than it has."""
        assert node.same_as is not None
        if found := _unlike(typed, node.same_as, typed, node.id, set()):
            message = (
                f"{_called(typed.region, node)} is the same module as '{node.same_as}', and its inputs ask for "
                f"another {found}"
            )
            self.diagnostics.error(
                "T209", message, node.span, "give it inputs of the same size, or a module of its own"
            )

    def ties(self, typed: TypedRegion, node: Node) -> None:
        """Note T207 where a tied parameter does not exist or is of another type than its owner."""
        for name, tie in node.ties.items():
            own, owner = parameter_at(typed, f"{node.id}.{name}"), parameter_at(typed, tie.path)
            if name in dict(node.reparams):
                hint = "take the tie or the normalization away"
                self.diagnostics.error("T207", f"'{node.id}.{name}' is normalized and cannot be tied", tie.key, hint)
            elif own is None:
                known = list(islice(_parameters(typed, node.id), MOST_GUESSED))
                hint = (did_you_mean(name, known) or "a tie names its parameters") if known else "it has no parameters"
                self.diagnostics.error("T207", f"'{node.id}' has no parameter '{name}'", tie.key, hint)
            elif owner is None:
                every = (f"{id}.{inner}" for id in typed.region.nodes for inner in _parameters(typed, id))
                guess = did_you_mean(tie.path, islice(every, MOST_GUESSED))
                hint = guess or "a tie names a node and its parameter, for example `embed.weight`"
                self.diagnostics.error("T207", f"no parameter is called '{tie.path}' here", tie.span, hint)
            elif owner != own:
                message = f"'{node.id}.{name}' is {own} and cannot be tied to '{tie.path}', which is {owner}"
                self.diagnostics.error("T207", message, tie.span, "tied parameters are of one shape and element type")


def _count(region: Region, known: dict[Region, int]) -> int:
    """The components of a region, those inside of its nodes among them."""
    if region not in known:
        bodies = (node.body for node in region.nodes.values())
        known[region] = sum(_count(body, known) if isinstance(body, Region) else 1 for body in bodies)
    return known[region]


def _strays(document: Document) -> dict[str, Note]:
    """Dims that no contract speaks of, each with the declared one that it may be a slip for."""
    written = [value for decl in document.inputs.values() for value in decl.shape if isinstance(value.data, str)]
    known = {*document.dims, *document.params}
    found: dict[str, Note] = {}
    for value in written:
        name = str(value.data)
        if name.isidentifier() and name not in known and (meant := closest(name, document.dims)):
            found.setdefault(name, Note(f"{name} is a dim of its own; did you mean '{meant}'?", value.span))
    return found


def _called(region: Region, node: Node) -> str:
    """How messages call a node: sub-models of a stack have no more than a number."""
    return f"'{node.id}' of the {region.name}" if region.kind == "stack" else f"'{node.id}'"


def _contract_hint(dim: Dim, end: str, value: int) -> str:
    name = str(dim)
    if name in dim.symbols():
        return f"declare it in the contract: `dims: {{{name}: {{{end}: {value}}}}}`"
    return f"narrow {' or '.join(dim.symbols())} under `dims:`" if dim.symbols() else "give it an input of another size"


def _parameters(typed: TypedRegion, id: str) -> Iterator[str]:
    """The parameters of a node by name; of a region, by path inside it. Of shared regions there may be very many."""
    if id in typed.signatures:
        yield from typed.signatures[id].parameters
    else:
        body = typed.bodies[id]
        yield from (f"{inner}.{name}" for inner in body.region.nodes for name in _parameters(body, inner))


def _unlike(first: TypedRegion, one: str, again: TypedRegion, other: str, seen: set[tuple[int, int]]) -> str | None:
    """A parameter, in words, that node `other` would need of another type than node `one`, whose module it shares."""
    if one in first.signatures:
        had, wanted = first.signatures[one].parameters, again.signatures[other].parameters
        return next((f"{name}: {t} instead of {had[name]}" for name, t in wanted.items() if had[name] != t), None)
    inner, outer = first.bodies[one], again.bodies[other]
    if inner is outer or (id(inner), id(outer)) in seen:
        return None
    seen.add((id(inner), id(outer)))
    for node in inner.region.nodes:
        if found := _unlike(inner, node, outer, node, seen):
            return f"{node}.{found}"
    return None


def parameter_at(typed: TypedRegion, path: str) -> TensorType | None:
    """The type of the parameter at a path inside the region; None where there is none."""
    id, _, rest = path.partition(".")
    if id in typed.bodies:
        return parameter_at(typed.bodies[id], rest)
    return typed.signatures[id].parameters.get(rest) if id in typed.signatures else None


def _reparametrized(signature: Signature, reparams: Sequence[tuple[str, Reparam]]) -> Signature:
    """The signature with PyTorch's names for what a reparametrized parameter is made of. Raises SignatureError."""
    parameters, buffers = dict(signature.parameters), dict(signature.buffers)
    for name, reparam in reparams:
        place = f"reparam.{name}"
        if name not in parameters:
            hint = did_you_mean(name, parameters) or "it has no parameters"
            raise SignatureError(f"it has no parameter '{name}' to normalize", code="T207", hint=hint, field=place)
        try:
            reparam.check(parameters[name])
        except SignatureError as misfit:
            raise SignatureError(
                f"the normalization of '{name}': {misfit.message}", code=misfit.code, field=place
            ) from None
        owner, dot, local = name.rpartition(".")
        prefix, plain = f"{owner}{dot}parametrizations.{local}.", parameters.pop(name)
        parameters |= {prefix + original: type_ for original, type_ in reparam.originals(plain).items()}
        buffers |= {prefix + buffer: type_ for buffer, type_ in reparam.buffers(plain).items()}
    return replace(signature, parameters=parameters, buffers=buffers)
