"""The bar of commands that run in stages: on the error stream of a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from stackc.cli.stage_progress import stage_bar


def test_the_bar_tells_what_remains() -> None:
    screen, lines = StringIO(), list[str]()
    console = Console(file=screen, force_terminal=True, width=90)
    with stage_bar(console, lambda stage, summary: lines.append(f"{stage}: {summary}"), ("check", "lower")) as report:
        report("check", "3 components")
        report("weights", "one that nobody expected")
        report("lower", "done")
    shown = screen.getvalue()
    order = [shown.index(text) for text in ("2 to go: check, lower", "1 to go: lower", "working")]
    assert order == sorted(order)
    assert lines == ["check: 3 components", "weights: one that nobody expected", "lower: done"]
    assert shown.endswith("\x1b[1A\x1b[2K"), "its line is cleared"


@pytest.mark.slow
def test_a_terminal_shows_it_and_a_pipe_has_the_lines_alone(tmp_path: Path) -> None:
    text = "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: x --> y[linear]\nnodes: {y: {out: 4}}\n"
    (tmp_path / "one.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "stackc", "build", "one.yaml", "--until", "lower"]
    master, terminal = pty.openpty()
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=terminal, check=True)
    os.close(terminal)
    shown = os.read(master, 100_000).decode()
    os.close(master)
    assert "2 to go: check, lower" in shown
    assert [line.split()[:2] for line in done.stdout.decode().splitlines()[:2]] == [["✓", "check"], ["✓", "lower"]]

    piped = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert piped.stderr == b""
