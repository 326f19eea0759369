"""Every command that a message, a page or a document names is one that the command line has, and every extra too."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from stackc.cli import COMMANDS

ROOT = Path(__file__).parents[2]
TEXTS = sorted(
    path
    for pattern in ("README.md", "CHANGELOG.md", ".github/**/*.md", "compiler/**/*.py", "compiler/**/*.md",
                    "compiler/**/*.html", "specs/*", "tests/benchmarks/README.md")
    for path in ROOT.glob(pattern)
    if path.is_file() and path.suffix in (".md", ".py", ".html", ".yaml", ".mmd")
)  # fmt: skip
COMMAND = re.compile(r"(?:`|\$ |^ {4})stackc ([a-z][a-z-]*)", re.MULTILINE)
EXTRA = re.compile(r"(?:stackc|\.)\[([a-z,]+)\]")


def named(pattern: re.Pattern[str], path: Path) -> set[str]:
    return {word for found in pattern.findall(path.read_text(encoding="utf-8")) for word in found.split(",")}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_and_extras_that_are_named_exist(path: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert named(COMMAND, path) - {*COMMANDS} == set()
    assert named(EXTRA, path) - {*extras} == set()


def test_a_command_that_does_not_exist_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    text = "Run `stackc sreve`, then\n\n    stackc deplyo x\n\nfrom `pip install 'stackc[srv]'`.\n"
    path.write_text(text, encoding="utf-8")
    assert named(COMMAND, path) - {*COMMANDS} == {"sreve", "deplyo"}
    assert named(EXTRA, path) == {"srv"}
