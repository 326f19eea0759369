"""Document → Graph: dims and params take their values, then the drawing is expanded into regions."""

from __future__ import annotations

from collections.abc import Mapping

from stackc.diagnostics import Collector, Note, Span, SpecError, near
from stackc.graph.expand import Context, expand
from stackc.graph.model import Graph
from stackc.graph.scope import Scope, bind_params
from stackc.spec.document import Document, InputDecl
from stackc.spec.expressions import Bound
from stackc.spec.tree import Entry, Value
from stackc.spec.yaml_reader import plain
from stackc.types import Dim, DimContract, DimRange, TensorType

_COMMAND_LINE = Span("<command line>", 0)


def resolve(
    document: Document, set_params: Mapping[str, str] | None = None, set_dims: Mapping[str, int] | None = None
) -> Graph:
    """The graph of a document, with params and dims as overridden (`--set layers=2`, `--dims seq=128`).

    Raises SpecError with everything that is wrong with names, params, arrows and fields.
    """
    found = Collector()
    contract, dims = _dims(document, set_dims or {}, found)
    start = Scope(dims, document.blocks, found)
    given = {name: Entry(_COMMAND_LINE, Value(plain(text), _COMMAND_LINE)) for name, text in (set_params or {}).items()}
    params = bind_params(document.params, given, start, start, "the spec", document.span)
    for name in document.params.keys() & contract.keys():
        notes = [Note("the dim", document.dims[name].span)] if name in document.dims else []
        message = f"'{name}' is a param and a dim; a name is one of them"
        found.error("S008", message, document.params[name].span, None, *notes)
    scope = start.with_names(params)
    inputs = {name: _input_type(decl, scope) for name, decl in document.inputs.items()}
    if not inputs:
        hint = "for example `inputs: {x: {shape: [batch, 128]}}`"
        found.error("S006", "the spec has no inputs", document.span, hint)
    found.raise_if_any()
    root = expand(Context(document, scope))
    found.raise_if_any()
    assert root is not None, "expand notes a diagnostic where it gives nothing"
    return Graph(document, root, inputs, contract, params)


def _dims(document: Document, sizes: Mapping[str, int], found: Collector) -> tuple[DimContract, dict[str, Bound]]:
    """The contract, undeclared dims of the inputs' shapes included, and what each name stands for."""
    contract = {d.name: DimRange(d.minimum, d.maximum, d.multiple_of) for d in document.dims.values()}
    for decl in document.inputs.values():
        for value in decl.shape:
            if isinstance(value.data, str) and value.data.isidentifier() and value.data not in document.params:
                contract.setdefault(value.data, DimRange())
    names: dict[str, Bound] = {name: Dim.symbol(name, limits.multiple_of) for name, limits in contract.items()}
    for name, size in sizes.items():
        limits = contract.pop(name, None)
        if limits is None:
            found.error("N312", f"the spec has no dim '{name}'", None, near(name, names))
        elif not limits.allows(size):
            found.error("T205", f"{name}={size} is outside of the contract of {name}: {limits}", document.span)
        names[name] = Dim.of(size)
    return contract, names


def _input_type(decl: InputDecl, scope: Scope) -> TensorType:
    shape = []
    for value in decl.shape:
        try:
            size = scope.number(value)
        except SpecError as error:
            scope.found.extend(error)
            size = 1
        if isinstance(size, bool) or not isinstance(size, (int, Dim)) or (isinstance(size, int) and size < 1):
            hint = "a whole number from 1 up, a dim, or an expression over params and dims"
            scope.found.error("S005", f"'{value.data}' is no size", value.span, hint)
            size = 1
        shape.append(Dim.of(size))
    return TensorType(decl.dtype, tuple(shape))
