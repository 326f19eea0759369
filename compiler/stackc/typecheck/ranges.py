"""Which whole numbers an input may hold: what the spec says, held against the tables that the input is looked up in."""

from __future__ import annotations

from collections.abc import Mapping

from stackc.components.families.embedding import Embedding
from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError
from stackc.core.types import INT64, Dim, ValueRange
from stackc.ir.program import Program
from stackc.resolve.scope import Scope
from stackc.spec.document import Document, InputDecl
from stackc.spec.expressions.expressions import ParamValue
from stackc.spec.includes import SpecFiles
from stackc.spec.yaml.tree import Value

_UNSAID = ValueRange(2, assumed=True)  # what is drawn for an integer input of which nothing is said: 0 and 1


def value_ranges(document: Document, names: Mapping[str, ParamValue], program: Program) -> dict[str, ValueRange]:
    """The range of every input of whole numbers. Without a word of the spec it is that of the table it enters.

    Raises SpecError T206 where the spec allows an id that a table does not have.
    """
    diagnostics = Collector()
    tables: dict[str, list[tuple[int, Span]]] = {}
    for call in program.calls:
        if isinstance(call.component, Embedding) and call.inputs[0] in program.inputs:
            tables.setdefault(str(call.inputs[0]), []).append((call.component.vocab, call.span))
    dims = {dim: Dim.symbol(dim) for dim in program.contract}
    scope = Scope({**dims, **names}, document.blocks, document.file, SpecFiles.around(document.file), diagnostics)
    ranges = {}
    for name, type_ in program.inputs.items():
        if type_.is_float:
            continue
        decl = document.inputs[name]
        least, table = min(tables.get(name, ()), default=(None, decl.span))
        said = _said(name, decl, scope)
        ranges[name] = said or (_UNSAID if least is None else ValueRange(least))
        if said and least is not None and (said.below > least or min(said.choices, default=0) < 0):
            odd = min(said.choices, default=0) if said.below <= least else said.below - 1
            message = f"the input '{name}' may hold {odd}, and the smallest table it enters has {least} entries"
            hint = f"write `below: {least}`, or make the table larger"
            note = Note("the table", table)
            diagnostics.error("T206", message, decl.below.span if decl.below else decl.span, hint, note)
    diagnostics.raise_if_any()
    return ranges


def _said(name: str, decl: InputDecl, scope: Scope) -> ValueRange | None:
    """What the spec says; None where it says nothing, or, noted, nothing that is a whole number."""
    try:
        if decl.values:
            choices = tuple(scope.whole(value, f"inputs.{name}.values") for value in decl.values)
            for value, choice in zip(decl.values, choices, strict=True):
                _require_held(choice, name, decl, value)
            return ValueRange(max(choices) + 1, choices)
        if decl.below is not None and decl.below.data is not None:
            below = scope.whole(decl.below, f"inputs.{name}.below", 1)
            _require_held(below - 1, name, decl, decl.below)
            return ValueRange(below)
    except SpecError as error:
        scope.diagnostics.extend(error)
    return None


_HELD = {"bool": (0, 1), "int32": (-(1 << 31), (1 << 31) - 1), "int64": (-INT64, INT64 - 1)}


def _require_held(number: int, name: str, decl: InputDecl, value: Value) -> None:
    """Raise SpecError S005 for a number that the input's element type does not have."""
    least, largest = _HELD[decl.dtype]
    if not least <= number <= largest:
        message = f"the input '{name}' may hold {number}, and {decl.dtype} goes from {least} to {largest}"
        raise SpecError(Diagnostic("S005", message, value.span))
