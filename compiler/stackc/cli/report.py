"""Printed output of commands: progress, diagnostics with their source lines, rounded numbers."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stackc.cli.screen import echo, echo_text, style
from stackc.core.diagnostics import Diagnostic, SpecError, printable, render
from stackc.core.plurals import counted

MOST_SHOWN = 100
"""How many diagnostics are printed; the rest are only counted."""


def stage_report(*, quiet: bool = False) -> Callable[[str, str], None]:
    """Return a callback for finished stages, which prints a line with the seconds since the previous one."""
    start = time.perf_counter()

    def report(stage: str, summary: str) -> None:
        nonlocal start
        end = time.perf_counter()
        if not quiet:
            echo_text(style("✓", fg="green"), f" {stage:8} {end - start:6.2f} s  {summary}")
        start = end

    return report


def report_diagnostics(error: SpecError) -> None:
    """Print all diagnostics to the error stream, with the source lines they point to."""
    spans = [span for d in error.diagnostics for span in [d.span, *(n.span for n in d.notes)]]
    files = {span.file for span in spans if span and span.column}
    sources = {file: text for file in files if (text := _read_text(file)) is not None}

    for diagnostic in error.diagnostics[:MOST_SHOWN]:
        first, *rest = render(diagnostic, sources).split("\n")
        echo(style(first, fg="red", bold=True), err=True)
        for line in rest:
            echo(style(line, fg="cyan") if line.startswith("help:") else line, err=True)
        echo(err=True)

    number = len(error.diagnostics)
    omitted = f"; only the first {MOST_SHOWN} are shown" if number > MOST_SHOWN else ""
    echo(f"{counted(number, 'error')}{omitted}", err=True)


def diagnostics_as_json(error: SpecError) -> list[dict[str, Any]]:
    """Return the diagnostics for programs: code, message, span (file, line, column, end), hint, notes."""
    return [dataclasses.asdict(diagnostic) for diagnostic in error.diagnostics]


def github_annotation(diagnostic: Diagnostic) -> str:
    """Return the diagnostic as a GitHub workflow command, which shows it at its line of a pull request."""
    properties = {"title": diagnostic.code}
    if diagnostic.span and diagnostic.span.line:
        span = diagnostic.span
        column = {"col": str(span.column)} if span.column else {}
        properties = {"file": span.file, "line": str(span.line)} | column | properties

    lines = [diagnostic.message, *(f"{note.span}: {note.message}" for note in diagnostic.notes)]
    lines += [f"help: {diagnostic.hint}"] if diagnostic.hint else []
    written = ",".join(f"{name}={_escape(value, ':,')}" for name, value in properties.items())
    return f"::error {written}::{_escape(chr(10).join(lines))}"


def _escape(text: str, special: str = "") -> str:
    """Percent-encode %, line ends and `special` characters, as workflow commands require; others must be printable."""
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{special}" else printable(c) for c in text)


def _read_text(file: str) -> str | None:
    """Return the text of a file that a span names, or None if it is not a file but, say, the command line."""
    try:
        return Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None


def rounded(number: float) -> str:
    """Return a number rounded to one decimal place, with its unit: 109,482,240 is 109.5 M."""
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return f"{number:,.0f}"
