"""Document → Graph: dims and params take their values, then the drawing is expanded into regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stackc.core.diagnostics import Collector, Span, SpecError
from stackc.core.types import INT64, Bounds, Dim, TensorType
from stackc.ir.model import Graph
from stackc.resolve.contract import contract_of, dim_names, fixed_dims
from stackc.resolve.expand import Context, expand
from stackc.resolve.includes import check_blocks
from stackc.resolve.mentions import check_dims
from stackc.resolve.params import Binding, bind_params, is_text, known_params, text_places
from stackc.resolve.scope import Scope
from stackc.resolve.unused import check_unused
from stackc.spec.document import Document, InputDecl
from stackc.spec.includes import SpecFiles
from stackc.spec.yaml.tree import Entry, Value
from stackc.spec.yaml.yaml_reader import parse_scalar


@dataclass(frozen=True, slots=True)
class Spelling:
    """How params and sizes of dims are given by whoever sets them, for messages: the options of the command line."""

    param: str = "--set {name}={value}"
    dim: str = "--dims {name}={value}"


DEFAULT_SPELLING = Spelling()


def resolve(
    document: Document,
    set_params: Mapping[str, str] | None = None,
    set_dims: Mapping[str, int] | None = None,
    trust: Sequence[str] = (),
    spelling: Spelling = DEFAULT_SPELLING,
) -> Graph:
    """The graph of a document, with params and dims as overridden (`--set layers=2`, `--dims seq=128`).

    `trust` names the Python modules whose code may run (`--trust my_layers`).

    Raises SpecError with everything that is wrong with names, params and dims, or else with inputs, arrows and fields.
    """
    diagnostics = Collector()
    check_blocks(document, diagnostics)
    given = {name: _given(document, name, text, spelling) for name, text in (set_params or {}).items()}
    files = SpecFiles.around(document.file)
    start = Scope(dim_names(document), document.blocks, document.file, files, diagnostics, tuple(trust))
    doubtful = Collector()
    known = start.with_names(known_params(document.params, given, start))
    whole = contract_of(document, known, doubtful)
    contract, dims = fixed_dims(document, whole, set_dims or {}, diagnostics, spelling.dim)
    start = start.with_names(dims)
    way = spelling.param.replace("{value}", "…")
    binding = Binding("the spec", None, f"give it by `{way}`, or write its default")
    params = bind_params(document.params, given, start, start, binding)
    if params is None:
        diagnostics.raise_if_any()
    doubtful.raise_if_any()
    diagnostics.raise_if_any()
    assert params is not None, "bind_params notes what it leaves out"
    scope = start.with_names(params, text_places(document.params, given, params))
    inputs = {name: _input_type(decl, scope, Bounds(contract)) for name, decl in document.inputs.items()}
    if not inputs:
        hint = "for example `inputs: {x: {shape: [batch, 128]}}`"
        diagnostics.error("S006", "the spec has no inputs", document.span, hint)
    diagnostics.raise_if_any()
    scope.homes[document.file] = scope
    check_dims(document, diagnostics)
    context = Context(document, scope)
    root = expand(context)
    diagnostics.raise_if_any()
    assert root is not None, "expand notes a diagnostic where it gives nothing"
    unused = check_unused(document, context.used, scope)
    diagnostics.raise_if_any()
    return Graph(document, root, inputs, contract, params, tuple(files.sources.values()), unused)


def _given(document: Document, name: str, text: str, spelling: Spelling) -> Entry:
    """A param that the command line sets: for one that takes text the text itself, else what YAML reads in it."""
    place = Span(spelling.param.format(name=name, value=text), 0)
    decl = document.params.get(name)
    return Entry(place, Value(text if decl and is_text(decl) else parse_scalar(text), place))


def _input_type(decl: InputDecl, scope: Scope, bounds: Bounds) -> TensorType:
    return TensorType(decl.dtype, tuple(_size(value, scope, bounds) for value in decl.shape))


_OPEN_SIZES: Mapping[object, str] = {
    None: "null", -1: "-1", **{word: word for word in ("-1", "None", "null", "?", "*", "...", ":")}
}  # fmt: skip
"""What other languages write for a size that is known only at run time."""


def _size(value: Value, scope: Scope, bounds: Bounds) -> Dim:
    """A size of a shape; 1, noted (S005), where it is none or may fall below 1."""
    if isinstance(value.data, (str, int, type(None))) and value.data in _OPEN_SIZES:
        hint = "a size that is open has a name, for example `batch`"
        scope.diagnostics.error("S005", f"'{_OPEN_SIZES[value.data]}' is no size", value.span, hint)
        return Dim.of(1)
    try:
        size = scope.number(value)
    except SpecError as error:
        scope.diagnostics.extend(error)
        return Dim.of(1)
    if isinstance(size, str) and (blamed := scope.text_in(value)):
        scope.diagnostics.extend(SpecError(blamed))
        return Dim.of(1)
    if isinstance(size, bool) or not isinstance(size, (int, Dim)):
        told = f": it is {size}" if isinstance(value.data, str) else ""
        hint = "a whole number from 1 up, a dim, or an expression over params and dims"
        scope.diagnostics.error("S005", f"'{value.written}' is no size{told}", value.span, hint)
        return Dim.of(1)
    size = Dim.of(size)
    ends = [end for end in (bounds.least(size), bounds.largest(size)) if end is not None]
    if min(ends) < 1:
        fixed = size.constant is not None
        told = f"'{value.written}' {'is' if fixed else 'may be'} " if isinstance(value.data, str) else "this is "
        repair = None if fixed else "declare the least size of the dim under `dims:`"
        scope.diagnostics.error("S005", f"a size is at least 1, and {told}{min(ends)}", value.span, repair)
        return Dim.of(1)
    if max(ends) >= INT64:
        message = f"a size has to fit in 64 bits, and '{value.written}' may be {max(ends)}"
        scope.diagnostics.error("S005", message, value.span)
        return Dim.of(1)
    return size
