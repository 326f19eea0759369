"""Common mistakes in YAML, described in plain words and with a hint instead of in the parser's terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stackc.core.diagnostics import Diagnostic, Note, Span
from stackc.spec.yaml.colons import STUCK, ColonMistake, describe_colon_mistake, find_colon_mistake
from stackc.spec.yaml.tree import Entry
from stackc.spec.yaml.yaml_lines import YamlLines

MAX_DEPTH = 64
TOO_DEEP = f"the spec is too big: nested deeper than {MAX_DEPTH} levels"
REDUCE = "write repeated parts only once: as a block, a stack or a param"

_OPEN_SIZE = "or give an open size a name, for example `batch`"
_QUESTION = re.compile(r"[\[,]\s*(?P<mark>\?)(?=\s*[],])")

# Words of the parser's message → message and hint.
_MESSAGES: tuple[tuple[str, str, str | None], ...] = (
    ("tab character", "a tab, but YAML allows only spaces here", "indent with spaces"),
    (
        "mapping values are not allowed",
        "a second ': ' in a value, or a line that is indented too far",
        "put text that contains ': ' in quotes, or indent the line like its neighbours",
    ),
    (
        "',' or '}'",
        "missing ',' or '}' before this",
        "close the bracket, and put text that contains brackets in quotes",
    ),
    (
        "',' or ']'",
        "missing ',' or ']' before this",
        "close the bracket, and put text that contains brackets in quotes",
    ),
    ("expected key", "this line is indented differently from those above it", "indent all keys of a mapping equally"),
    ("<block end>", "this line is indented differently from those above it", "indent all keys of a mapping equally"),
    ("'-' indicator", "this line is indented differently from those above it", "indent all items of a list equally"),
    ("expected ':'", "missing ':' after a key", "write `key: value`"),
    ("block sequence entries", "a list cannot begin here", "write it as `[a, b]`, or each `- item` on its own line"),
    ("alphabetic or numeric character", "a value cannot begin with '*' or '&'", f"put it in quotes, {_OPEN_SIZE}"),
    ("node content", "missing value here", None),
    ("escape character", "invalid escape after a backslash", "use single quotes, in which a backslash is literal"),
    ("<document start>", "text after the end of the document", None),
)


def describe_syntax_error(error: Any, lines: YamlLines) -> Diagnostic:
    """Describe an error of the parser, a yaml.MarkedYAMLError, as S001, or S003 for a text nested too deep."""
    problem = error.problem or error.context or "it cannot be parsed"
    span, start = lines.at_mark(error.problem_mark), lines.at_mark(error.context_mark)

    is_about_colon = "mapping values" in problem or "expected ':'" in problem
    if span and is_about_colon and (diagnostic := _colon_nearby(span, lines)):
        return diagnostic
    if "maximum nesting depth" in problem:  # libyaml has its own limit, far above MAX_DEPTH
        return Diagnostic("S003", TOO_DEEP, span, REDUCE)
    if "unexpected end of stream" in problem:
        return Diagnostic("S001", "this quote is never closed", start or span, "write the closing quote")
    if span and (match := _QUESTION.search(lines.line(span.line)[: span.column - 1])):
        mark = Span(span.file, span.line, match.start("mark") + 1)
        return Diagnostic("S001", "a value cannot begin with '?'", mark, f"put it in quotes, {_OPEN_SIZE}")
    if span and "start any token" in problem:
        return _odd_character(span, lines)

    descriptions = ((message, hint) for words, message, hint in _MESSAGES if words in problem)
    message, hint = next(descriptions, (f"invalid YAML: {problem}", None))
    if "expected ':'" in problem:
        span = start or span
    notes = (Note("the bracket opened here", start),) if start and "flow" in (error.context or "") else ()
    return Diagnostic("S001", message, span or start, hint, notes)


def _colon_nearby(span: Span, lines: YamlLines) -> Diagnostic | None:
    """Find a wrong colon on the line where the parser stopped, or on the line above, which it then read on from."""
    above = lines.line_above(span.line)
    candidates = (
        (span.line, find_colon_mistake(lines.line(span.line))),
        (above, describe_colon_mistake(STUCK.match(lines.line(above)))),
    )
    for line, mistake in candidates:
        if mistake:
            colon = Span(span.file, line, mistake.start + 1, mistake.end + 1)
            return Diagnostic("S001", mistake.message, colon, mistake.hint)
    return None


def _odd_character(span: Span, lines: YamlLines) -> Diagnostic:
    character = lines.line(span.line)[span.column - 1]
    if character == "\t":
        return Diagnostic("S001", "a tab, but YAML allows only spaces here", span, "indent with spaces")
    return Diagnostic("S001", f"a value cannot begin with '{character}'", span, "put the value in quotes")


def colon_in_key(key: str, entry: Entry, lines: YamlLines) -> ColonMistake | None:
    """Return the wrong colon that made YAML read a part of the value as part of an unquoted key."""
    if entry.value.data is None:
        return describe_colon_mistake(STUCK.match(key))

    # `head {out: 3}` is the key `head {out` with the value `3}`.
    has_rest = isinstance(entry.value.data, str) and entry.value.data.endswith(("}", "]"))
    is_split = has_rest and not key.endswith(("}", "]"))
    return find_colon_mistake(lines.line(entry.key.line)[entry.key.column - 1 :]) if is_split else None


def is_split_text(key: str) -> bool:
    """Return whether a key looks like the rest of a text such as `min(2, index)`, which YAML splits at its comma."""
    return ")" in key and "(" not in key[: key.index(")")]


def unsplit_hint(entries: Mapping[str, Entry], rest: str) -> str:
    """Return the hint for a text that YAML split at its comma: quotes, or square brackets for `(batch, seq)`."""
    *_, begin = [None, *(entry.value.data for entry in entries.values())]
    if isinstance(begin, str) and begin.startswith("("):
        return f"write a list in square brackets: `[{begin[1:]}, {rest[:-1]}]`"
    return 'put the whole text in quotes, for example `"min(2, index)"`'
