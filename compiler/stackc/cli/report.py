"""What commands print: diagnostics with their lines, and numbers as people read them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from stackc.core.diagnostics import Diagnostic, SpecError, render

MOST_SHOWN = 100


def stage_report(*, quiet: bool = False) -> Callable[[str, str], None]:
    """What a driver of stages tells each of them to, when it is done: a line with the seconds since the one before."""
    start = time.perf_counter()

    def report(stage: str, found: str) -> None:
        nonlocal start
        now = time.perf_counter()
        if not quiet:
            click.echo(f"{click.style('✓', fg='green')} {stage:8} {now - start:6.2f} s  {found}")
        start = now

    return report


def report_diagnostics(error: SpecError) -> None:
    """Print every diagnostic on the error stream, with the lines of the files they speak of."""
    spans = [span for d in error.diagnostics for span in [d.span, *(n.span for n in d.notes)]]
    files = {span.file for span in spans if span and span.column}
    sources = {file: text for file in files if (text := _text(file)) is not None}
    for diagnostic in error.diagnostics[:MOST_SHOWN]:
        first, *rest = render(diagnostic, sources).split("\n")
        click.echo(click.style(first, fg="red", bold=True), err=True)
        for line in rest:
            click.echo(click.style(line, fg="cyan") if line.startswith("help:") else line, err=True)
        click.echo(err=True)
    count = len(error.diagnostics)
    unsaid = f", of which the first {MOST_SHOWN} are shown" if count > MOST_SHOWN else ""
    click.echo(f"{count:,} error{'s' if count > 1 else ''}{unsaid}", err=True)


def diagnostics_as_json(error: SpecError) -> list[dict[str, Any]]:
    """The diagnostics for programs: code, message, span (file, line, column, end), hint, notes."""
    return [dataclasses.asdict(diagnostic) for diagnostic in error.diagnostics]


def github_annotation(diagnostic: Diagnostic) -> str:
    """The diagnostic as a command of GitHub's workflows, which shows it at its line of a pull request."""
    place = {"title": diagnostic.code}
    if diagnostic.span and diagnostic.span.line:
        span = diagnostic.span
        column = {"col": str(span.column)} if span.column else {}
        place = {"file": span.file, "line": str(span.line)} | column | place
    lines = [diagnostic.message, *(f"{note.span}: {note.message}" for note in diagnostic.notes)]
    lines += [f"help: {diagnostic.hint}"] if diagnostic.hint else []
    properties = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in place.items())
    return f"::error {properties}::{_escaped(chr(10).join(lines))}"


def _escaped(text: str, more: str = "") -> str:
    """Percent-encoded as workflow commands want it: %, line ends, and in properties `:` and `,`."""
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{more}" else c for c in text)


def _text(file: str) -> str | None:
    """The text of a file that a span names; None where that is no file, as for the command line."""
    try:
        return Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None


def count(number: float) -> str:
    """A large number as people write it: 109,482,240 is 109.5 M."""
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return f"{number:,.0f}"
