"""Names and their values while a spec is resolved: params, dims, blocks, files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError
from stackc.core.types import INT64, Dim
from stackc.spec.document import BlockDecl, Document
from stackc.spec.expressions.expressions import ParamValue, evaluate, interpolate
from stackc.spec.includes import SpecFiles
from stackc.spec.yaml.tree import Value
from stackc.spec.yaml.yaml_reader import parse_scalar


@dataclass(frozen=True)
class Scope:
    """What the names mean at one place of a spec: params and dims, blocks, files; problems are noted in `diagnostics`.

    `trust` has the Python modules whose code may run; `texts` the places of params that stand for a text. `homes` has
    the scope of each file that takes part in the model, shared by all scopes and filled as files are included.
    """

    names: Mapping[str, ParamValue]
    blocks: Mapping[str, BlockDecl]
    file: str
    files: SpecFiles
    diagnostics: Collector
    trust: tuple[str, ...] = ()
    texts: Mapping[str, Span] = field(default_factory=dict)
    homes: dict[str, Scope] = field(default_factory=dict, repr=False, compare=False)

    def home_of(self, block: BlockDecl) -> Scope:
        """The scope of the file that declares a block: what names mean inside it, beside its own params."""
        return self.homes[block.body.span.file]

    def for_file(self, document: Document) -> Scope:
        """The scope that another file starts with: its blocks, and no names yet."""
        return replace(self, names={}, blocks=document.blocks, file=document.file)

    def with_names(self, names: Mapping[str, ParamValue], texts: Mapping[str, Span] | None = None) -> Scope:
        """This scope with more names, which hide others of the same spelling; `texts` has the places of texts."""
        left = {name: place for name, place in self.texts.items() if name not in names}
        return replace(self, names={**self.names, **names}, texts=left | {**(texts or {})})

    def text(self, value: Value, what: str) -> str | None:
        """A text with its `${…}` replaced; None, noted, where it is no text."""
        if not isinstance(value.data, str):
            self.diagnostics.error("S005", f"{what} has to be text, and is {value.kind}", value.span)
            return None
        try:
            return str(interpolate(value.data, self.names, value.span))
        except SpecError as error:
            self.diagnostics.extend(error)
            return None

    def number(self, value: Value) -> ParamValue:
        """A number, or a text taken as an expression. Raises SpecError."""
        if isinstance(value.data, str):
            text = value.data[2:-1] if value.data.startswith("${") and value.data.endswith("}") else value.data
            try:
                return evaluate(text, self.names, value.span)
            except SpecError as error:
                blamed = self.text_in(value) if error.diagnostics[0].code == "X003" else None
                raise SpecError(blamed) if blamed else error from None
        return scalar(value)

    def text_in(self, value: Value) -> Diagnostic | None:
        """N310 at the param that is a text where `value`, which has its name in it, needs a number; None if none is."""
        words = re.findall(r"\w+", value.data) if isinstance(value.data, str) else []
        name = next((word for word in words if word in self.texts), None)
        if name is None:
            return None
        text = str(self.names[name])
        hint = f"write a number, for example `{name}: 64`"
        if isinstance(parse_scalar(text), (int, float)):
            hint = f"write `{name}: {text}`, without quotes"
        elif self._is_expression(text):
            hint = f'a param that is calculated is written in `${{…}}`: `{name}: "${{{text}}}"`'
        note = Note("used as a number here", value.span)
        message = f"the param '{name}' is text, and a number is needed"
        return Diagnostic("N310", message, self.texts[name], hint, (note,))

    def _is_expression(self, text: str) -> bool:
        try:
            return not isinstance(evaluate(text, self.names, Span(self.file, 0)), str)
        except SpecError:
            return False

    def whole(self, value: Value, path: str, least: int | None = None) -> int:
        """A whole number, of at least `least` if anything. Raises SpecError, S005 where it is none."""
        number = value.kind if isinstance(value.data, (tuple, Mapping, bool)) else self.number(value)
        if isinstance(number, str) and (blamed := self.text_in(value)):
            raise SpecError(blamed)
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


def scalar(value: Value) -> ParamValue:
    """A single value as it is. Raises SpecError for a list or a mapping."""
    if isinstance(value.data, (tuple, Mapping)):
        raise SpecError(Diagnostic("S005", f"a single value is wanted here, not {value.kind}", value.span))
    return value.data
