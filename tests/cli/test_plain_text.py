"""Output where the encoding lacks characters, and colours where they are wanted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stackc.cli import COMMANDS
from stackc.cli.plain_text import REPLACEMENTS, ascii_for

SPECS = Path(__file__).parents[2] / "specs"
COLOURED = "\x1b["
NO_CHOICE = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "TERM")}


def stackc(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "stackc", *arguments]
    return subprocess.run(command, capture_output=True, check=False, cwd=SPECS, env=NO_CHOICE | environment)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp437", "gbk"])
@pytest.mark.parametrize(
    "command", ["show seed.mmd --tree", "check seed.mmd", "ops attention", "plan seed.mmd", "explain N306", "zoo"]
)
def test_output_in_any_encoding(command: str, encoding: str) -> None:
    done = stackc(*command.split(), PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(encoding)


def test_a_tree_in_ascii() -> None:
    lines = stackc("show", "tcn.yaml", "--tree", PYTHONIOENCODING="ascii").stdout.decode("ascii").splitlines()
    assert lines[1].startswith("+-- * x")
    assert "->" in lines[2]


def test_json_keeps_its_meaning() -> None:
    narrow, wide = (stackc("ops", "linear", "--json", PYTHONIOENCODING=e).stdout for e in ("cp1252", "utf-8"))
    assert json.loads(narrow.decode("ascii")) == json.loads(wide.decode("utf-8"))


def test_every_replacement_is_ascii() -> None:
    assert all(map(str.isascii, REPLACEMENTS.values()))
    assert [ascii_for(character) for character in "│─├└╭é²型\ue000"] == ["|", "-", "+", "+", "+", "e", "^2", "?", "?"]


@pytest.mark.parametrize(
    ("arguments", "environment", "coloured"),
    [
        ((), {}, False),
        (("--color", "always"), {}, True),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ((), {"FORCE_COLOR": "1", "TERM": "dumb"}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
    ],
)
def test_colours(arguments: tuple[str, ...], environment: dict[str, str], coloured: bool) -> None:
    tree = stackc(*arguments, "show", "tcn.yaml", "--tree", **environment).stdout.decode()
    error = stackc(*arguments, "check", "missing.yaml", **environment).stderr.decode()
    assert (COLOURED in tree, COLOURED in error) == (coloured, coloured)


def test_every_command_takes_its_colours_from_the_group() -> None:
    assert COMMANDS
    assert b"--color" in stackc("--help").stdout
