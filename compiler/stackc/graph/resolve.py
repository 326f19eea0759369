"""Document → Graph: dims and params take their values, then the drawing is expanded into regions."""

from __future__ import annotations

from collections.abc import Mapping

from stackc.components import REGISTRY
from stackc.diagnostics import Collector, Note, Span, SpecError, near
from stackc.graph.expand import Context, expand
from stackc.graph.includes import Library
from stackc.graph.model import Graph
from stackc.graph.scope import Binding, Scope, bind_params
from stackc.spec.document import Document, InputDecl
from stackc.spec.expressions import Bound
from stackc.spec.names import is_symbol
from stackc.spec.tree import Entry, Value
from stackc.spec.yaml_reader import plain
from stackc.types import Bounds, Dim, DimContract, DimRange, TensorType


def resolve(
    document: Document, set_params: Mapping[str, str] | None = None, set_dims: Mapping[str, int] | None = None
) -> Graph:
    """The graph of a document, with params and dims as overridden (`--set layers=2`, `--dims seq=128`).

    Raises SpecError with everything that is wrong with names, params and dims, or else with inputs, arrows and fields.
    """
    found = Collector()
    _check_blocks(document, found)
    contract, dims = _dims(document, set_dims or {}, found)
    library = Library.around(document.file)
    start = Scope(dims, document.blocks, document.file, library, found)
    params = _params(document, set_params or {}, start)
    found.raise_if_any()
    assert params is not None, "bind_params notes what it leaves out"
    scope = start.with_names(params)
    inputs = {name: _input_type(decl, scope, Bounds(contract)) for name, decl in document.inputs.items()}
    if not inputs:
        hint = "for example `inputs: {x: {shape: [batch, 128]}}`"
        found.error("S006", "the spec has no inputs", document.span, hint)
    found.raise_if_any()
    library.scopes[document.file] = scope
    root = expand(Context(document, scope))
    found.raise_if_any()
    assert root is not None, "expand notes a diagnostic where it gives nothing"
    return Graph(document, root, inputs, contract, params, tuple(library.specs))


def _check_blocks(document: Document, found: Collector) -> None:
    """Note S008 for a block that is called like a component: one name, one meaning."""
    for name, block in document.blocks.items():
        if name in REGISTRY or name == "stack":
            message = f"'{name}' cannot be the name of a block: a component is called so"
            found.error("S008", message, block.body.span, f"call it 'my_{name}'")


def _params(document: Document, texts: Mapping[str, str], scope: Scope) -> dict[str, Bound] | None:
    given = {
        name: Entry(place := _option("set", name, text), Value(plain(text), place)) for name, text in texts.items()
    }
    binding = Binding("the spec", None, "give it by `--set {name}=…`, or write its default")
    return bind_params(document.params, given, scope, scope, binding)


def _dims(document: Document, sizes: Mapping[str, int], found: Collector) -> tuple[DimContract, dict[str, Bound]]:
    """The contract, undeclared dims of the inputs' shapes included, and what each name stands for."""
    contract = {d.name: DimRange(d.minimum, d.maximum, d.multiple_of) for d in document.dims.values()}
    for decl in document.inputs.values():
        for value in decl.shape:
            if isinstance(value.data, str) and is_symbol(value.data) and value.data not in document.params:
                contract.setdefault(value.data, DimRange())
    names: dict[str, Bound] = {name: Dim.symbol(name, limits.multiple_of) for name, limits in contract.items()}
    for name, size in sizes.items():
        limits = contract.pop(name, None)
        place = _option("dims", name, str(size))
        if limits is None:
            found.error("N312", f"the spec has no dim '{name}'", place, near(name, names))
        elif not limits.allows(size):
            notes = [Note("its contract", document.dims[name].span)] if name in document.dims else []
            found.error("T205", f"{name} may be {limits}; it is {size}", place, None, *notes)
        names[name] = Dim.of(size)
    return contract, names


def _option(option: str, name: str, value: str) -> Span:
    """The place of something that the command line says."""
    return Span(f"--{option} {name}={value}", 0)


def _input_type(decl: InputDecl, scope: Scope, bounds: Bounds) -> TensorType:
    return TensorType(decl.dtype, tuple(_size(value, scope, bounds) for value in decl.shape))


def _size(value: Value, scope: Scope, bounds: Bounds) -> Dim:
    """A size of a shape; 1, noted (S005), where it is none or may fall below 1."""
    try:
        size = scope.number(value)
    except SpecError as error:
        scope.found.extend(error)
        return Dim.of(1)
    if isinstance(size, bool) or not isinstance(size, (int, Dim)):
        told = f": it is {size}" if isinstance(value.data, str) else ""
        hint = "a whole number from 1 up, a dim, or an expression over params and dims"
        scope.found.error("S005", f"'{value.written}' is no size{told}", value.span, hint)
        return Dim.of(1)
    size = Dim.of(size)
    ends = [end for end in (bounds.least(size), bounds.largest(size)) if end is not None]
    if min(ends) < 1:
        fixed = size.constant is not None
        told = f"'{value.written}' {'is' if fixed else 'may be'} " if isinstance(value.data, str) else "this is "
        mend = None if fixed else "declare the least size of the dim under `dims:`"
        scope.found.error("S005", f"a size is at least 1, and {told}{min(ends)}", value.span, mend)
        return Dim.of(1)
    return size
