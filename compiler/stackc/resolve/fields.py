"""The fields of a node, decoded for its component: numbers, words, texts and lists, with expressions in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from stackc.components.base import Component
from stackc.components.entering_sizes import has_entering_size, sized_by_inputs
from stackc.components.fields import NUMBERS, FieldSpec, fields_of
from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError, did_you_mean
from stackc.core.types import Dim
from stackc.resolve.foreign_fields import unknown_fields_hint
from stackc.resolve.scope import Scope, scalar
from stackc.spec.expressions.expressions import ParamValue, interpolate
from stackc.spec.yaml.tree import Entry, Value


def component_of(
    op: type[Component], fields: Mapping[str, Entry], scope: Scope, what: str, span: Span
) -> Component | None:
    """Return the component with its fields decoded; None, reported, if fields are unknown, missing or invalid.

    Reports N309 (unknown), N311 (missing), N310 (invalid). Unknown fields suppress missing-field errors: they are
    probably misspellings, or the fields of another op.
    """
    specs, diagnostics, values = fields_of(op), scope.diagnostics, dict[str, object]()
    if op.described is None:  # the fields of a custom module are its own
        scope = replace(scope, ports=tuple(port.name for port in op.ports))
    unknown = [name for name in fields if name not in specs]
    if unknown:
        first, *others = unknown
        notes = [Note(f"there is no field '{name}' either", fields[name].key) for name in others]
        hint = unknown_fields_hint(unknown, specs, op.op)
        diagnostics.error("N309", f"{what} ({op.op}) has no field '{first}'", fields[first].key, hint, *notes)

    for name in fields.keys() - unknown:
        try:
            values[name] = decode(specs[name], fields[name].value, scope, what)
        except SpecError as error:
            diagnostics.extend(error)

    missing = [name for name, spec in specs.items() if spec.required and name not in fields]
    if missing and not unknown:
        _report_missing(missing, specs, f"{what} ({op.op})", span, diagnostics)
    if len(values) < len(fields) or missing:
        return None
    return sized_by_inputs(op, values) if any(map(has_entering_size, values.values())) else op.of_fields(values)


def _report_missing(
    missing: Sequence[str], specs: Mapping[str, FieldSpec], what: str, span: Span, diagnostics: Collector
) -> None:
    first, *others = missing
    if others:
        names, written = " and ".join(f"'{name}'" for name in missing), ", ".join(f"{name}: …" for name in missing)
        diagnostics.error("N311", f"{what} needs the fields {names}", span, f"write `{written}`")
    else:
        meaning = f" ({specs[first].doc})" if specs[first].doc else ""
        diagnostics.error("N311", f"{what} needs the field '{first}'", span, f"write `{first}: …`{meaning}")


def decode(spec: FieldSpec, value: Value, scope: Scope, what: str) -> object:
    """Return the value of a field as its component takes it. Raises SpecError, N310 for an invalid value."""
    if isinstance(value.data, Mapping) and spec.members:
        return _decode_mapping(spec, value.data, value.span, scope, what)
    if isinstance(value.data, tuple) and spec.listed:
        return tuple(decode(spec.entry(index), item, scope, what) for index, item in enumerate(value.data))
    try:
        evaluated = _evaluate(spec, value, scope)
        return evaluated if has_entering_size(evaluated) else spec.decode(evaluated)
    except ValueError as error:
        blamed = scope.text_in(value) if spec.kinds & NUMBERS else None
        invalid = Diagnostic("N310", f"{what}: {error}", value.span, _hint(spec, value, scope))
        raise SpecError(blamed or invalid) from None


def _decode_mapping(spec: FieldSpec, entries: Mapping[str, Entry], span: Span, scope: Scope, what: str) -> object:
    """Return a mapping as its component takes it. Raises SpecError with all that is wrong with its entries."""
    members = {member.name: spec.member(member) for member in spec.members}
    scope = replace(scope, ports=())  # sizes of what enters are known too late for the class that a mapping becomes
    values: dict[str, object] = {}
    problems: list[Diagnostic] = []
    for name, entry in entries.items():
        if name not in members:
            message = f"{what}: {spec.name} has no '{name}'"
            problems.append(Diagnostic("N309", message, entry.key, did_you_mean(name, members)))
            continue
        try:
            values[name] = decode(members[name], entry.value, scope, what)
        except SpecError as error:
            problems += error.diagnostics

    missing = [name for name, member in members.items() if member.required and name not in entries]
    if missing:
        written = ", ".join(f"{name}: …" for name in missing)
        problems.append(
            Diagnostic("N311", f"{what}: {spec.name} needs {' and '.join(missing)}", span, f"add `{written}`")
        )
    if problems:
        raise SpecError(*problems)
    return spec.instance(values)


def _evaluate(spec: FieldSpec, value: Value, scope: Scope) -> ParamValue:
    """Return a number, a word, a text with its `${…}` replaced, or the value of an expression, as the field asks for.

    Raises SpecError, or ValueError with a message for the user.
    """
    text = value.data
    if isinstance(text, (tuple, Mapping)):
        wanted = spec.wanted if spec.listed or spec.members else "a single value"
        raise ValueError(f"{spec.name} must be {wanted}, not {value.kind}")
    if spec.kinds == {"bool"} and str(text).lower() in ("yes", "no", "on", "off"):
        raise ValueError(f"{spec.name} must be true or false, but is '{text}'")

    if not isinstance(text, str) or text in spec.choices:
        return scalar(value)
    if spec.is_text:
        return interpolate(text, scope.names, value.span)
    if "str" in spec.kinds:
        return _number_or_text(text, value, scope)

    # A word that is not a name is kept, so that the error lists the choices, not the names that are in scope.
    is_word = re.fullmatch(r"[^\W\d]\w*", text) and text not in (*scope.names, "true", "false")
    if spec.single:
        return text if spec.choices and is_word else scope.number(value)
    listed = _number_or_text(text, value, scope)  # a list param, or an entry of one
    return listed if isinstance(listed, tuple) else text


def _number_or_text(text: str, value: Value, scope: Scope) -> ParamValue:
    """Return the value of an expression, or the text itself if it is not one: for fields that take both."""
    if "${" in text:
        return interpolate(text, scope.names, value.span)
    try:
        return scope.number(value)
    except SpecError:
        return text


def _hint(spec: FieldSpec, value: Value, scope: Scope) -> str | None:
    """Return the fix for a text instead of a list, an inexact division, a dim or a misspelt word; else the meaning."""
    meaning = f"{spec.name.partition('[')[0]}: {spec.doc}" if spec.doc else None
    if not isinstance(value.data, str):
        return meaning

    if not spec.single and isinstance(scope.names.get(value.data), (int, float)):
        return f"write `{spec.name}: [{value.data}]`"
    if not spec.single and spec.listed:
        return f"write `{spec.name}: [{', '.join(value.data.replace(',', ' ').split())}]`"
    if "float" not in spec.kinds and spec.kinds & NUMBERS and re.search(r"(?<!/)/(?!/)", value.data):
        return f"`//` rounds down: `{re.sub('(?<!/)/(?!/)', '//', value.data)}`"

    operands = (scope.names.get(word) for word in re.findall(r"\w+", value.data))
    if spec.kinds & NUMBERS and any(isinstance(operand, Dim) for operand in operands):
        return "a component is the same at every size of a dim: write a number or a param"
    if spec.choices:
        hint = did_you_mean(value.data, spec.choices if spec.is_text else [*spec.choices, *scope.names])
        return hint if hint and hint.startswith("did you mean") else meaning
    return meaning
