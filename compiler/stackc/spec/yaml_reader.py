"""YAML → `Value` tree with places, by PyYAML's C parser, with YAML's traps closed.

`1e-5` is a number, `no` and `on` are strings, a key stands once, tags do nothing, aliases cannot explode, and a text is
bounded in bytes, depth and values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from stackc.diagnostics import Collector, Diagnostic, Note, Span, SpecError
from stackc.spec.tree import Entry, Scalar, Value

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
MAX_VALUES = 1_000_000

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)$")
_FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$")
_WORDS: dict[str, Scalar] = {"": None, "~": None, "null": None, "true": True, "false": False}

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, *, file: str, line: int = 1) -> Value:
    """The tree of one YAML document whose first line is line `line` of `file`.

    Raises SpecError: S001 syntax, S002 a key twice, S003 too big, too deep or too many values.
    """
    if len(text) > MAX_BYTES:
        raise SpecError(Diagnostic("S003", f"{file} has {len(text):,} characters; a spec has at most {MAX_BYTES:,}"))
    reader = _Reader(file, line - 1, text.splitlines())
    try:
        value = reader.document(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        raise SpecError(reader.syntax(error)) from None
    except yaml.reader.ReaderError as error:
        place = reader.at_index(text, error.position)
        raise SpecError(Diagnostic("S001", f"a character that YAML does not allow: {error.reason}", place)) from None
    reader.found.raise_if_any()
    return value


@dataclass
class _Reader:
    """Builds the tree from parser events. It recurses once a level, so MAX_DEPTH bounds the stack as well.

    Events are `Any`: their stubs leave out what they have, the anchors and the marks.
    """

    file: str
    offset: int
    lines: list[str]
    found: Collector = field(default_factory=Collector)
    anchors: dict[str, Value | None] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def document(self, events: Iterator[Any]) -> Value:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                value = self.value(next(events), events, 0)
                next(events)
                for extra in events:
                    if isinstance(extra, yaml.DocumentStartEvent):
                        self.found.error("S001", "a second YAML document; a spec is one", self.span(extra))
                        break
                return value
        return Value({}, Span(self.file, self.offset + 1))

    def value(self, event: Any, events: Iterator[Any], depth: int) -> Value:
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_VALUES:
            what = f"nested deeper than {MAX_DEPTH}" if depth > MAX_DEPTH else f"more than {MAX_VALUES:,} values"
            raise SpecError(Diagnostic("S003", f"the spec is too big: {what}", self.span(event)))
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
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
            return Value(tuple(items), self.span(event))
        return self.mapping(event, events, depth)

    def mapping(self, start: Any, events: Iterator[Any], depth: int) -> Value:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            span = self.span(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise SpecError(Diagnostic("S001", "a key has to be plain text", span))
            entry = Entry(span, self.value(next(events), events, depth + 1))
            if event.value in entries:
                note = Note("first written here", entries[event.value].key)
                self.found.error("S002", f"the key '{event.value}' stands twice", span, "keep one of the two", note)
            entries[event.value] = entry
        return Value(entries, self.span(start))

    def alias(self, event: Any) -> Value:
        """The anchored value again; what it holds counts again, so that aliases of aliases meet MAX_VALUES."""
        value = self.anchors.get(event.anchor)
        if value is None:
            raise SpecError(
                Diagnostic("S001", f"the alias *{event.anchor} stands for itself or nothing", self.span(event))
            )
        self.count += self.sizes[event.anchor]
        if self.count > MAX_VALUES:
            raise SpecError(
                Diagnostic("S003", f"the spec is too big: more than {MAX_VALUES:,} values", self.span(event))
            )
        return value

    def scalar(self, event: Any) -> Value:
        span = self.span(event)
        if event.style in ("|", ">"):
            return Value(event.value, span, self.block(event))
        if event.style in ("'", '"'):
            return Value(event.value, span, Span(span.file, span.line, span.column + 1))
        return Value(plain(event.value), span, span)

    def block(self, event: Any) -> Span:
        """The place of the first character of a block's text: the first line after `|` that is not blank."""
        number = event.start_mark.line + 1
        while number < len(self.lines) and not self.lines[number].strip():
            number += 1
        text = self.lines[number] if number < len(self.lines) else ""
        return Span(self.file, self.offset + event.start_mark.line + 2, len(text) - len(text.lstrip()) + 1)

    def span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        last = end.column + 1 if end.line == start.line else 0
        return Span(self.file, self.offset + start.line + 1, start.column + 1, last)

    def at_index(self, text: str, index: int) -> Span:
        before = text[:index]
        return Span(self.file, self.offset + before.count("\n") + 1, index - before.rfind("\n"))

    def syntax(self, error: yaml.MarkedYAMLError) -> Diagnostic:
        mark = error.problem_mark or error.context_mark
        span = Span(self.file, self.offset + mark.line + 1, mark.column + 1) if mark else None
        message = " ".join(part for part in (error.context, error.problem) if part)
        return Diagnostic("S001", f"not YAML: {message}", span, _advice(message))


def _advice(message: str) -> str | None:
    if "cannot start any token" in message:
        return "indent with spaces, and quote text that begins with a special character"
    if "mapping values are not allowed" in message:
        return "quote text that contains ': ', or check the indentation"
    return None


def plain(text: str) -> Scalar:
    """What an unquoted word means: null, true, false, a number, or itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text) and len(text) < 20:
        return int(text)
    return float(text) if _FLOAT.match(text) else text
