"""Names and their values while a spec is resolved: params, dims, and the fields of a node written with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from stackc.components.base import Component
from stackc.components.fields import FieldSpec, fields_of
from stackc.diagnostics import Collector, Diagnostic, Span, SpecError, near
from stackc.graph.includes import Library
from stackc.spec.document import BlockDecl, Document, ParamDecl
from stackc.spec.expressions import Bound, evaluate, interpolate
from stackc.spec.tree import Entry, Value


@dataclass(frozen=True)
class Scope:
    """What the names mean at one place of a spec: params and dims, blocks, files; problems are noted in `found`."""

    names: Mapping[str, Bound]
    blocks: Mapping[str, BlockDecl]
    file: str
    library: Library
    found: Collector

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
        return _scalar(value)

    def value(self, value: Value, like: Bound) -> Bound:
        """A value for a param whose default is `like`: text for text, else an expression. Raises SpecError."""
        if isinstance(like, str) and isinstance(value.data, str):
            return interpolate(value.data, self.names, value.span)
        if isinstance(value.data, str) and (like is not None or value.data in self.names):
            return self.number(value)
        return interpolate(value.data, self.names, value.span) if isinstance(value.data, str) else _scalar(value)


def _scalar(value: Value) -> Bound:
    if isinstance(value.data, (tuple, Mapping)):
        raise SpecError(Diagnostic("S005", f"a single value is wanted here, not {value.kind}", value.span))
    return value.data


@dataclass(frozen=True, slots=True)
class Binding:
    """Who takes params, for messages: `what` it is, and how a value is given. `span` is the place that leaves one out;
    without it, that is the declaration.
    """

    what: str
    span: Span | None
    hint: str


def bind_params(
    decls: Mapping[str, ParamDecl], given: Mapping[str, Entry], outer: Scope, inner: Scope, binding: Binding
) -> dict[str, Bound] | None:
    """The values of params: given ones are read in `outer`, defaults in `inner`, where earlier params are known.

    Notes N312 for a name that is no param and N311 for a param without a value, which leaves no binding at all.
    """
    found = outer.found
    for name in given:
        if name not in decls:
            hint = near(name, decls) or "it has no params"
            found.error("N312", f"{binding.what} has no param '{name}'", given[name].key, hint)
    bound: dict[str, Bound] = {}
    for name, decl in decls.items():
        try:
            default = inner.with_names(bound).value(decl.default, None)
            value = outer.value(given[name].value, default) if name in given else default
        except SpecError as error:
            found.extend(error)
            continue
        if value is not None:
            bound[name] = value
        else:
            span = given[name].key if name in given else binding.span or decl.span
            found.error("N311", f"{binding.what} needs a value for '{name}'", span, binding.hint.format(name=name))
    return bound if len(bound) == len(decls) else None


def component_of(
    op: type[Component], given: Mapping[str, Entry], scope: Scope, what: str, span: Span
) -> Component | None:
    """The component, its fields decoded; None, noted, where one is unknown (N309), missing (N311) or wrong (N310)."""
    specs, found, values, sound = fields_of(op), scope.found, {}, True
    for name, entry in given.items():
        if name not in specs:
            hint = near(name, specs) or "it has no fields"
            found.error("N309", f"{what} ({op.op}) has no field '{name}'", entry.key, hint)
            sound = False
            continue
        try:
            values[name] = _field(specs[name], entry.value, scope, what)
        except SpecError as error:
            found.extend(error)
            sound = False
    missing = [name for name, spec in specs.items() if spec.required and name not in given]
    for name in missing:
        meaning = f" ({specs[name].doc})" if specs[name].doc else ""
        hint = f"write `{name}: …` for it{meaning}"
        found.error("N311", f"{what} ({op.op}) needs the field '{name}'", span, hint)
    return op(**values) if sound and not missing else None


def _field(spec: FieldSpec, value: Value, scope: Scope, what: str) -> object:
    """The value of a field as the component takes it. Raises SpecError, N310 for a value that it cannot have."""
    if isinstance(value.data, tuple) and spec.listed:
        return tuple(_field(spec.entry(index), item, scope, what) for index, item in enumerate(value.data))
    try:
        return spec.decode(_evaluated(spec, value, scope))
    except ValueError as error:
        raise SpecError(Diagnostic("N310", f"{what}: {error}", value.span, _hint(spec, value, scope))) from None


def _evaluated(spec: FieldSpec, value: Value, scope: Scope) -> Bound:
    """What stands there: a number, a word, a text with its `${…}` replaced, else the value of an expression.

    Raises SpecError, and ValueError in the user's words.
    """
    text = value.data
    if isinstance(text, (tuple, Mapping)):
        raise ValueError(f"{spec.name} is {spec.wanted if spec.listed else 'a single value'}, not {value.kind}")
    if spec.kinds == {"bool"} and str(text).lower() in ("yes", "no", "on", "off"):
        raise ValueError(f"{spec.name} has to be true or false; it is '{text}'")
    if not isinstance(text, str) or text in spec.choices:
        return _scalar(value)
    if spec.is_text:
        return interpolate(text, scope.names, value.span)
    is_word = re.fullmatch(r"[^\W\d]\w*", text) and text not in (*scope.names, "true", "false")
    return text if not spec.single or (spec.choices and is_word) else scope.number(value)


def _hint(spec: FieldSpec, value: Value, scope: Scope) -> str | None:
    """The mend where text stands for a list, a word is misspelt, or a param is text that looks like an expression."""
    if not isinstance(value.data, str):
        return None
    if not spec.single:
        return f"write `{spec.name}: [{', '.join(value.data.replace(',', ' ').split())}]`"
    if isinstance(text := scope.names.get(value.data), str):
        return f'a param that is calculated is written in `${{…}}`: `{value.data}: "${{{text}}}"`'
    return near(value.data, [*spec.choices, *scope.names]) if spec.choices and not spec.is_text else None
