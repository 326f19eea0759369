"""Pieces of the text form that the printers share: names, literals, attributes, and lines with their spans."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from unicodedata import east_asian_width

from stackc.components.base import Component
from stackc.components.custom.module import CustomModule
from stackc.components.entering_sizes import SizedByInputs
from stackc.components.fields import members_of
from stackc.components.reparam import REPARAMS, Reparam
from stackc.components.scan import Scan
from stackc.core.diagnostics import Diagnostic, Span
from stackc.core.types import DimRange, TensorType

SPAN_COLUMN = 80


# -- lines


class Line(NamedTuple):
    """A line of text, and the span of what it shows."""

    text: str
    span: Span | None = None


def braced(header: str, span: Span | None, *sections: Iterable[Line]) -> str:
    """Return a header and its lines in braces, a blank line between sections; empty sections are left out."""
    texts = ["\n".join(_with_span(f"  {line.text}", line.span) for line in lines) for lines in sections]
    body = "\n\n".join(text for text in texts if text)
    if not body:
        return _with_span(f"{header} {{}}", span) + "\n"
    return f"{_with_span(f'{header} {{', span)}\n{body}\n}}\n"


def _with_span(text: str, span: Span | None) -> str:
    """Append a span as a comment, in a fixed column, so that a line that grows moves no span of another line."""
    if span is None:
        return text

    width = sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
    return f"{text}{' ' * max(2, SPAN_COLUMN - width)}// {span_text(span)}"


def span_text(span: Span) -> str:
    """Return `file:line:column`, without the column or the line if the span has none."""
    return f"{span}:{span.column}" if span.line and span.column else str(span)


def repair_comments(problems: Iterable[Diagnostic]) -> str:
    """Return a comment for each problem of a spec that reading it has repaired."""
    places = ((problem, f" {span_text(problem.span)}" if problem.span else "") for problem in problems)
    return "".join(f"// repaired error[{problem.code}]{place}: {problem.message}\n" for problem, place in places)


# -- names and values


def unique_symbols(names: Sequence[str]) -> list[str]:
    """Return `@name` for each name, with a number after a dot if an earlier one has it: nothing else has dots."""
    counts: dict[str, int] = {}
    symbols = []
    for name in names:
        base = re.sub(r"\W+", "_", name)
        number = counts.get(base, 0)
        counts[base] = number + 1
        symbols.append(f"@{base}.{number}" if number else f"@{base}")
    return symbols


def range_text(sizes: DimRange) -> str:
    """Return `16..512 step 16`, both ends included; `1..` if there is no upper end."""
    end = "" if sizes.maximum is None else sizes.maximum
    return f"{sizes.minimum}..{end}" + (f" step {sizes.multiple_of}" if sizes.multiple_of > 1 else "")


def literal_text(value: object) -> str:
    """Return a value as JSON writes it; a dim as its expression."""
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(literal_text, value))}]"
    if (members := members_of(value)) is not None:
        return f"{{{', '.join(f'{name}: {literal_text(member)}' for name, member in members.items())}}}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool | None) else str(value)


def attributes(values: Mapping[str, str]) -> str:
    """Return ` {name = value, …}`, or nothing if there are none."""
    return f" {{{', '.join(f'{name} = {value}' for name, value in values.items())}}}" if values else ""


def types_text(types: Iterable[TensorType]) -> str:
    """Return ` : type, type`, or nothing if there are none."""
    text = ", ".join(map(str, types))
    return f" : {text}" if text else ""


# -- components


def operands_text(operands: Iterable[tuple[str, str]], first_port: str | None) -> str:
    """Return `%a, port: %b` for pairs of port and value; the first port is not named."""
    return ", ".join(value if port == first_port else f"{port}: {value}" for port, value in operands)


def fields_text(component: Component) -> str:
    """Return the fields of a component as attributes, but for those at their defaults."""
    if isinstance(component, (CustomModule, SizedByInputs)):
        values = component.values()
    elif isinstance(component, Scan):
        values = {name: value for name, value in component.values().items() if value not in (False, ())}
    else:
        values = _changed_fields(component)
    return attributes({name: literal_text(value) for name, value in values.items()})


def reparams_text(reparams: Iterable[tuple[str, Reparam]]) -> str:
    """Return ` reparam(weight = standardize {eps = 1e-06})`, or nothing if no parameter is reparametrized."""
    words = {kind: name for name, kind in REPARAMS.items()}
    entries = []
    for parameter, reparam in reparams:
        options = {name: literal_text(value) for name, value in _changed_fields(reparam).items()}
        entries.append(f"{parameter} = {words[type(reparam)]}{attributes(options)}")
    return f" reparam({', '.join(entries)})" if entries else ""


def _changed_fields(value: Any) -> dict[str, object]:
    """Return the fields of a dataclass that differ from their defaults."""
    fields = dataclasses.fields(value)
    return {f.name: getattr(value, f.name) for f in fields if getattr(value, f.name) != f.default}
