"""Diagnostics for specs, weight files and arguments: where the problem is, what it is, and what to do next.

A stage collects every problem it can see and raises them together as one `SpecError`. Nothing here prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from unicodedata import category, combining, east_asian_width

from stackc.core.suggestions import likeliest

# -- data


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A range on one line of a file. Line and columns count from 1; `end` is the column after the last character.

    Line 0 means that there is no file, as for an option of the command line; `file` then spells out what it is.
    Column 0 means a whole line of a file that was not read, as a lock names it: its text may have changed since.
    """

    file: str
    line: int
    column: int = 1
    end: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Note:
    """A second location that a diagnostic refers to: the other shape, the first definition."""

    message: str
    span: Span


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem under a stable code; `hint` says how to fix it."""

    code: str
    message: str
    span: Span | None = None
    hint: str | None = None
    notes: tuple[Note, ...] = ()

    def __str__(self) -> str:
        location = f"{_visible(_position(self.span))}: " if self.span else ""
        return f"{location}error[{self.code}]: {_visible(self.message)}"


class SpecError(Exception):
    """One or more diagnostics that the user has to fix before the stage can succeed."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n".join(str(d) for d in diagnostics))
        self.diagnostics = diagnostics


# -- collecting

MOST_PROBLEMS = 1000
"""How many problems a stage collects before it stops: more would not be read."""


@dataclass(slots=True)
class Collector:
    """Collects the diagnostics of one stage, so that all of them are reported together.

    A problem that was `repaired` leaves the stage with a whole value, so that the next stage can run. At
    `MOST_PROBLEMS` the collector raises: continuing would only take time.
    """

    diagnostics: list[Diagnostic] = field(default_factory=list)
    _repaired: list[Diagnostic] = field(default_factory=list, init=False, repr=False)
    _reported: set[tuple[str, str, Span | None]] = field(default_factory=set, init=False, repr=False)

    def error(self, code: str, message: str, span: Span | None = None, hint: str | None = None, *notes: Note) -> None:
        """Report a problem and continue. The same problem at the same location is kept once, with its first notes."""
        self._add(Diagnostic(code, message, span, hint, notes))

    def repair(self, code: str, message: str, span: Span | None = None, hint: str | None = None) -> None:
        """Report a problem whose intended meaning is clear; the caller continues with that meaning."""
        self._repaired.append(Diagnostic(code, message, span, hint))

    @property
    def repaired(self) -> tuple[Diagnostic, ...]:
        """The repaired problems, in the order of the file."""
        return tuple(sorted(self._repaired, key=_sort_key))

    @property
    def in_order(self) -> list[Diagnostic]:
        """All problems, repaired ones too, in the order of the file."""
        return sorted([*self.diagnostics, *self._repaired], key=_sort_key)

    def extend(self, error: SpecError) -> None:
        """Add the diagnostics of another stage, or of a part of this one."""
        for diagnostic in error.diagnostics:
            self._add(diagnostic)

    def raise_if_any(self) -> None:
        """Raise SpecError, in the order of the file, if any problem was not repaired."""
        if self.diagnostics:
            raise SpecError(*self.in_order)

    def _add(self, diagnostic: Diagnostic) -> None:
        problem = diagnostic.code, diagnostic.message, diagnostic.span
        if problem not in self._reported:
            self._reported.add(problem)
            self.diagnostics.append(diagnostic)
        if len(self.diagnostics) >= MOST_PROBLEMS:
            self.raise_if_any()


def _sort_key(diagnostic: Diagnostic) -> tuple[str, int, int]:
    span = diagnostic.span
    return (span.file, span.line, span.column) if span else ("", 0, 0)


# -- suggestions

MOST_GUESSED = 2000
"""How many names are compared with a misspelt one; with more, suggesting would take longer than checking."""

MOST_LISTED = 16
"""How many known names a hint lists where none is similar: as many as a stack has fields, with some to spare."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a misspelt one means. Returns None if none is similar or there are too many."""
    candidates = set(known)
    if len(candidates) > MOST_GUESSED or len(name) > LONGEST_LINE:
        return None
    return likeliest(name, candidates)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return a hint with the closest known name, or with all of them if there are few."""
    candidates = sorted(set(known))
    if close := closest(name, candidates):
        return f"did you mean '{close}'?"
    if 0 < len(candidates) <= MOST_LISTED and len(name) <= LONGEST_LINE:
        return f"known here: {', '.join(candidates)}"
    return None


# -- rendering

LONGEST_LINE = 160
"""Columns of a source line that are shown; a longer line is cut to the part around the caret."""

LONGEST_MESSAGE = 600
MOST_NOTES = 20
"""How many notes of a diagnostic are shown; the rest are only counted."""


def render(diagnostic: Diagnostic, sources: Mapping[str, str]) -> str:
    """Return the diagnostic as text, with its source line and a caret below the span.

    `sources` maps the file names of spans to their text; a file that is missing there is named without its line.
    Control characters, which could steer a terminal, are shown as `�`, and so are characters that are invisible or
    reverse the line; in messages the latter appear as their code point.
    """
    lines = [f"error[{diagnostic.code}]: {_safe_message(diagnostic.message)}"]
    if diagnostic.span:
        lines += _excerpt(diagnostic.span, sources)
    for note in diagnostic.notes[:MOST_NOTES]:
        lines += [f"note: {_safe_message(note.message)}", *_excerpt(note.span, sources)]
    if (omitted := len(diagnostic.notes) - MOST_NOTES) > 0:
        lines.append(f"note: and {omitted:,} more")
    if diagnostic.hint:
        lines.append(f"help: {_safe_message(diagnostic.hint)}")
    return "\n".join(lines)


def _excerpt(span: Span, sources: Mapping[str, str]) -> list[str]:
    rows = [f"  --> {_safe_message(_position(span))}"]
    source = _lines(sources[span.file]) if span.file in sources else []
    if not span.column or not 0 < span.line <= len(source):
        return rows

    start, end = span.column - 1, max(span.column, span.end - 1)
    text, shift = _clip(source[span.line - 1].removesuffix("\r"), start)
    text = printable(text)

    # The caret stands at a terminal column, which wide characters make larger than the column in the text.
    lead, marked = _columns(text[: start + shift]), _columns(text[start + shift : end + shift])
    gutter = " " * len(str(span.line))
    rows += [f"{gutter} |", f"{span.line} | {text}".rstrip(), f"{gutter} | {' ' * lead}{'^' * max(1, marked)}"]
    return rows


@lru_cache(maxsize=4)
def _lines(text: str) -> list[str]:
    """Return the lines of a source, split once for all the excerpts from it."""
    return text.split("\n")


def _position(span: Span) -> str:
    return f"{span}:{span.column}" if span.line and span.column else str(span)


def _clip(text: str, start: int) -> tuple[str, int]:
    """Cut a long line to the part around the character `start`; also return by how much that character moved."""
    if len(text) <= LONGEST_LINE:
        return text, 0
    first = max(0, min(start - LONGEST_LINE // 2, len(text) - LONGEST_LINE))
    lead = "…" if first else ""
    tail = "…" if first + LONGEST_LINE < len(text) else ""
    return f"{lead}{text[first : first + LONGEST_LINE]}{tail}", len(lead) - first


def printable(text: str) -> str:
    """Return `text` on one line: a tab becomes one space, control and invisible characters become `�`."""
    return "".join(" " if c == "\t" else "�" if is_unprintable(c) or is_invisible(c) else c for c in text)


def is_unprintable(character: str) -> bool:
    """Return whether a character is no text: a control character, a line end, or half of a surrogate pair."""
    return category(character) in ("Cc", "Cs", "Zl", "Zp")


_JOINERS = "\u200c\u200d"


def is_invisible(character: str) -> bool:
    """Return whether a character is invisible or reverses others. Joiners of letters and emoji do not count."""
    return category(character) == "Cf" and character not in _JOINERS


def character(c: str) -> str:
    """Return a character as messages show it: in quotes, or as its code point if it cannot be seen on its own."""
    is_hidden = is_invisible(c) or c in _JOINERS or category(c)[0] in "CMZ"
    return f"U+{ord(c):04X}" if is_hidden and c != " " else f"'{c}'"


def shortened(text: str) -> str:
    """Return a name, which may be another program's, in at most `LONGEST_LINE` characters."""
    return text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 1]}…"


def _safe_message(text: str) -> str:
    return _visible(text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}…")


def _visible(text: str) -> str:
    """Return a message on one line; characters that are invisible or reverse the line appear as their code point."""
    if text.isprintable():
        return text
    return printable("".join(f"<U+{ord(c):04X}>" if is_invisible(c) else c for c in text))


def _columns(text: str) -> int:
    """Return how many terminal columns `text` takes: East Asian wide characters take two."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
