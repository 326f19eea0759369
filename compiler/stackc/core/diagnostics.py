"""What stackc says when a spec, a weight file or an argument is wrong: where, what, and what to do next.

A stage collects every problem it can see and raises them together as one `SpecError`. Nothing here prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from unicodedata import category, combining, east_asian_width

from stackc.core.suggestions import likeliest


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of one line of a file; line and columns count from 1, `end` is the column after the last one.

    Line 0 stands for something that is no file, such as an option of the command line, which `file` then spells out.
    Column 0 stands for a whole line of a file that was not read, as a lock names it: what is there now may be anything.
    """

    file: str
    line: int
    column: int = 1
    end: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Note:
    """A second place that a diagnostic speaks of: the other shape, the first definition."""

    message: str
    span: Span


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem under a stable code, with the mend as `hint`."""

    code: str
    message: str
    span: Span | None = None
    hint: str | None = None
    notes: tuple[Note, ...] = ()

    def __str__(self) -> str:
        place = f"{_position(self.span)}: " if self.span else ""
        return f"{place}error[{self.code}]: {self.message}"


class SpecError(Exception):
    """One or more diagnostics: what the user has to mend before the stage can go on."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n".join(str(d) for d in diagnostics))
        self.diagnostics = diagnostics


MOST_PROBLEMS = 1000
"""How many problems a stage gathers: nobody would read more of them."""


@dataclass(slots=True)
class Collector:
    """Gathers the diagnostics of one stage, so that all of them are reported together.

    Those that are `repaired` leave the stage a whole value, and the next one something to go on with. At `MOST_PROBLEMS`
    it raises them: to go on would only take time.
    """

    diagnostics: list[Diagnostic] = field(default_factory=list)
    _mended: list[Diagnostic] = field(default_factory=list, init=False, repr=False)
    _known: set[tuple[str, str, Span | None]] = field(default_factory=set, init=False, repr=False)

    def error(self, code: str, message: str, span: Span | None = None, hint: str | None = None, *notes: Note) -> None:
        """Note a problem and go on. The same problem at the same place is kept once, with its first notes."""
        self._add(Diagnostic(code, message, span, hint, notes))

    def repair(self, code: str, message: str, span: Span | None = None, hint: str | None = None) -> None:
        """Note a problem of which it is clear what was meant, and which is read so from here on."""
        self._mended.append(Diagnostic(code, message, span, hint))

    @property
    def repaired(self) -> tuple[Diagnostic, ...]:
        """The problems that are mended, in the order of the file."""
        return tuple(sorted(self._mended, key=_place))

    def extend(self, error: SpecError) -> None:
        """Take over what another stage, or a part of this one, has found."""
        for diagnostic in error.diagnostics:
            self._add(diagnostic)

    def raise_if_any(self) -> None:
        """End the stage if it found anything that is not mended, in the order of the file."""
        if self.diagnostics:
            raise SpecError(*sorted([*self.diagnostics, *self._mended], key=_place))

    def _add(self, diagnostic: Diagnostic) -> None:
        problem = diagnostic.code, diagnostic.message, diagnostic.span
        if problem not in self._known:
            self._known.add(problem)
            self.diagnostics.append(diagnostic)
        if len(self.diagnostics) >= MOST_PROBLEMS:
            self.raise_if_any()


def _place(diagnostic: Diagnostic) -> tuple[str, int, int]:
    span = diagnostic.span
    return (span.file, span.line, span.column) if span else ("", 0, 0)


MOST_GUESSED = 2000
"""How many names are compared with a misspelt one; beyond that a guess would take longer than the check."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one is meant for; None where none is like it, or there are very many."""
    known = set(known)
    if len(known) > MOST_GUESSED or len(name) > LONGEST_LINE:
        return None
    return likeliest(name, known)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint with the closest known name, or with all of them where they are few."""
    known = sorted(set(known))
    if close := closest(name, known):
        return f"did you mean '{close}'?"
    if 0 < len(known) <= 12 and len(name) <= LONGEST_LINE:
        return f"known here: {', '.join(known)}"
    return None


LONGEST_LINE = 160
"""Columns of a source line that are shown; of a longer one, the part around the caret."""

LONGEST_MESSAGE = 600


def render(diagnostic: Diagnostic, sources: Mapping[str, str]) -> str:
    """The diagnostic as text, with the line it speaks of and a caret below it.

    `sources` maps the file names of spans to their text; a file that is not in it is named without its line. Control
    characters, which could steer a terminal, are shown as `�`, and so are those that cannot be seen or turn the line
    round; in messages these go by their number.
    """
    lines = [f"error[{diagnostic.code}]: {_shown(diagnostic.message)}"]
    if diagnostic.span:
        lines += _excerpt(diagnostic.span, sources)
    for note in diagnostic.notes:
        lines += [f"note: {_shown(note.message)}", *_excerpt(note.span, sources)]
    if diagnostic.hint:
        lines.append(f"help: {_shown(diagnostic.hint)}")
    return "\n".join(lines)


def _excerpt(span: Span, sources: Mapping[str, str]) -> list[str]:
    rows = [f"  --> {_shown(_position(span))}"]
    source = sources[span.file].split("\n") if span.file in sources else []
    if span.column and 0 < span.line <= len(source):
        start, end = span.column - 1, max(span.column, span.end - 1)
        text, shift = _clipped(_printable(source[span.line - 1].removesuffix("\r")), start)
        gutter = " " * len(str(span.line))
        lead, marked = _columns(text[: start + shift]), _columns(text[start + shift : end + shift])
        rows += [f"{gutter} |", f"{span.line} | {text}".rstrip(), f"{gutter} | {' ' * lead}{'^' * max(1, marked)}"]
    return rows


def _position(span: Span) -> str:
    return f"{span}:{span.column}" if span.line and span.column else str(span)


def _clipped(text: str, start: int) -> tuple[str, int]:
    """The part of a long line around the character `start`, and by how much that character has moved."""
    if len(text) <= LONGEST_LINE:
        return text, 0
    first = max(0, min(start - LONGEST_LINE // 2, len(text) - LONGEST_LINE))
    lead = "…" if first else ""
    tail = "…" if first + LONGEST_LINE < len(text) else ""
    return f"{lead}{text[first : first + LONGEST_LINE]}{tail}", len(lead) - first


def _printable(text: str) -> str:
    """`text` on one line: tabs as one space, characters that steer or cannot be seen as `�`."""
    return "".join(" " if c == "\t" else "�" if category(c) in _UNPRINTABLE or is_invisible(c) else c for c in text)


_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"


def is_invisible(character: str) -> bool:
    """Whether nothing is seen of a character, or it turns others round; what joins letters or emoji is told apart."""
    return category(character) == "Cf" and character not in _JOINERS


def character(c: str) -> str:
    """How messages call a character: in quotes, or by its number where it cannot be seen by itself."""
    odd = is_invisible(c) or c in _JOINERS or category(c)[0] in "CMZ"
    return f"U+{ord(c):04X}" if odd and c != " " else f"'{c}'"


def _shown(text: str) -> str:
    text = text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}…"
    if text.isprintable():
        return text
    return _printable("".join(f"<U+{ord(c):04X}>" if is_invisible(c) else c for c in text))


def _columns(text: str) -> int:
    """How many terminal columns `text` takes: East Asian wide characters take two."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
