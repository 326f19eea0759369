"""Document → Graph: bind params and dims, then expand the drawing into regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stackc.core.diagnostics import Collector, Span, SpecError
from stackc.core.suggestions import bounded_suggestions
from stackc.core.types import INT64, Bounds, Dim, DimContract, TensorType
from stackc.ir.model import Graph, Region
from stackc.resolve.context import Context
from stackc.resolve.contract import contract_of, dim_names, fixed_dims
from stackc.resolve.expand import expand
from stackc.resolve.half_inputs import cast_half_inputs
from stackc.resolve.includes import check_blocks
from stackc.resolve.mentions import check_dims
from stackc.resolve.params import Binding, bind_params, is_text, known_params, text_places
from stackc.resolve.scope import Scope
from stackc.resolve.unused import check_unused
from stackc.spec.document import Document, InputDecl
from stackc.spec.expressions.expressions import ParamValue
from stackc.spec.includes import SpecFiles
from stackc.spec.yaml.tree import Entry, Value
from stackc.spec.yaml.yaml_reader import parse_scalar, read_yaml


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a caller sets params and dims, for messages; by default, the options of the command line."""

    param: str = "--set {name}={value}"
    dim: str = "--dims {name}={value}"


DEFAULT_SPELLING = Spelling()


@bounded_suggestions()
def resolve(
    document: Document,
    set_params: Mapping[str, str] | None = None,
    set_dims: Mapping[str, int] | None = None,
    trust: Sequence[str] = (),
    spelling: Spelling = DEFAULT_SPELLING,
) -> Graph:
    """Return the graph of a document, with params and dims overridden (`--set layers=2`, `--dims seq=128`).

    `trust` lists the Python modules whose code may run (`--trust my_layers`).

    Requires a parsed document, which may be a repaired one. Ensures a graph in which every node has a component or
    region, every port its operands, and no name is left to look up; types are not checked. Raises SpecError with all
    problems of names, params and dims; if there are none, with all problems of inputs, arrows and fields.
    """
    diagnostics = Collector()
    check_blocks(document, diagnostics)
    files = SpecFiles.around(document.file)
    start = Scope(dim_names(document), document.blocks, document.file, files, diagnostics, tuple(trust))

    values = _bind(document, start, set_params or {}, set_dims or {}, spelling)
    inputs = _input_types(document, values.scope, values.contract)
    check_dims(document, diagnostics)

    context = Context(document, values.scope)
    root = cast_half_inputs(_expand_root(context), inputs)
    unused = check_unused(document, context.used, values.scope)
    diagnostics.raise_if_any()
    return Graph(document, root, inputs, values.contract, values.params, tuple(files.sources.values()), unused)


@dataclass(frozen=True)
class _Bindings:
    """The values of params, the contract of the dims that stay open, and the scope with all of them."""

    params: Mapping[str, ParamValue]
    contract: DimContract
    scope: Scope


def _bind(
    document: Document, start: Scope, set_params: Mapping[str, str], set_dims: Mapping[str, int], spelling: Spelling
) -> _Bindings:
    """Bind params and dims; they may refer to each other. Raises SpecError with everything reported so far."""
    diagnostics = start.diagnostics
    overrides = {name: _override(document, name, text, spelling) for name, text in set_params.items()}

    # The contract may use params, and params may use dims: so the params that need no contract are bound first.
    doubtful = Collector()
    preliminary = start.with_names(known_params(document.params, overrides, start))
    declared = contract_of(document, preliminary, doubtful)
    contract, dims = fixed_dims(document, declared, set_dims, diagnostics, spelling.dim)

    scope = start.with_names(dims)
    option = spelling.param.replace("{value}", "…")
    binding = Binding("the spec", None, f"set it with `{option}`, or write a default")
    params = bind_params(document.params, overrides, scope, scope, binding)

    # A broken param explains a doubtful contract: report the contract only if all params are bound.
    if params is None:
        diagnostics.raise_if_any()
    doubtful.raise_if_any()
    diagnostics.raise_if_any()
    assert params is not None, "bind_params reports every param it leaves out"
    return _Bindings(params, contract, scope.with_names(params, text_places(document.params, overrides, params)))


def _override(document: Document, name: str, text: str, spelling: Spelling) -> Entry:
    """Return a param set from outside as an entry: the text itself if the param takes text, else parsed as YAML."""
    span = Span(spelling.param.format(name=name, value=text), 0)
    decl = document.params.get(name)
    if decl and decl.kind == "list":
        listed = read_yaml(text, file=span.file)
        return Entry(span, replace(listed, span=span))
    return Entry(span, Value(text if decl and is_text(decl) else parse_scalar(text), span))


def _expand_root(context: Context) -> Region:
    """Expand the drawing of the spec. Raises SpecError with everything reported so far."""
    context.root.homes[context.document.file] = context.root
    root = expand(context)
    context.diagnostics.raise_if_any()
    assert root is not None, "expand reports why it returns None"
    return root


# -- inputs


def _input_types(document: Document, scope: Scope, contract: DimContract) -> dict[str, TensorType]:
    """Return the types of the inputs. Raises SpecError: S006 without any input, S005 for an invalid size."""
    bounds = Bounds(contract)
    inputs = {name: _input_type(decl, scope, bounds) for name, decl in document.inputs.items()}
    if not inputs:
        hint = "declare one, for example `inputs: {x: {shape: [batch, 128]}}`"
        scope.diagnostics.error("S006", "the spec has no inputs", document.span, hint)
    scope.diagnostics.raise_if_any()
    return inputs


def _input_type(decl: InputDecl, scope: Scope, bounds: Bounds) -> TensorType:
    return TensorType(decl.dtype, tuple(_size(value, scope, bounds) for value in decl.shape))


_OPEN_SIZES: Mapping[object, str] = {
    None: "null", -1: "-1", **{word: word for word in ("-1", "None", "null", "?", "*", "...", ":")}
}  # fmt: skip
"""Notations of other languages for a size known only at run time."""


def _size(value: Value, scope: Scope, bounds: Bounds) -> Dim:
    """Return a size of a shape; 1, reported as S005, if it is invalid or may fall too low."""
    if isinstance(value.data, (str, int, type(None))) and value.data in _OPEN_SIZES:
        hint = "name the size, for example `batch`: a named size is known only at run time"
        scope.diagnostics.error("S005", f"'{_OPEN_SIZES[value.data]}' is not a valid size", value.span, hint)
        return Dim.of(1)
    try:
        size = scope.quantity(value)
    except SpecError as error:
        scope.diagnostics.extend(error)
        return Dim.of(1)

    if isinstance(size, bool) or not isinstance(size, (int, Dim)):
        result = f": its value is {size}" if isinstance(value.data, str) else ""
        hint = "write a whole number of at least 1, a dim, or an expression over params and dims"
        scope.diagnostics.error("S005", f"'{value.written}' is not a valid size{result}", value.span, hint)
        return Dim.of(1)
    return Dim.of(size) if _is_in_range(Dim.of(size), value, scope, bounds) else Dim.of(1)


def _is_in_range(size: Dim, value: Value, scope: Scope, bounds: Bounds) -> bool:
    """Return whether all values of a size are from 1 to 2⁶³ − 1, or from 0 with an empty dim; report S005 if not."""
    ends = [end for end in (bounds.least(size), bounds.largest(size)) if end is not None]
    may_be = "is" if size.constant is not None else "may be"
    subject = f"'{value.written}' {may_be}" if isinstance(value.data, str) else "this is"

    least = 0 if any(bounds.may_be_empty(name) for name in size.symbols()) else 1
    if min(ends) < least:
        hint = None if size.constant is not None else "declare a larger minimum for the dim under `dims:`"
        scope.diagnostics.error("S005", f"a size must be at least {least}, but {subject} {min(ends)}", value.span, hint)
        return False
    if max(ends) >= INT64:
        scope.diagnostics.error("S005", f"a size must fit in 64 bits, but {subject} {max(ends)}", value.span)
        return False
    return True
