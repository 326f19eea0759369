"""What commands print. It may name what foreign files hold, so control characters never reach the terminal raw.

echo("wrote ", style(path, bold=True))   one line: line ends and control characters of its parts are shown as `�`
echo_text(text)                          several lines
echo_json(data)                          JSON, in which such characters are written as escapes
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import click

from stackc.core.diagnostics import is_invisible, is_unprintable, printable


@dataclass(frozen=True, slots=True)
class Styled:
    """A part of a line in a colour, or bold."""

    text: str
    colour: str | None = None
    bold: bool = False


def style(text: object, fg: str | None = None, *, bold: bool = False) -> Styled:
    """Return a part of a line with a style; it is printed without one where the output is no terminal."""
    return Styled(str(text), fg, bold)


def echo(*parts: str | Styled, err: bool = False) -> None:
    """Print one line."""
    click.echo("".join(map(_shown, parts)), err=err)


def echo_text(*parts: str | Styled, nl: bool = True) -> None:
    """Print text of several lines, as the command wrote it; end the last line unless `nl` is false."""
    click.echo("".join("\n".join(_shown(line) for line in _lines(part)) for part in parts), nl=nl)


def echo_json(data: object, *, indent: int | None = None, **options: Any) -> None:
    """Print data as JSON; `options` are those of json.dumps."""
    click.echo(safe_json(json.dumps(data, indent=indent, ensure_ascii=False, **options)))


def safe_json(text: str) -> str:
    """Return a JSON text with the characters that steer a terminal as escapes: they stand in its strings alone."""
    return "".join(_escape(c) if c != "\n" and (is_unprintable(c) or is_invisible(c)) else c for c in text)


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1]


def _lines(part: str | Styled) -> list[str | Styled]:
    if isinstance(part, Styled):
        return [part]
    return [*part.split("\n")]


def _shown(part: str | Styled) -> str:
    if isinstance(part, Styled):
        return click.style(printable(part.text), fg=part.colour, bold=part.bold or None)
    return part if part.isprintable() else printable(part)
