"""YAML → `Value` tree with places, by PyYAML's C parser, with YAML's traps closed.

`1e-5` is a number, `no` and `on` are strings, a key stands once, tags are refused, aliases cannot explode, and a text
is bounded in depth and values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError
from stackc.spec.yaml.colons import STUCK, Colon, find_colon, found_colon
from stackc.spec.yaml.tree import Entry, Scalar, Value

MAX_DEPTH = 64
MAX_VALUES = 1_000_000

MAX_DIGITS = 40

_INTEGER = re.compile(r"[-+]?[0-9]+(_[0-9]+)*")
_FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Scalar] = {"": None, "~": None, "null": None, "true": True, "false": False}

_TOO_DEEP = f"the spec is too big: nested deeper than {MAX_DEPTH}"
_SMALLER = "what repeats is said once: by a block, a stack or a param"
_SPLIT = "put the other into a file of its own, and take what it has by `op: FILE#block`"

_QUESTION = re.compile(r"[\[,]\s*(?P<mark>\?)(?=\s*[],])")
_OPEN_SIZE = "a size that is open has a name of its own, for example `batch`"

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, *, file: str, line: int = 1) -> Value:
    """The tree of one YAML document whose first line is line `line` of `file`.

    Raises SpecError: S001 syntax, S002 a key twice, S003 too deep or too many values.
    """
    reader = _Reader(file, line - 1, text.split("\n"))
    try:
        value = reader.document(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        raise SpecError(reader.syntax(error)) from None
    except yaml.reader.ReaderError as error:
        place = reader.at_index(text, error.position)
        raise SpecError(Diagnostic("S001", f"a character that YAML does not allow: {error.reason}", place)) from None
    except UnicodeEncodeError as error:
        place = reader.at_index(text, error.start)
        raise SpecError(
            Diagnostic("S001", "half of a character: a surrogate stands for nothing alone", place)
        ) from None
    reader.diagnostics.raise_if_any()
    return value


@dataclass
class _Reader:
    """Builds the tree from parser events. It recurses once a level, so MAX_DEPTH bounds the stack as well.

    Events are `Any`: their stubs leave out what they have, the anchors and the marks.
    """

    file: str
    offset: int
    lines: list[str]
    diagnostics: Collector = field(default_factory=Collector)
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
                        self.diagnostics.error(
                            "S001", "a second YAML document; a spec is one", self.span(extra), _SPLIT
                        )
                        break
                return value
        return Value({}, Span(self.file, self.offset + 1))

    def value(self, event: Any, events: Iterator[Any], depth: int) -> Value:
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_VALUES:
            message = _TOO_DEEP if depth > MAX_DEPTH else f"the spec is too big: more than {MAX_VALUES:,} values"
            raise SpecError(Diagnostic("S003", message, self.span(event), _SMALLER))
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.diagnostics.error("S001", "a tag has no meaning in a spec", self.span(event), f"take `{tag}` away")
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
            odd = not event.style and (entry.value.data is None or "{" in event.value or "[" in event.value)
            if odd and (colon := self.colon_of(event.value, entry)):
                place = replace(span, column=span.column + colon.start, end=span.column + colon.end)
                self.diagnostics.error("S001", colon.message, place, colon.hint)
            if event.value in entries:
                note = Note("first written here", entries[event.value].key)
                self.diagnostics.error(
                    "S002", f"the key '{event.value}' stands twice", span, "keep one of the two", note
                )
            if not event.style and entry.value.data is None and _is_tail(event.value):
                message = f"'{event.value}' is the end of a text that has a comma in it"
                self.diagnostics.error("S001", message, span, _whole_text(entries, event.value))
            entries[event.value] = entry
        return Value(entries, self.span(start))

    def colon_of(self, key: str, entry: Entry) -> Colon | None:
        """What stands for the colon of an unquoted key, with no value or a bracket in it, if YAML took it for text."""
        if entry.value.data is None:
            return found_colon(STUCK.match(key))
        is_rest = isinstance(entry.value.data, str) and entry.value.data.endswith(("}", "]"))
        is_parted = is_rest and not key.endswith(("}", "]"))
        return find_colon(self.line(entry.key.line)[entry.key.column - 1 :]) if is_parted else None

    def alias(self, event: Any) -> Value:
        """The anchored value again; what it holds counts again, so that aliases of aliases meet MAX_VALUES."""
        value = self.anchors.get(event.anchor)
        if value is None:
            hint = "an alias repeats what is marked above it; a text that begins with `*` stands in quotes"
            message = f"nothing before this is called &{event.anchor}"
            raise SpecError(Diagnostic("S001", message, self.span(event), hint))
        self.count += self.sizes[event.anchor]
        if self.count > MAX_VALUES:
            raise SpecError(
                Diagnostic("S003", f"the spec is too big: more than {MAX_VALUES:,} values", self.span(event), _SMALLER)
            )
        return value

    def scalar(self, event: Any) -> Value:
        span = self.span(event)
        if event.style == "|":
            return Value(event.value, span, self.block(event))
        joined = event.start_mark.line != event.end_mark.line
        if event.style is None or event.style == "":
            return Value(parse_scalar(event.value), span, None if joined else span)
        inside = Span(span.file, span.line, span.column + 1)
        return Value(event.value, span, None if joined or event.style == ">" else inside)

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
        """What the parser stumbled over, in words of our own where it is one of the usual slips."""
        if quote := self.runaway_quote(error):
            repair = "write the closing quote where the text ends"
            return Diagnostic("S001", "a quote that is closed only lines below", quote, repair)
        problem = error.problem or error.context or "it cannot be read"
        place, begin = self.at_mark(error.problem_mark), self.at_mark(error.context_mark)
        if place and ("mapping values" in problem or "expected ':'" in problem):
            above = self.line_above(place.line)
            here = place.line, find_colon(self.line(place.line))
            for line, colon in (here, (above, found_colon(STUCK.match(self.line(above))))):
                if colon:
                    at = Span(self.file, line, colon.start + 1, colon.end + 1)
                    return Diagnostic("S001", colon.message, at, colon.hint)
        if "maximum nesting depth" in problem:  # libyaml has a limit of its own, far above the one here
            return Diagnostic("S003", _TOO_DEEP, place, _SMALLER)
        if "unexpected end of stream" in problem:
            return Diagnostic("S001", "a quote that is never closed", begin or place, "write the closing quote")
        if place and (mark := _QUESTION.search(self.line(place.line)[: place.column - 1])):
            at = Span(self.file, place.line, mark.start("mark") + 1)
            return Diagnostic("S001", "'?' begins no value", at, f"put it in quotes; {_OPEN_SIZE}")
        if "start any token" in problem and place:
            return Diagnostic("S001", *self.odd_character(place))
        slips = ((message, hint) for words, message, hint in _SLIPS if words in problem)
        message, hint = next(slips, (f"not YAML: {problem}", None))
        if "expected ':'" in problem:
            place = begin or place
        notes = (Note("the bracket that is open here", begin),) if begin and "flow" in (error.context or "") else ()
        return Diagnostic("S001", message, place or begin, hint, notes)

    def line(self, number: int) -> str:
        """A line of the file, by its number there."""
        return self.lines[number - self.offset - 1] if 0 < number - self.offset <= len(self.lines) else ""

    def line_above(self, number: int) -> int:
        """The number of the first line above that is not blank."""
        while (number := number - 1) > self.offset and not self.line(number).strip():
            pass
        return number

    def runaway_quote(self, error: yaml.MarkedYAMLError) -> Span | None:
        """The place of a quoted text of several lines that ends on the line which the parser stumbles over."""
        quoted = None
        try:
            for token in yaml.scan("\n".join(self.lines), Loader=_Loader):
                if isinstance(token, yaml.ScalarToken) and token.style in ("'", '"'):
                    quoted = token
        except yaml.YAMLError:
            pass  # the error that is being told
        if quoted is None or error.problem_mark is None:
            return None
        ends_here = quoted.start_mark.line < quoted.end_mark.line == error.problem_mark.line
        return self.at_mark(quoted.start_mark) if ends_here else None

    def odd_character(self, place: Span) -> tuple[str, Span, str]:
        line = self.line(place.line)
        if line[place.column - 1] == "\t":
            return "a tab, where YAML takes spaces alone", place, "indent with spaces"
        return f"'{line[place.column - 1]}' cannot begin a value", place, "put the value in quotes"

    def at_mark(self, mark: Any) -> Span | None:
        return Span(self.file, self.offset + mark.line + 1, mark.column + 1) if mark else None


# Words of the parser → what they mean, and the mend.
_SLIPS: tuple[tuple[str, str, str | None], ...] = (
    ("tab character", "a tab, where YAML takes spaces alone", "indent with spaces"),
    (
        "mapping values are not allowed",
        "a second ': ' in one value, or a line indented too far",
        "put a text that has ': ' in it in quotes, or indent the line like its neighbours",
    ),
    (
        "',' or '}'",
        "',' or '}' is missing before this",
        "close the bracket, and put a text that has brackets in quotes",
    ),
    (
        "',' or ']'",
        "',' or ']' is missing before this",
        "close the bracket, and put a text that has brackets in quotes",
    ),
    ("expected key", "this line is indented unlike those above it", "indent the keys of one mapping alike"),
    ("<block end>", "this line is indented unlike those above it", "indent the keys of one mapping alike"),
    ("'-' indicator", "this line is indented unlike those above it", "indent the items of one list alike"),
    ("expected ':'", "a key without its ':'", "write `key: value`"),
    ("block sequence entries", "a list cannot begin here", "write it as `[a, b]`, or each `- item` on its own line"),
    ("alphabetic or numeric character", "'*' or '&' begins no value", f"put it in quotes; {_OPEN_SIZE}"),
    ("node content", "a value is missing here", None),
    ("escape character", "a backslash that begins no escape", "in single quotes a backslash is itself"),
    ("<document start>", "text after the end of the document", None),
)


def _whole_text(entries: Mapping[str, Entry], tail: str) -> str:
    """The mend of a text that is parted at its comma: quotes, or the brackets of a list for `(batch, seq)`."""
    *_, begin = [None, *(entry.value.data for entry in entries.values())]
    if isinstance(begin, str) and begin.startswith("("):
        return f"a list has square brackets: `[{begin[1:]}, {tail[:-1]}]`"
    return 'put the whole text in quotes, for example `"min(2, index)"`'


def _is_tail(key: str) -> bool:
    """Whether a key looks like the second half of `min(2, index)`, which YAML parts at the comma."""
    return ")" in key and "(" not in key[: key.index(")")]


def parse_scalar(text: str) -> Scalar:
    """What an unquoted word means: null, true, false, a number, or itself."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > MAX_DIGITS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) and math.isfinite(float(text)) else text
