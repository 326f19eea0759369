"""Which whole numbers an input may hold: what the spec says, held against the tables that the input is looked up in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stackc.components.embedding import Embedding
from stackc.diagnostics import Collector, SpecError
from stackc.graph.includes import Library
from stackc.graph.program import Program
from stackc.graph.scope import Scope
from stackc.spec.document import Document, InputDecl
from stackc.spec.expressions import Bound


@dataclass(frozen=True, slots=True)
class ValueRange:
    """Whole numbers from 0 up to `below` − 1, or one of `choices` where there are any."""

    below: int
    choices: tuple[int, ...] = ()


_UNSAID = 2  # an integer input of which nothing is said holds 0 and 1


def value_ranges(document: Document, names: Mapping[str, Bound], program: Program) -> dict[str, ValueRange]:
    """The range of every input of whole numbers. Without a word of the spec it is that of the table it enters.

    Raises SpecError T206 where the spec allows an id that a table does not have.
    """
    found = Collector()
    tables: dict[str, list[Embedding]] = {}
    for call in program.calls:
        if isinstance(call.component, Embedding) and call.inputs[0] in program.inputs:
            tables.setdefault(str(call.inputs[0]), []).append(call.component)
    ranges = {}
    for name, type_ in program.inputs.items():
        if type_.is_float:
            continue
        decl = document.inputs[name]
        least = min((table.vocab for table in tables.get(name, ())), default=None)
        said = _said(decl, Scope(names, document.blocks, document.file, Library.around(document.file), found))
        ranges[name] = said or ValueRange(least or _UNSAID)
        if said and least is not None and (said.below > least or min(said.choices, default=0) < 0):
            odd = min(said.choices, default=0) if said.below <= least else said.below - 1
            message = f"the input '{name}' may hold {odd}, and the smallest table it enters has {least} entries"
            hint = f"write `below: {least}`, or make the table larger"
            found.error("T206", message, decl.below.span if decl.below else decl.span, hint)
    found.raise_if_any()
    return ranges


def _said(decl: InputDecl, scope: Scope) -> ValueRange | None:
    if decl.values:
        return ValueRange(max(decl.values) + 1, decl.values)
    if decl.below is None:
        return None
    try:
        below = scope.number(decl.below)
    except SpecError as error:
        scope.found.extend(error)
        return None
    if isinstance(below, bool) or not isinstance(below, int) or below < 1:
        told = "" if decl.below.written == str(below) else f" ({decl.below.written})"
        message = f"below has to be a whole number from 1 up, and is {below}{told}"
        scope.found.error("S005", message, decl.below.span, "a number or a param: the ids are 0 up to it, without it")
        return None
    return ValueRange(below)
