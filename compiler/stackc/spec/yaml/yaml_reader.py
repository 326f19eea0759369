"""YAML → tree of `Value`s with spans, by PyYAML's C parser, without YAML's surprises.

`1e-5` is a number, `no` and `on` are text, duplicate keys and tags are refused, aliases cannot explode, and depth and
number of values are bounded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError
from stackc.spec.characters import FORBIDDEN, forbidden_character, forbidden_escape
from stackc.spec.yaml.tree import Entry, Scalar, Value
from stackc.spec.yaml.yaml_lines import YamlLines
from stackc.spec.yaml.yaml_mistakes import (
    MAX_DEPTH,
    REDUCE,
    TOO_DEEP,
    colon_in_key,
    describe_syntax_error,
    is_split_text,
    unsplit_hint,
)

MAX_VALUES = 1_000_000
MAX_DIGITS = 40

_TOO_MANY = f"the spec is too big: more than {MAX_VALUES:,} values"

_INTEGER = re.compile(r"[-+]?[0-9]+(_[0-9]+)*")
_FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Scalar] = {"": None, "~": None, "null": None, "true": True, "false": False}

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, *, file: str, line: int = 1) -> Value:
    """Read one YAML document whose first line is line `line` of `file`.

    Raises SpecError: S001 for invalid syntax, S002 for a duplicate key, S003 for too much depth or too many values.
    """
    lines = YamlLines(file, line - 1, text.split("\n"))
    reader = _Reader(lines)
    try:
        value = reader.document(yaml.parse(text, Loader=_Loader))

    except yaml.MarkedYAMLError as error:
        if quote := _runaway_quote(error, text, lines):
            message = "this quote is closed only on a later line"
            raise SpecError(Diagnostic("S001", message, quote, "write the closing quote where the text ends")) from None
        raise SpecError(describe_syntax_error(error, lines)) from None

    except yaml.reader.ReaderError as error:
        message = f"a character that YAML does not allow: {error.reason}"
        raise SpecError(Diagnostic("S001", message, lines.at_index(text, error.position))) from None

    except UnicodeEncodeError as error:
        message = "half a character: a surrogate has no meaning on its own"
        raise SpecError(Diagnostic("S001", message, lines.at_index(text, error.start))) from None

    reader.diagnostics.raise_if_any()
    return value


def _runaway_quote(error: yaml.MarkedYAMLError, text: str, lines: YamlLines) -> Span | None:
    """Return the start of a quoted text of several lines that ends on the line where the parser failed."""
    last_quoted = None
    try:
        for token in yaml.scan(text, Loader=_Loader):
            if isinstance(token, yaml.ScalarToken) and token.style in ("'", '"'):
                last_quoted = token
    except yaml.YAMLError:
        pass  # the same error again

    if last_quoted is None or error.problem_mark is None:
        return None
    ends_here = last_quoted.start_mark.line < last_quoted.end_mark.line == error.problem_mark.line
    return lines.at_mark(last_quoted.start_mark) if ends_here else None


@dataclass
class _Reader:
    """Builds the tree from parser events. It recurses once per level, so MAX_DEPTH also bounds the stack.

    Events are `Any`, since their stubs lack the attributes for anchors and marks.
    """

    lines: YamlLines
    diagnostics: Collector = field(default_factory=Collector)
    anchors: dict[str, Value | None] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def document(self, events: Iterator[Any]) -> Value:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                value = self.value(next(events), events, 0)
                next(events)  # the end of the document
                self.check_single(events)
                return value
        return Value({}, Span(self.lines.file, self.lines.offset + 1))

    def check_single(self, events: Iterator[Any]) -> None:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                message = "a second YAML document, but a spec is a single one"
                hint = "move the other into its own file, and include its parts with `op: FILE#block`"
                self.diagnostics.error("S001", message, self.lines.span(event), hint)
                return

    def value(self, event: Any, events: Iterator[Any], depth: int) -> Value:
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_VALUES:
            message = TOO_DEEP if depth > MAX_DEPTH else _TOO_MANY
            raise SpecError(Diagnostic("S003", message, self.lines.span(event), REDUCE))

        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.diagnostics.error("S001", "tags are not allowed in a spec", self.lines.span(event), f"remove `{tag}`")

        # While its own value is read an anchor is None, so that an alias inside of it is refused.
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        before = self.count
        value = self.content(event, events, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = value
            self.sizes[event.anchor] = self.count - before + 1
        return value

    def content(self, event: Any, events: Iterator[Any], depth: int) -> Value:
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(item := next(events), yaml.SequenceEndEvent):
                items.append(self.value(item, events, depth + 1))
            return Value(tuple(items), self.lines.span(event))
        return self.mapping(event, events, depth)

    def mapping(self, start: Any, events: Iterator[Any], depth: int) -> Value:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            span = self.lines.span(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise SpecError(Diagnostic("S001", "a key must be plain text", span))

            self.check_escapes(event)
            entry = Entry(span, self.value(next(events), events, depth + 1))
            if not event.style:
                self.check_plain_key(event.value, entry, entries)
            if event.value in entries:
                note = Note("first written here", entries[event.value].key)
                message = f"the key '{event.value}' appears twice"
                self.diagnostics.error("S002", message, span, "keep one of the two", note)
            entries[event.value] = entry
        return Value(entries, self.lines.span(start))

    def check_plain_key(self, key: str, entry: Entry, entries_before: dict[str, Entry]) -> None:
        """Report an unquoted key that contains a part of a value."""
        span = entry.key
        is_suspicious = entry.value.data is None or "{" in key or "[" in key
        if is_suspicious and (colon := colon_in_key(key, entry, self.lines)):
            colon_span = replace(span, column=span.column + colon.start, end=span.column + colon.end)
            self.diagnostics.error("S001", colon.message, colon_span, colon.hint)

        if entry.value.data is None and is_split_text(key):
            message = f"'{key}' is the rest of a text that YAML splits at its comma"
            self.diagnostics.error("S001", message, span, unsplit_hint(entries_before, key))

    def check_escapes(self, scalar: Any) -> None:
        """Report S001 for a double-quoted text or key with an escape of a character that is not allowed raw."""
        if scalar.style != '"' or not FORBIDDEN.search(scalar.value):
            return
        text = "\n".join(self.lines.lines)
        start = scalar.start_mark.index
        if escape := forbidden_escape(text[start : scalar.end_mark.index]):
            character, offset, written = escape
            at = self.lines.at_index(text, start + offset)
            span = replace(at, end=at.column + len(written))
            self.diagnostics.extend(SpecError(forbidden_character(character, span, written)))

    def alias(self, event: Any) -> Value:
        """Return the anchored value. Its size counts again, so that aliases of aliases run into MAX_VALUES."""
        value = self.anchors.get(event.anchor)
        if value is None:
            hint = "an alias repeats a value anchored above it; put text that begins with `*` in quotes"
            message = f"there is no anchor &{event.anchor} above this"
            raise SpecError(Diagnostic("S001", message, self.lines.span(event), hint))

        self.count += self.sizes[event.anchor]
        if self.count > MAX_VALUES:
            raise SpecError(Diagnostic("S003", _TOO_MANY, self.lines.span(event), REDUCE))
        return value

    def scalar(self, event: Any) -> Value:
        span = self.lines.span(event)
        self.check_escapes(event)
        if event.style == "|":
            return Value(event.value, span, self.lines.block_start(event))

        is_joined = event.start_mark.line != event.end_mark.line
        if event.style is None or event.style == "":
            return Value(parse_scalar(event.value), span, None if is_joined else span)
        after_quote = Span(span.file, span.line, span.column + 1)
        return Value(event.value, span, None if is_joined or event.style == ">" else after_quote)


def parse_scalar(text: str) -> Scalar:
    """Return the value of an unquoted word: null, true, false, a number, or the word itself."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > MAX_DIGITS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) and math.isfinite(float(text)) else text
