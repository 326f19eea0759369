"""Every page that is written by hand does what it says: its files are written, its commands run, their output compared.

A block of code with a title is a file. A `console` block has commands after `$ `, run in the order of the page in one
folder, each with what it prints; `…` stands for anything. `exit=1` says that they fail.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "compiler" / "handbook" / "pages"
_BLOCK = re.compile(r"^```(?P<head>\w+[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Command:
    """A line after `$ `, the status that it ends with, and what it prints."""

    line: str
    status: int
    output: str


def blocks(text: str) -> Iterator[tuple[str, str]]:
    for match in _BLOCK.finditer(text):
        yield match["head"], match["text"]


def commands(head: str, text: str) -> Iterator[Command]:
    status = int(found[1]) if (found := re.search(r"exit=(\d+)", head)) else 0
    for line, output in re.findall(r"^\$ ([^\n]+)\n((?:(?!\$ )[^\n]*\n)*)", text, re.MULTILINE):
        yield Command(line, status, output)


def run(command: Command, folder: Path) -> str:
    """Run `stackc …` and `python …` with this Python, and return all that they print."""
    program, *arguments = command.line.split()
    words = {"stackc": [sys.executable, "-m", "stackc"], "python": [sys.executable]}[program]
    environment = os.environ | {"COLUMNS": "120", "NO_COLOR": "1"}
    done = subprocess.run(
        [*words, *arguments], cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    printed = done.stdout + done.stderr
    assert done.returncode == command.status, f"{command.line}\n{printed}"
    return "".join(f"{line.rstrip()}\n" for line in printed.splitlines())


def pattern(output: str) -> re.Pattern[str]:
    """`…` on a line of its own stands for any lines, also none; within a line for a part of it."""
    parts = []
    for line in output.splitlines(keepends=True):
        parts.append("(?:.*\n)*?" if line == "…\n" else ".*?".join(map(re.escape, line.split("…"))))
    return re.compile("".join(parts))


@pytest.mark.parametrize("page", sorted(PAGES.rglob("*.md")), ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    seen = 0
    for head, text in blocks(page.read_text(encoding="utf-8")):
        if title := _TITLE.search(head):
            (tmp_path / title[1]).write_text(text, encoding="utf-8")
        for command in commands(head, text) if head.startswith("console") else ():
            printed = run(command, tmp_path)
            assert pattern(command.output).fullmatch(printed), f"{command.line}\n{printed}"
            seen += 1
    assert seen
