"""What stackc says when a spec, a weight file or an argument is wrong: where, what, and what to do next.

A stage collects every problem it can see and raises them together as one `SpecError`. Nothing here prints.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of one line of a file; line and columns count from 1, `end` is the column after the last one."""

    file: str
    line: int
    column: int = 1
    end: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


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
        place = f"{self.span.file}:{self.span.line}:{self.span.column}: " if self.span else ""
        return f"{place}error[{self.code}]: {self.message}"


class SpecError(Exception):
    """One or more diagnostics: what the user has to mend before the stage can go on."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n".join(str(d) for d in diagnostics))
        self.diagnostics = diagnostics


@dataclass(slots=True)
class Collector:
    """Gathers the diagnostics of one stage, so that all of them are reported together."""

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def error(self, code: str, message: str, span: Span | None = None, hint: str | None = None, *notes: Note) -> None:
        """Note a problem and go on. The same problem at the same place is kept once."""
        diagnostic = Diagnostic(code, message, span, hint, notes)
        if diagnostic not in self.diagnostics:
            self.diagnostics.append(diagnostic)

    def extend(self, error: SpecError) -> None:
        """Take over what another stage, or a part of this one, has found."""
        self.diagnostics.extend(d for d in error.diagnostics if d not in self.diagnostics)

    def raise_if_any(self) -> None:
        """End the stage if it found anything, in the order of the file."""
        if self.diagnostics:
            raise SpecError(*sorted(self.diagnostics, key=_place))


def _place(diagnostic: Diagnostic) -> tuple[str, int, int]:
    span = diagnostic.span
    return (span.file, span.line, span.column) if span else ("", 0, 0)


def near(name: str, known: Iterable[str]) -> str | None:
    """A hint with the closest known name, or with all of them where they are few."""
    known = sorted(set(known))
    if close := difflib.get_close_matches(name, known, n=1, cutoff=0.6):
        return f"did you mean '{close[0]}'?"
    if 0 < len(known) <= 12:
        return f"known here: {', '.join(known)}"
    return None


def render(diagnostic: Diagnostic, sources: dict[str, str]) -> str:
    """The diagnostic as text, with the line it speaks of and a caret below it.

    `sources` maps the file names of spans to their text; a file that is not in it is named without its line.
    """
    lines = [f"error[{diagnostic.code}]: {diagnostic.message}"]
    if diagnostic.span:
        lines += _excerpt(diagnostic.span, sources)
    for note in diagnostic.notes:
        lines += [f"note: {note.message}", *_excerpt(note.span, sources)]
    if diagnostic.hint:
        lines.append(f"help: {diagnostic.hint}")
    return "\n".join(lines)


def _excerpt(span: Span, sources: dict[str, str]) -> list[str]:
    rows = [f"  --> {span.file}:{span.line}:{span.column}"]
    source = sources.get(span.file, "").splitlines()
    if 0 < span.line <= len(source):
        text = source[span.line - 1].expandtabs(1)
        gutter = " " * len(str(span.line))
        lead = _columns(text[: span.column - 1])
        marked = text[span.column - 1 : span.end - 1] if span.end > span.column else text[span.column - 1 : span.column]
        rows += [f"{gutter} |", f"{span.line} | {text}", f"{gutter} | {' ' * lead}{'^' * max(1, _columns(marked))}"]
    return rows


def _columns(text: str) -> int:
    """How many terminal columns `text` takes: East Asian wide characters take two."""
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
