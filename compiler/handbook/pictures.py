"""Drawings of specs as they stand in a page."""

from __future__ import annotations

import re
from pathlib import Path

import stackc


def drawing(spec: Path, out: Path, *, depth: int = 1) -> str:
    """Draw a spec into a file `out`, and return the Markdown that shows it. Raises SpecError if it cannot be drawn."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(stackc.show(spec, "svg", depth=depth), encoding="utf-8")
    return f"![The drawing of {spec.stem}]({out.name}){{ .drawing }}"


def fenced(text: str, language: str = "yaml", title: str = "") -> str:
    """Return a block of code, between fences longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=2)
    fence = "`" * max(3, longest + 1)
    caption = f' title="{title}"' if title else ""
    return f"{fence}{language}{caption}\n{text.rstrip()}\n{fence}\n"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table; a bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"
