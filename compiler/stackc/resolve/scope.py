"""Names and their values at one place of a spec: params, dims, blocks, files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError
from stackc.core.types import INT64, Dim
from stackc.spec.document import BlockDecl, Document
from stackc.spec.expressions.expressions import OPEN, ParamValue, evaluate, interpolate
from stackc.spec.includes import SpecFiles
from stackc.spec.yaml.tree import Value
from stackc.spec.yaml.yaml_reader import parse_scalar


@dataclass(frozen=True)
class Scope:
    """Name bindings at one place of a spec: params and dims, blocks, files; problems go to `diagnostics`.

    `trust` lists the Python modules whose code may run; `texts` maps each param whose value is text to the place of
    that text. `homes` maps each file of the model to its scope: all scopes share it, and it grows with every include.
    `ports` are those of the component whose fields are read: the sizes of what enters them can be named.
    """

    names: Mapping[str, ParamValue]
    blocks: Mapping[str, BlockDecl]
    file: str
    files: SpecFiles
    diagnostics: Collector
    trust: tuple[str, ...] = ()
    texts: Mapping[str, Span] = field(default_factory=dict)
    homes: dict[str, Scope] = field(default_factory=dict, repr=False, compare=False)
    ports: tuple[str, ...] = ()

    def home_of(self, block: BlockDecl) -> Scope:
        """Return the scope of the file that declares a block: the names visible inside it, besides its own params."""
        return self.homes[block.body.span.file]

    def for_file(self, document: Document) -> Scope:
        """Return the initial scope of another file: its blocks, and no names yet."""
        return replace(self, names={}, blocks=document.blocks, file=document.file)

    def with_names(self, names: Mapping[str, ParamValue], texts: Mapping[str, Span] | None = None) -> Scope:
        """Return this scope with more names, which shadow existing ones; `texts` maps those that are text to places."""
        visible = {name: span for name, span in self.texts.items() if name not in names}
        return replace(self, names={**self.names, **names}, texts=visible | {**(texts or {})})

    def text(self, value: Value, what: str) -> str | None:
        """Return a text with its `${…}` replaced; None, reported, if it is not a text (S005) or an expression fails."""
        if not isinstance(value.data, str):
            self.diagnostics.error("S005", f"{what} must be text, but is {value.kind}", value.span)
            return None
        try:
            return str(interpolate(value.data, self.names, value.span))
        except SpecError as error:
            self.diagnostics.extend(error)
            return None

    def number(self, value: Value) -> ParamValue:
        """Return a scalar as it is, or a text evaluated as an expression. Raises SpecError."""
        if not isinstance(value.data, str):
            return scalar(value)
        is_wrapped = value.data.startswith("${") and value.data.endswith("}")
        try:
            return evaluate(value.data[2:-1] if is_wrapped else value.data, self.names, value.span, self.ports)
        except SpecError as error:
            # An operand of the wrong type (X003) may be a param in quotes: then the param is to blame, not its use.
            blamed = self.text_in(value) if error.diagnostics[0].code == "X003" else None
            raise SpecError(blamed) if blamed else error from None

    def quantity(self, value: Value) -> ParamValue:
        """Return `number` of a value, with a constant dim as an int. Raises SpecError, N310 if it is a text param."""
        number = self.number(value)
        if isinstance(number, str) and (blamed := self.text_in(value)):
            raise SpecError(blamed)
        return number.constant if isinstance(number, Dim) and number.constant is not None else number

    def whole(
        self, value: Value, what: str, least: int | None = None, most: int | None = None, code: str = "S005"
    ) -> int:
        """Return a whole number from `least` to `most`, both included and optional.

        Raises SpecError: `code` for any other scalar, S005 for a list, a mapping or a number beyond 64 bits.
        """
        is_nested = isinstance(value.data, (tuple, Mapping))
        number = value.kind if is_nested else value.written if isinstance(value.data, bool) else self.quantity(value)
        if is_whole(number) and (least is None or number >= least) and (most is None or number <= most):
            if -INT64 <= number < INT64:
                return number
            raise SpecError(Diagnostic("S005", f"{what} must fit in 64 bits, but is {number}", value.span))

        message = f"{what} must be {_range_name(least, most)}, but is {_describe(number, value)}"
        is_unusable = isinstance(value.data, str) and not is_whole(number)
        hint = "write a number, or an expression over params" if is_unusable else None
        raise SpecError(Diagnostic("S005" if is_nested else code, message, value.span, hint))

    def text_in(self, value: Value) -> Diagnostic | None:
        """Return N310 at the first text param in `value`, which must be a number; None if it has no such param."""
        words = re.findall(r"\w+", value.data) if isinstance(value.data, str) else []
        name = next((word for word in words if word in self.texts), None)
        if name is None:
            return None

        text = str(self.names[name])
        if text == OPEN:
            return Diagnostic("X001", f"still to fill in: the param '{name}'", self.texts[name], "write a number")

        hint = f"write a number, for example `{name}: 64`"
        if isinstance(parse_scalar(text), (int, float)):
            hint = f"remove the quotes: `{name}: {text}`"
        elif self._is_expression(text):
            hint = f'write a calculated param in `${{…}}`: `{name}: "${{{text}}}"`'

        message = f"the param '{name}' is text, but a number is needed"
        return Diagnostic("N310", message, self.texts[name], hint, (Note("used as a number here", value.span),))

    def _is_expression(self, text: str) -> bool:
        try:
            return not isinstance(evaluate(text, self.names, Span(self.file, 0)), str)
        except SpecError:
            return False


def scalar(value: Value) -> ParamValue:
    """Return a single value as it is. Raises SpecError (S005) for a list or a mapping."""
    if isinstance(value.data, (tuple, Mapping)):
        raise SpecError(Diagnostic("S005", f"expected a single value, but this is {value.kind}", value.span))
    return value.data


def is_whole(number: object) -> TypeGuard[int]:
    """Return whether a value is a whole number; true and false are not."""
    return isinstance(number, int) and not isinstance(number, bool)


def _range_name(least: int | None, most: int | None) -> str:
    """Name the whole numbers within optional bounds, for a message."""
    if least is None:
        return "a whole number"
    return f"a whole number of at least {least}" if most is None else f"a whole number from {least} to {most:,}"


def _describe(number: object, value: Value) -> str:
    """Show a value, and the expression it comes from if that differs."""
    if number is None:
        return "empty"
    shown = f"{number} ({value.data})" if isinstance(value.data, str) and value.data != str(number) else f"{number}"
    return f"{shown}, known only at run time" if isinstance(number, Dim) else shown
