"""The fields of a node as its component takes them: numbers, words, texts and lists, with expressions in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from stackc.components.base import Component
from stackc.components.fields import NUMBERS, FieldSpec, fields_of
from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError, did_you_mean
from stackc.core.types import Dim
from stackc.resolve.scope import Scope, scalar
from stackc.spec.expressions.expressions import ParamValue, interpolate
from stackc.spec.yaml.tree import Entry, Value


def component_of(
    op: type[Component], given: Mapping[str, Entry], scope: Scope, what: str, span: Span
) -> Component | None:
    """The component, its fields decoded; None, noted, where some are unknown (N309), missing (N311) or wrong (N310).

    Missing fields are not told beside unknown ones: those are them, misspelt, or belong to another op.
    """
    specs, diagnostics, values = fields_of(op), scope.diagnostics, {}
    unknown = [name for name in given if name not in specs]
    if unknown:
        first, *others = unknown
        notes = [Note(f"nor '{name}'", given[name].key) for name in others]
        hint = did_you_mean(first, specs) or "it has no fields"
        diagnostics.error("N309", f"{what} ({op.op}) has no field '{first}'", given[first].key, hint, *notes)
    for name in given.keys() - unknown:
        try:
            values[name] = decode(specs[name], given[name].value, scope, what)
        except SpecError as error:
            diagnostics.extend(error)
    missing = [name for name, spec in specs.items() if spec.required and name not in given]
    if missing and not unknown:
        _note_missing(missing, specs, f"{what} ({op.op})", span, diagnostics)
    return op.of_fields(values) if len(values) == len(given) and not missing else None


def _note_missing(
    missing: Sequence[str], specs: Mapping[str, FieldSpec], what: str, span: Span, diagnostics: Collector
) -> None:
    first, *others = missing
    if others:
        names, written = " and ".join(f"'{name}'" for name in missing), ", ".join(f"{name}: …" for name in missing)
        diagnostics.error("N311", f"{what} needs the fields {names}", span, f"write `{written}` for it")
    else:
        meaning = f" ({specs[first].doc})" if specs[first].doc else ""
        diagnostics.error("N311", f"{what} needs the field '{first}'", span, f"write `{first}: …` for it{meaning}")


def decode(spec: FieldSpec, value: Value, scope: Scope, what: str) -> object:
    """The value of a field as the component takes it. Raises SpecError, N310 for a value that it cannot have."""
    if isinstance(value.data, tuple) and spec.listed:
        return tuple(decode(spec.entry(index), item, scope, what) for index, item in enumerate(value.data))
    try:
        return spec.decode(_evaluated(spec, value, scope))
    except ValueError as error:
        blamed = scope.text_in(value) if spec.kinds & NUMBERS else None
        own = Diagnostic("N310", f"{what}: {error}", value.span, _hint(spec, value, scope))
        raise SpecError(blamed or own) from None


def _evaluated(spec: FieldSpec, value: Value, scope: Scope) -> ParamValue:
    """What stands there: a number, a word, a text with its `${…}` replaced, else the value of an expression.

    Raises SpecError, and ValueError in the user's words.
    """
    text = value.data
    if isinstance(text, (tuple, Mapping)):
        raise ValueError(f"{spec.name} is {spec.wanted if spec.listed else 'a single value'}, not {value.kind}")
    if spec.kinds == {"bool"} and str(text).lower() in ("yes", "no", "on", "off"):
        raise ValueError(f"{spec.name} has to be true or false; it is '{text}'")
    if not isinstance(text, str) or text in spec.choices:
        return scalar(value)
    if spec.is_text:
        return interpolate(text, scope.names, value.span)
    if "str" in spec.kinds:
        return _number_or_text(text, value, scope)
    is_word = re.fullmatch(r"[^\W\d]\w*", text) and text not in (*scope.names, "true", "false")
    return text if not spec.single or (spec.choices and is_word) else scope.number(value)


def _number_or_text(text: str, value: Value, scope: Scope) -> ParamValue:
    """What stands where both numbers and any text may: the value of an expression where it is one, else the text."""
    if "${" in text:
        return interpolate(text, scope.names, value.span)
    try:
        return scope.number(value)
    except SpecError:
        return text


def _hint(spec: FieldSpec, value: Value, scope: Scope) -> str | None:
    """The mend where text stands for a list, a word is misspelt, a division has a rest or a size is open.

    Else what the field means.
    """
    meaning = f"{spec.name.partition('[')[0]}: {spec.doc}" if spec.doc else None
    if not isinstance(value.data, str):
        return meaning
    if not spec.single:
        return f"write `{spec.name}: [{', '.join(value.data.replace(',', ' ').split())}]`"
    if "float" not in spec.kinds and spec.kinds & NUMBERS and re.search(r"(?<!/)/(?!/)", value.data):
        return f"`//` rounds down: `{re.sub('(?<!/)/(?!/)', '//', value.data)}`"
    values = (scope.names.get(word) for word in re.findall(r"\w+", value.data))
    if spec.kinds & NUMBERS and any(isinstance(named, Dim) for named in values):
        return "what a component is made of is the same at every size: write a number or a param"
    if spec.choices:
        hint = did_you_mean(value.data, spec.choices if spec.is_text else [*spec.choices, *scope.names])
        return hint if hint and hint.startswith("did you mean") else meaning
    return meaning
