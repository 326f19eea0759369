"""The lines of a YAML text, and the spans in its file of what the parser marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stackc.core.diagnostics import Span


@dataclass(frozen=True)
class YamlLines:
    """The lines of a YAML text that begins below the first `offset` lines of `file`.

    The marks of the parser count lines and columns of the text from 0; lines and spans here are those of the file.
    """

    file: str
    offset: int
    lines: list[str]

    def line(self, number: int) -> str:
        """Return a line by its number in the file; empty if it is outside of the text."""
        return self.lines[number - self.offset - 1] if 0 < number - self.offset <= len(self.lines) else ""

    def line_above(self, number: int) -> int:
        """Return the number of the nearest line above that is not blank."""
        number -= 1
        while number > self.offset and not self.line(number).strip():
            number -= 1
        return number

    def span(self, event: Any) -> Span:
        """Return the span of a parser event, as far as it is on its first line."""
        start, end = event.start_mark, event.end_mark
        last = end.column + 1 if end.line == start.line else 0
        return Span(self.file, self.offset + start.line + 1, start.column + 1, last)

    def at_mark(self, mark: Any) -> Span | None:
        """Return the location of a mark, None for no mark."""
        return Span(self.file, self.offset + mark.line + 1, mark.column + 1) if mark else None

    def at_index(self, text: str, index: int) -> Span:
        """Return the location of the character `index` of the text."""
        before = text[:index]
        return Span(self.file, self.offset + before.count("\n") + 1, index - before.rfind("\n"))

    def block_start(self, event: Any) -> Span:
        """Return where the text of a `|` block begins: the indent of its first line that is not blank."""
        number = event.start_mark.line + 1
        while number < len(self.lines) and not self.lines[number].strip():
            number += 1
        text = self.lines[number] if number < len(self.lines) else ""
        return Span(self.file, self.offset + event.start_mark.line + 2, len(text) - len(text.lstrip()) + 1)
