"""Value ranges of integer inputs: those that the spec declares, checked against the tables that the inputs index."""

from __future__ import annotations

from collections.abc import Mapping

from stackc.components.families.embedding import Embedding
from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError
from stackc.core.plurals import counted
from stackc.core.types import INT64, Dim, ValueRange
from stackc.ir.program import Program
from stackc.resolve.scope import Scope
from stackc.spec.document import Document, InputDecl
from stackc.spec.expressions.expressions import ParamValue
from stackc.spec.includes import SpecFiles
from stackc.spec.yaml.tree import Value

_ASSUMED = ValueRange(2, assumed=True)
"""The range of an integer input that neither the spec nor a table bounds: 0 and 1 are drawn."""


def value_ranges(document: Document, names: Mapping[str, ParamValue], program: Program) -> dict[str, ValueRange]:
    """Return the range of every integer input: as declared, else that of the smallest table that the input indexes.

    Raises SpecError: T206 if the spec allows an id that a table does not have, S005 for an invalid declaration.
    """
    diagnostics = Collector()
    dims = {dim: Dim.symbol(dim) for dim in program.contract}
    scope = Scope({**dims, **names}, document.blocks, document.file, SpecFiles.around(document.file), diagnostics)
    tables = _table_sizes(program)

    ranges = {}
    for name, type_ in program.inputs.items():
        if type_.is_float:
            continue
        decl = document.inputs[name]
        declared = _declared_range(name, decl, scope)
        size, table = min(tables.get(name, ()), default=(None, decl.span))
        ranges[name] = declared or (_ASSUMED if size is None else ValueRange(size))
        if declared and size is not None:
            _check_table(decl, name, declared, size, table, diagnostics)
    diagnostics.raise_if_any()
    return ranges


def _table_sizes(program: Program) -> dict[str, list[tuple[int, Span]]]:
    """Return the sizes of the embedding tables that each input indexes directly, with their places."""
    tables: dict[str, list[tuple[int, Span]]] = {}
    for call in program.calls:
        if isinstance(call.component, Embedding) and call.inputs[0] in program.inputs:
            tables.setdefault(str(call.inputs[0]), []).append((call.component.vocab, call.span))
    return tables


def _check_table(
    decl: InputDecl, name: str, declared: ValueRange, size: int, table: Span, diagnostics: Collector
) -> None:
    """Report T206 if an input may hold an id that its smallest table does not have."""
    least, largest = min(declared.choices, default=0), declared.below - 1
    if largest < size and least >= 0:
        return
    message = f"the input '{name}' may hold {largest if largest >= size else least:,}"
    message += f", but the smallest table it enters has {counted(size, 'entry', 'entries')}"
    hint = f"write `below: {size}`, or make the table larger"
    diagnostics.error("T206", message, decl.below.span if decl.below else decl.span, hint, Note("the table", table))


def _declared_range(name: str, decl: InputDecl, scope: Scope) -> ValueRange | None:
    """Return the range that the spec declares; None if it declares none, or, reported as S005, an invalid one."""
    try:
        if decl.values:
            choices = tuple(scope.whole(value, f"inputs.{name}.values") for value in decl.values)
            for value, choice in zip(decl.values, choices, strict=True):
                _require_representable(choice, name, decl, value)
            return ValueRange(max(choices) + 1, choices)

        if decl.below is not None and decl.below.data is not None:
            below = scope.whole(decl.below, f"inputs.{name}.below", 1)
            _require_representable(below - 1, name, decl, decl.below)
            return ValueRange(below)
    except SpecError as error:
        scope.diagnostics.extend(error)
    return None


_LIMITS = {"bool": (0, 1), "int32": (-(1 << 31), (1 << 31) - 1), "int64": (-INT64, INT64 - 1)}
"""The least and the largest number of each element type."""


def _require_representable(number: int, name: str, decl: InputDecl, value: Value) -> None:
    """Raise SpecError (S005) for a number that the input's element type cannot represent."""
    least, largest = _LIMITS[decl.dtype]
    if not least <= number <= largest:
        message = f"the input '{name}' may hold {number}, but {decl.dtype} ranges from {least} to {largest}"
        raise SpecError(Diagnostic("S005", message, value.span))
