"""What the README shows is what happens: its example, the mistake in it, the commands it names."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stackc

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def block(first: str) -> str:
    """The indented block of the README that begins with a line."""
    match = re.search(rf"(?:^    {re.escape(first)}.*\n)(?:(?:    .*)?\n)*", README, re.MULTILINE)
    assert match is not None, first
    return textwrap.dedent(match[0]).strip() + "\n"


def example() -> str:
    """The spec that the README shows, a fenced block."""
    match = re.search(r"^```yaml\n(stackc: 1\n.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1]


def check(folder: Path, spec: str) -> subprocess.CompletedProcess[str]:
    (folder / "classifier.yaml").write_text(spec, encoding="utf-8")
    command = [sys.executable, "-m", "stackc", "check", "classifier.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)


def test_the_example_gives_the_output_that_stands_below_it(tmp_path: Path) -> None:
    assert f"$ stackc check classifier.yaml\n{check(tmp_path, example()).stdout}" == block("$ stackc check")


def test_the_mistake_gives_the_message_that_stands_below_it(tmp_path: Path) -> None:
    done = check(tmp_path, example().replace("      x --> add1\n", "      x --> norm1\n"))
    assert done.returncode == 1
    assert [line.rstrip() for line in done.stderr.splitlines()] == block("error[N306]").splitlines()


def test_the_readme_is_a_place_for_specs(tmp_path: Path) -> None:
    readme = str(Path(__file__).parents[1] / "README.md#classifier")
    done = subprocess.run(
        [sys.executable, "-m", "stackc", "check", readme], capture_output=True, encoding="utf-8", check=False
    )
    assert done.stdout == check(tmp_path, example()).stdout


@pytest.mark.slow
def test_the_python_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line by line, as it stands there."""
    (tmp_path / "specs").symlink_to(Path(__file__).parents[1] / "specs")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"x": np.zeros((2, 5, 128), "float32")}
    exec(block("import stackc"), names)
    assert names["outputs"].keys() == {"F"}
    assert (tmp_path / "exported" / "seed" / "manifest.json").is_file()


def test_the_printed_gpt2_is_what_show_prints() -> None:
    printed = stackc.show(Path(__file__).parents[1] / "specs" / "gpt2.yaml", "torch")
    (shown,) = re.findall(r"^```python\n(class Layer.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert f"\n\n\n{shown}" in printed


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\b(?:tests|specs|compiler)/[\w/.]+\w", README))))
def test_every_file_it_names_is_there(path: str) -> None:
    assert (Path(__file__).parents[1] / path).exists()
