"""The outermost keys of a YAML text, to take one out or put one in; all other characters stay as they are."""

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
    """A YAML mapping as text, with its entries and where it and each of the lines begin."""

    text: str
    entries: Mapping[str, Entry]
    begin: int
    starts: tuple[int, ...]

    @property
    def is_braced(self) -> bool:
        """Whether the mapping is written `{…}`, as in JSON."""
        return self.text[self.begin] == "{"

    def is_shared(self, key: str) -> bool:
        """Whether the value of `key` is an alias, or has an anchor that makes it one's."""
        entry = self.entries[key]
        start = self._offset(entry.value.span)
        return start < self._offset(entry.key) or self.text[start] == "&"

    def without(self, key: str) -> str:
        """The text without an entry that `is_shared` by no other; comments on its lines stay, on lines of their own.

        Its value is a text on one line or a `|` block.
        """
        return self._without_item(key) if self.is_braced else self._without_lines(key)

    def _without_lines(self, key: str) -> str:
        key_place, value = self.entries[key].key, self.entries[key].value
        assert isinstance(value.data, str), "only a text is taken out"
        if value.block and value.block.line > value.span.line:
            end = self._line(value.block.line + len(value.data.rstrip("\n").split("\n")))
            around = self.text[self._offset(key_place) : self._line(value.block.line)]
        else:
            end = self._line(value.span.line + 1)
            before = self.text[self._offset(key_place) : self._offset(value.span)]
            around = before + self.text[self._end(value.span) : end]
        comments = "".join(f"{self._indent}{comment}\n" for comment in _COMMENT.findall(around))
        return self.text[: self._line(key_place.line)] + comments + self.text[end:]

    def _without_item(self, key: str) -> str:
        entry = self.entries[key]
        before, behind = self.text[: self._offset(entry.key)], self.text[self._end(entry.value.span) :]
        follows = re.match(r"\s*,[ \t]*", behind)
        return before + behind[follows.end() :] if follows else re.sub(r",\s*\Z", "", before) + behind

    def with_entry(self, entry: str, *, above: str | None = None, behind: str | None = None) -> str:
        """The text with an entry more, above `above` and the comment lines over it, or behind `behind`, or at the end.

        In braces it always stands before a key, the first one if none is named.
        """
        if self.is_braced:
            start = self._offset(self.entries[above or behind or next(iter(self.entries))].key)
            return f"{self.text[:start]}{entry}, {self.text[start:]}"
        start = len(self.text)
        if behind:
            start = self._line(self.entries[behind].value.span.line + 1)
        elif above:
            start = self._above_comments(self.entries[above].key.line)
        lines = re.sub(r"^(?=.)", self._indent, entry, flags=re.MULTILINE) + "\n"
        return self.text[:start] + lines + self.text[start:]

    def _above_comments(self, line: int) -> int:
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
    """The keys of one YAML document that is a mapping; without the markers around it (`---`, `...`, `%YAML`)."""
    text = _DOCUMENT_MARKER.sub("", text)
    text = text if text.endswith("\n") else f"{text}\n"
    root = read_yaml(text, file="")
    assert isinstance(root.data, Mapping), "the document is a mapping"
    starts = (0, *(end.end() for end in re.finditer("\n", text)))
    anchored = _ANCHOR.match(text, starts[root.span.line - 1] + root.span.column - 1)
    assert anchored is not None, "there may be no anchor"
    return Keys(text, root.data, anchored.end(), starts)
