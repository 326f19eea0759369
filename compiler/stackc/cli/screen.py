"""What commands print. It may name what foreign files hold, so control characters never reach the terminal raw.

echo("wrote ", style(path, bold=True))   one line: line ends and control characters of its parts are shown as `�`
echo_text(text)                          several lines
echo_json(data)                          JSON, in which such characters are written as escapes
rich_console()                           where rich prints tables, trees and bars

Colours: `--color always` or `never`, else as NO_COLOR, FORCE_COLOR and TERM say, else where the output is a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from stackc.cli.plain_text import has_narrow_encoding
from stackc.core.diagnostics import is_invisible, is_unprintable, printable

if TYPE_CHECKING:
    from rich.console import Console

ColourChoice = Literal["auto", "always", "never"]
_choice: ColourChoice = "auto"


@dataclass(frozen=True, slots=True)
class Styled:
    """A part of a line in a colour, or bold."""

    text: str
    colour: str | None = None
    bold: bool = False


def choose_colours(choice: ColourChoice) -> None:
    """Take the choice of the command line for all that is printed from now on."""
    global _choice
    _choice = choice


def has_colours() -> bool | None:
    """Return whether to print colours: True, False, or None where that depends on the output being a terminal."""
    if _choice != "auto":
        return _choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def rich_console(*, width: int | None = None, err: bool = False) -> Console:
    """Return a console of rich with these colours, that takes words as they are."""
    from rich.console import Console

    colours = has_colours()
    system: Literal["auto"] | None = None if colours is False else "auto"
    return Console(stderr=err, width=width, highlight=False, color_system=system, force_terminal=colours or None)


def style(text: object, fg: str | None = None, *, bold: bool = False) -> Styled:
    """Return a part of a line with a style; it is printed without one where the output is no terminal."""
    return Styled(str(text), fg, bold)


def echo(*parts: str | Styled, err: bool = False) -> None:
    """Print one line."""
    click.echo("".join(map(_shown, parts)), err=err, color=has_colours())


def echo_text(*parts: str | Styled, nl: bool = True) -> None:
    """Print text of several lines, as the command wrote it; end the last line unless `nl` is false."""
    text = "".join("\n".join(_shown(line) for line in _lines(part)) for part in parts)
    click.echo(text, nl=nl, color=has_colours())


def echo_json(data: object, *, indent: int | None = None, **options: Any) -> None:
    """Print data as JSON; `options` are those of json.dumps."""
    is_ascii = has_narrow_encoding(sys.stdout)
    click.echo(safe_json(json.dumps(data, indent=indent, ensure_ascii=is_ascii, **options)))


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
