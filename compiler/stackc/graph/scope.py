"""Names and their values while a spec is resolved: params, dims, blocks, files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stackc.diagnostics import Collector, Diagnostic, SpecError
from stackc.spec.document import BlockDecl, Document
from stackc.spec.expressions import Bound, evaluate, interpolate
from stackc.spec.tree import Value
from stackc.types import INT64, Dim

if TYPE_CHECKING:
    from stackc.graph.includes import Library


@dataclass(frozen=True)
class Scope:
    """What the names mean at one place of a spec: params and dims, blocks, files; problems are noted in `found`.

    `trust` has the Python modules whose code may run.
    """

    names: Mapping[str, Bound]
    blocks: Mapping[str, BlockDecl]
    file: str
    library: Library
    found: Collector
    trust: tuple[str, ...] = ()

    def for_file(self, document: Document) -> Scope:
        """The scope that another file starts with: its blocks, and no names yet."""
        return replace(self, names={}, blocks=document.blocks, file=document.file)

    def with_names(self, names: Mapping[str, Bound]) -> Scope:
        """This scope with more names, which hide those of the same spelling."""
        return replace(self, names={**self.names, **names})

    def text(self, value: Value, what: str) -> str | None:
        """A text with its `${…}` replaced; None, noted, where it is no text."""
        if not isinstance(value.data, str):
            self.found.error("S005", f"{what} has to be text, and is {value.kind}", value.span)
            return None
        try:
            return str(interpolate(value.data, self.names, value.span))
        except SpecError as error:
            self.found.extend(error)
            return None

    def number(self, value: Value) -> Bound:
        """A number, or a text taken as an expression. Raises SpecError."""
        if isinstance(value.data, str):
            text = value.data[2:-1] if value.data.startswith("${") and value.data.endswith("}") else value.data
            return evaluate(text, self.names, value.span)
        return scalar(value)

    def whole(self, value: Value, path: str, least: int | None = None) -> int:
        """A whole number, of at least `least` if anything. Raises SpecError, S005 where it is none."""
        number = value.kind if isinstance(value.data, (tuple, Mapping, bool)) else self.number(value)
        number = number.constant if isinstance(number, Dim) and number.constant is not None else number
        if isinstance(number, int) and not isinstance(number, bool) and (least is None or number >= least):
            if -INT64 <= number < INT64:
                return number
            raise SpecError(Diagnostic("S005", f"{path} has to fit in 64 bits, and is {number}", value.span))
        shown = f"{number} ({value.data})" if isinstance(value.data, str) and value.data != str(number) else f"{number}"
        told = ", known only at run time" if isinstance(number, Dim) else ""
        wanted = "a whole number" if least is None else f"a whole number from {least} up"
        hint = "a number, or an expression over params" if isinstance(value.data, str) else None
        raise SpecError(Diagnostic("S005", f"{path} has to be {wanted}, and is {shown}{told}", value.span, hint))


def scalar(value: Value) -> Bound:
    """A single value as it is. Raises SpecError for a list or a mapping."""
    if isinstance(value.data, (tuple, Mapping)):
        raise SpecError(Diagnostic("S005", f"a single value is wanted here, not {value.kind}", value.span))
    return value.data
