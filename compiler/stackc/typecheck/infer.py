"""Graph → TypedGraph: the type of every value, the parameters of every component, and everything that does not fit.

A region is checked once for each combination of input types, no matter how often it is repeated.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TypeAlias

from stackc.components.base import Limit, Signature, SignatureError
from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError, closest
from stackc.core.suggestions import bounded_suggestions
from stackc.core.types import INT64, Bounds, Dim, TensorType, product
from stackc.ir.model import Graph, Node, Region, ValueRef
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.spec.document import DimDecl, Document
from stackc.typecheck.cast_help import with_cast
from stackc.typecheck.contract_help import declaration
from stackc.typecheck.empty_axes import EmptyAxis, report_empty_axes
from stackc.typecheck.parameters import check_same_module, check_ties, with_originals

MOST_COMPONENTS = 100_000
MOST_PARAMS = 4
"""Params of a block that a message names."""


@bounded_suggestions()
def infer_types(graph: Graph) -> TypedGraph:
    """Return the graph with the type of every value and the signature of every component.

    Requires a legal graph, as `resolve` returns it. Ensures that every value has a type, every size fits the dims
    contract, and tied and shared parameters agree. Raises SpecError with all T diagnostics, or with S003 if the model
    has more than `MOST_COMPONENTS`: each of them could have types of its own.
    """
    count = _count(graph.root, {})
    if count > MOST_COMPONENTS:
        message = f"the model has {count:,} components, but at most {MOST_COMPONENTS:,} are supported"
        raise SpecError(Diagnostic("S003", message, graph.root.span, "repeat less, or nest fewer blocks"))

    document = graph.document
    checker = _Checker(Bounds(graph.contract), Collector(), document.dims, _misspelt_dims(document))
    root = checker.region(graph.root, tuple(graph.inputs.values()))
    report_empty_axes(checker.empty_axes, checker.bounds, document.dims, checker.diagnostics)
    checker.diagnostics.raise_if_any()
    assert root is not None, "the reason why a region has no types is reported"
    return TypedGraph(graph, root)


Types: TypeAlias = tuple[TensorType, ...]


@dataclass
class _Checker:
    """Infers types region by region; problems go to `diagnostics`.

    `dims` has the contracts as they are declared, `misspelt` notes about dims that have none. `typed` caches regions by
    input types: None if one does not fit, and then `fallbacks` has the types of its outputs, if they are clear.
    `signed` caches signatures. `path` lists the nodes around the region being checked, each with its own region, from
    the root inwards. `reported` has the code and place of each SignatureError, `empty_axes` what T213 is to report.
    """

    bounds: Bounds
    diagnostics: Collector
    dims: Mapping[str, DimDecl]
    misspelt: Mapping[str, Note]
    typed: dict[tuple[int, Types], TypedRegion | None] = field(default_factory=dict)
    fallbacks: dict[tuple[int, Types], Types] = field(default_factory=dict)
    signed: dict[Hashable, Signature] = field(default_factory=dict)
    path: list[tuple[Region, Node]] = field(default_factory=list)
    reported: set[tuple[str, Span]] = field(default_factory=set)
    empty_axes: list[EmptyAxis] = field(default_factory=list)

    @cached_property
    def may_be_empty(self) -> bool:
        """Whether the contract allows an axis without entries."""
        return any(map(self.bounds.may_be_empty, self.bounds.contract))

    # -- regions and nodes

    def region(self, region: Region, inputs: Types) -> TypedRegion | None:
        """Return the typed region; None, reported, if a part of it does not fit. Values without a type are skipped."""
        key = (id(region), inputs)
        if key not in self.typed:
            self.typed[key] = self._infer(region, inputs)
        return self.typed[key]

    def _infer(self, region: Region, inputs: Types) -> TypedRegion | None:
        types = {ValueRef(name): type_ for name, type_ in zip(region.inputs, inputs, strict=True)}
        signatures: dict[str, Signature] = {}
        bodies: dict[str, TypedRegion] = {}

        for node in region.nodes.values():
            if any(operand.value and operand.value not in types for operand in node.operands):
                continue  # the node that should compute the operand has been reported
            operands = [types[operand.value] if operand.value else None for operand in node.operands]
            if isinstance(node.body, Region):
                body, outputs = self._call(region, node, node.body, operands)
                bodies |= {node.id: body} if body else {}
            else:
                signature = self._signature(region, node, operands)
                outputs = signature.outputs if signature else node.body.fallback_outputs(*operands)
                signatures |= {node.id: signature} if signature else {}
            types |= {ValueRef(node.id, number): type_ for number, type_ in enumerate(outputs)}

        if not all(ref in types for ref in region.outputs.values()):
            return None
        outputs = tuple(types[ref] for ref in region.outputs.values())
        if len(signatures) + len(bodies) < len(region.nodes):
            self.fallbacks[id(region), inputs] = outputs
            return None

        typed = TypedRegion(region, inputs, signatures, bodies, outputs)
        self._check_parameters(typed)
        return typed

    def _call(
        self, region: Region, node: Node, body: Region, operands: Sequence[TensorType | None]
    ) -> tuple[TypedRegion | None, Types]:
        """Return the typed body of a node, None if it does not fit, and the types of its outputs as far as known."""
        by_port = {operand.port: type_ for operand, type_ in zip(node.operands, operands, strict=True) if type_}
        inputs = tuple(by_port[name] for name in body.inputs)

        self.path.append((region, node))
        typed = self.region(body, inputs)
        self.path.pop()
        return typed, typed.outputs if typed else self.fallbacks.get((id(body), inputs), ())

    def _signature(self, region: Region, node: Node, operands: Sequence[TensorType | None]) -> Signature | None:
        """Return the signature of a component; None, reported, if the operands do not fit."""
        assert not isinstance(node.body, Region)
        key = node.body, node.reparams, tuple(operands)
        if key not in self.signed:
            try:
                self.signed[key] = with_originals(node.body.signature(*operands), node.reparams)
            except SignatureError as error:
                self._report(region, node, operands, error)
                return None
            self._check_sizes(region, node, self.signed[key])

        signature = self.signed[key]
        self._note_empty_axes(region, node, operands)
        for limit in signature.limits:
            self._check_limit(region, node, limit)
        return signature

    def _check_parameters(self, typed: TypedRegion) -> None:
        for node in typed.region.nodes.values():
            check_ties(typed, node, self.diagnostics)
            if node.same_as:
                check_same_module(typed, node, _title(typed.region, node), self.diagnostics)

    # -- sizes

    def _check_sizes(self, region: Region, node: Node, signature: Signature) -> None:
        """Report T212 for a parameter, or an output at its smallest, with more elements than a tensor can have."""
        tensors = [(f"its parameter '{name}'", type_) for name, type_ in signature.parameters.items()]
        tensors += [("its output", type_) for type_ in signature.outputs]
        for what, type_ in tensors:
            if (count := self.bounds.least(product(type_.shape))) >= INT64:
                message = f"{_title(region, node)} ({node.op}): {what}, {type_}, has {count:,} elements"
                hint = f"a tensor has at most {INT64 - 1:,} elements"
                self.diagnostics.error("T212", message, node.entry or node.span, hint, *self._inside())
                return

    def _note_empty_axes(self, region: Region, node: Node, operands: Sequence[TensorType | None]) -> None:
        """Note the first axis that may have no entries by the contract, but not by the component."""
        assert not isinstance(node.body, Region)
        if not self.may_be_empty:
            return
        allowed = node.body.for_inputs(*operands).empty_axes(*operands)
        for operand, type_, axes in zip(node.operands, operands, allowed, strict=True):
            for axis, dim in enumerate(type_.shape if type_ else ()):
                if axis not in axes and self.bounds.least(dim) < 1:
                    component, place = f"{_title(region, node)} ({node.op})", f"axis {axis} of {operand.port}"
                    self.empty_axes.append(EmptyAxis(component, place, dim, operand.span, tuple(self._inside())))
                    return

    def _check_limit(self, region: Region, node: Node, limit: Limit) -> None:
        """Report T205 if the dims contract allows a size that a component cannot take."""
        least, largest = self.bounds.least(limit.dim), self.bounds.largest(limit.dim)
        what = f"{_title(region, node)} ({node.op}): {limit.reason}, but {limit.dim}"
        declared = [name for name in limit.dim.symbols() if name in self.dims]
        notes = [Note(f"the contract of {name}", self.dims[name].span) for name in declared] + self._inside()

        if least < limit.minimum:
            hint = self._contract_hint(limit.dim, "min", limit.minimum)
            self.diagnostics.error("T205", f"{what} may be {least}", node.span, hint, *notes)
        if limit.maximum is not None and (largest is None or largest > limit.maximum):
            up_to = "may be any size" if largest is None else f"may be {largest}"
            hint = self._contract_hint(limit.dim, "max", limit.maximum)
            self.diagnostics.error("T205", f"{what} {up_to}", node.span, hint, *notes)

    def _contract_hint(self, dim: Dim, key: str, limit: int) -> str:
        name = str(dim)
        if name in dim.symbols():
            return f"declare it in the contract: `dims: {{{declaration(name, self.dims, key, limit)}}}`"
        if symbols := dim.symbols():
            return f"narrow {' or '.join(symbols)} under `dims:`"
        return "give it an input of another size"

    # -- reports

    def _report(self, region: Region, node: Node, operands: Sequence[TensorType | None], error: SignatureError) -> None:
        """Report a SignatureError at the field or arrow it blames, with the type and origin of every operand.

        For a block that is used several times it is reported once, for the first types that do not fit.
        """
        span = node.fields.get(error.field, node.entry or node.span) if error.field else node.span
        if error.port and error.field not in node.fields:
            span = next((operand.span for operand in node.operands if operand.port == error.port), span)
        if (error.code, span) in self.reported:
            return
        self.reported.add((error.code, span))

        notes = []
        is_about_parameters = (error.field or "").startswith("reparam.")
        for operand, type_ in zip(node.operands, operands, strict=True):
            if operand.value and type_ and not is_about_parameters:
                notes.append(self._origin(f"{operand.port} is {type_}", region, operand.value, node.span))
        notes += self._inside()
        symbols = {symbol for type_ in operands if type_ for dim in type_.shape for symbol in dim.symbols()}
        notes += [note for name, note in self.misspelt.items() if name in symbols]
        message = f"{_title(region, node)} ({node.op}): {error.message}"
        hint = error.hint if is_about_parameters else with_cast(node, operands, error)
        self.diagnostics.error(error.code, message, span, hint, *notes)

    def _origin(self, message: str, region: Region, ref: ValueRef, default: Span) -> Note:
        """Return a note at the node that computes a value, which may be outside of the blocks that the value enters."""
        around = list(self.path)
        while ref.node not in region.nodes and around:
            port, (region, node) = ref.node, around.pop()
            entering = next((operand.value for operand in node.operands if operand.port == port), None)
            if entering is None:
                break
            ref, default = entering, node.span

        span = region.nodes[ref.node].span if ref.node in region.nodes else region.places.get(ref.node, default)
        path = ".".join([*(node.id for _, node in around), ref.node])
        return Note(f"{message}, from '{path}'", span)

    def _inside(self) -> list[Note]:
        """Return a note with the path of the blocks around, and the params of the innermost; none at the root."""
        if not self.path:
            return []
        path, body = ".".join(node.id for _, node in self.path), self.path[-1][1].body
        assert isinstance(body, Region)
        params = ", ".join(f"{name} = {value}" for name, value in islice(body.params.items(), MOST_PARAMS))
        return [Note(f"this is inside '{path}'" + (f", where {params}" if params else ""), self.path[-1][1].span)]


def _count(region: Region, counts: dict[Region, int]) -> int:
    """Return the number of components in a region, at any depth."""
    if region not in counts:
        bodies = (node.body for node in region.nodes.values())
        counts[region] = sum(_count(body, counts) if isinstance(body, Region) else 1 for body in bodies)
    return counts[region]


def _misspelt_dims(document: Document) -> dict[str, Note]:
    """Return a note for each undeclared dim that resembles a declared one."""
    sizes = [value for decl in document.inputs.values() for value in decl.shape if isinstance(value.data, str)]
    declared = {*document.dims, *document.params}
    notes: dict[str, Note] = {}
    for size in sizes:
        name = str(size.data)
        if name.isidentifier() and name not in declared and (meant := closest(name, document.dims)):
            notes.setdefault(name, Note(f"{name} is an undeclared dim; did you mean '{meant}'?", size.span))
    return notes


def _title(region: Region, node: Node) -> str:
    """Return the name of a node for messages: sub-models of a stack are only numbers without the stack."""
    return f"'{node.id}' of the {region.name}" if region.kind == "stack" else f"'{node.id}'"
