"""The outermost keys of a YAML text, to add or remove one while every other character stays as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stackc.core.diagnostics import Span
from stackc.spec.yaml.tree import Entry
from stackc.spec.yaml.yaml_reader import read_yaml

_COMMENT = re.compile(r"(?:^|(?<=\s))#[^\n]*", re.MULTILINE)
_DOCUMENT_MARKER = re.compile(r"\A%[^\n]*\n|^(?:---|\.\.\.)(?:[ \t]*\n|[ \t]+|\Z)", re.MULTILINE)
_ANCHOR = re.compile(r"(?:&\S+(?:[ \t]+#[^\n]*)?\s+)?")


@dataclass(frozen=True)
class Keys:
    """A YAML mapping as text, with its entries and the offsets at which the mapping and each line begin."""

    text: str
    entries: Mapping[str, Entry]
    begin: int
    starts: tuple[int, ...]

    @property
    def is_braced(self) -> bool:
        """Whether the mapping is in braces, as in JSON."""
        return self.text[self.begin] == "{"

    def is_shared(self, key: str) -> bool:
        """Return whether the value of `key` is an alias, or has an anchor that an alias may refer to."""
        entry = self.entries[key]
        start = self._offset(entry.value.span)
        return start < self._offset(entry.key) or self.text[start] == "&"

    def without(self, key: str) -> str:
        """Return the text without an entry; comments on its lines stay, each on its own line.

        Requires that the entry is not shared (`is_shared`) and that its value is a text on one line or a `|` block.
        """
        return self._without_item(key) if self.is_braced else self._without_lines(key)

    def lines_of(self, key: str) -> str:
        """Return the lines of an entry of a mapping without braces, up to the next entry and what comments stand above
        that."""
        following = sorted(e.key.line for e in self.entries.values() if e.key.line > self.entries[key].key.line)
        end = self._above_comments(following[0]) if following else len(self.text)
        return self.text[self._line(self.entries[key].key.line) : end]

    def _without_lines(self, key: str) -> str:
        key_span, value = self.entries[key].key, self.entries[key].value
        assert isinstance(value.data, str), "only a text is removed"

        # `rest` is everything else on the lines of the entry; its comments are kept.
        if value.block and value.block.line > value.span.line:
            end = self._line(value.block.line + len(value.data.rstrip("\n").split("\n")))
            rest = self.text[self._offset(key_span) : self._line(value.block.line)]
        else:
            end = self._line(value.span.line + 1)
            before = self.text[self._offset(key_span) : self._offset(value.span)]
            rest = before + self.text[self._end(value.span) : end]

        comments = "".join(f"{self._indent}{comment}\n" for comment in _COMMENT.findall(rest))
        return self.text[: self._line(key_span.line)] + comments + self.text[end:]

    def _without_item(self, key: str) -> str:
        entry = self.entries[key]
        before, after = self.text[: self._offset(entry.key)], self.text[self._end(entry.value.span) :]
        comma = re.match(r"\s*,[ \t]*", after)
        return before + after[comma.end() :] if comma else re.sub(r",\s*\Z", "", before) + after

    def with_entry(self, entry: str, *, above: str | None = None, below: str | None = None) -> str:
        """Return the text with one more entry: above the key `above` and its comment lines, below `below`, or last.

        In braces it is always inserted before a key, the first one by default.
        """
        if self.is_braced:
            start = self._offset(self.entries[above or below or next(iter(self.entries))].key)
            return f"{self.text[:start]}{entry}, {self.text[start:]}"

        start = len(self.text)
        if below:
            start = self._line(self.entries[below].value.span.line + 1)
        elif above:
            start = self._above_comments(self.entries[above].key.line)
        lines = re.sub(r"^(?=.)", self._indent, entry, flags=re.MULTILINE) + "\n"
        return self.text[:start] + lines + self.text[start:]

    def _above_comments(self, line: int) -> int:
        """Return the offset of a line, or of the first of the comment lines directly above it."""
        while line > 1 and self.text.startswith(f"{self._indent}#", self._line(line - 1)):
            line -= 1
        return self._line(line)

    @property
    def _indent(self) -> str:
        return " " * (self.begin - self.text.rfind("\n", 0, self.begin) - 1)

    def _line(self, line: int) -> int:
        return self.starts[min(line, len(self.starts)) - 1]

    def _offset(self, span: Span) -> int:
        return self._line(span.line) + span.column - 1

    def _end(self, span: Span) -> int:
        return self._line(span.line) + span.end - 1


def read_keys(text: str) -> Keys:
    """Read the keys of one YAML document that is a mapping, and drop the markers around it (`---`, `...`, `%YAML`)."""
    text = _DOCUMENT_MARKER.sub("", text)
    text = text if text.endswith("\n") else f"{text}\n"
    root = read_yaml(text, file="")
    assert isinstance(root.data, Mapping), "the document is a mapping"

    starts = (0, *(line_end.end() for line_end in re.finditer("\n", text)))
    anchor = _ANCHOR.match(text, starts[root.span.line - 1] + root.span.column - 1)
    assert anchor is not None, "the pattern also matches no anchor"
    return Keys(text, root.data, anchor.end(), starts)
