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
from click.testing import CliRunner
from transformers import BertConfig, BertModel

import stackc
from stackc.cli import cli

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


_COMMAND = re.compile(r"^    stackc (.*)$", re.MULTILINE)


def block(first: str) -> str:
    """The indented block of the README that begins with a line."""
    match = re.search(rf"(?:^    {re.escape(first)}.*\n)(?:(?:    .*)?\n)*", README, re.MULTILINE)
    assert match is not None, first
    return textwrap.dedent(match[0]).strip() + "\n"


def example(name: str) -> str:
    """A spec that the README shows, a fenced block."""
    (text,) = re.findall(rf"^```yaml\n(stackc: 1\nname: {name}\n.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return str(text)


def check(folder: Path, name: str, spec: str) -> subprocess.CompletedProcess[str]:
    (folder / f"{name}.yaml").write_text(spec, encoding="utf-8")
    command = [sys.executable, "-m", "stackc", "check", f"{name}.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)


def commands(section: str) -> list[list[str]]:
    """The command lines of a section that stand by themselves, as words without `stackc`, comments and output."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## )", README, re.MULTILINE | re.DOTALL)
    return [line.partition(" # ")[0].split() for line in re.findall(_COMMAND, text)]


def test_the_example_gives_the_output_that_stands_below_it(tmp_path: Path) -> None:
    printed = check(tmp_path, "classifier", example("classifier")).stdout
    assert f"$ stackc check classifier.yaml\n{printed}" == block("$ stackc check")


@pytest.mark.parametrize(
    ("name", "correct", "wrong", "message"),
    [
        ("mood", "heads: 4", "heads: 3", "error[T202]"),
        ("classifier", "      x --> add1\n", "      x --> norm1\n", "error[N306]"),
    ],
)
def test_a_mistake_gives_the_message_that_stands_below_it(
    name: str, correct: str, wrong: str, message: str, tmp_path: Path
) -> None:
    spec = example(name)
    assert spec.count(correct) == 1
    done = check(tmp_path, name, spec.replace(correct, wrong))
    assert done.returncode == 1
    assert [line.rstrip() for line in done.stderr.splitlines()] == block(message).splitlines()


def test_the_readme_is_a_place_for_specs(tmp_path: Path) -> None:
    for name in ("mood", "classifier"):
        done = CliRunner().invoke(cli, ["check", f"{PROJECT / 'README.md'}#{name}"])
        assert done.output == check(tmp_path, name, example(name)).stdout


def test_the_first_spec_has_eight_lines_and_its_picture_is_current() -> None:
    assert example("mood").count("\n") == 8
    drawn = stackc.show(PROJECT / "README.md#mood", "svg")
    (picture,) = re.findall(r'<img src="([^"]+)"', README)
    assert (PROJECT / picture).read_text(encoding="utf-8") == drawn, f"stackc show README.md#mood -o {picture}"


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the commands of the README start from."""
    (tmp_path / "specs").symlink_to(PROJECT / "specs")
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_build_prints_what_stands_there(working_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stages and lines, but for numbers, the provider of the machine, and which program was the faster."""
    monkeypatch.setenv(
        "STACKC_CACHE", str(working_folder / "cache")
    )  # other tests have compiled some of its components
    done = CliRunner().invoke(cli, ["build", "README.md#mood"])
    assert done.exit_code == 0, done.output

    def lines(text: str) -> list[str]:
        text = re.sub(r"(open +\S+ s |onnx / eager = |PyTorch at most |ONNX Runtime at most ).*", r"\1", text)
        return [re.sub(r"\s+", " ", re.sub(r"\d[\d.,]*", "N", line)) for line in text.splitlines()]

    shown, printed = lines(block("$ stackc build README.md#mood")), lines(done.output)
    assert [line for line in shown[1:] if line != "…" and line not in printed] == []
    stages = [line for line in printed if line.startswith("✓")]
    assert [line for line in shown if line.startswith("✓")] == stages


@pytest.mark.slow
@pytest.mark.parametrize("section", ["Import", "Ship", "Prove"])
def test_the_commands_of_a_section_run_in_their_order(section: str, working_folder: Path) -> None:
    """Those of Train run in tests/cli/test_train_command.py. What builds measure is left out."""
    if section == "Import":
        config = BertConfig(
            vocab_size=61, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40
        )
        BertModel(config).save_pretrained("all-MiniLM-L6-v2")

    if section == "Ship":
        assert CliRunner().invoke(cli, ["build", "specs/seed.mmd", "--no-bench"]).exit_code == 0

    lines = commands(section)
    assert len(lines) == 3
    for words in lines:
        done = CliRunner().invoke(cli, [*words, *["--no-bench"] * (words[0] == "build")])
        assert done.exit_code == 0, f"{words}\n{done.output}"


def test_the_commands_of_every_section_are_run() -> None:
    """A section with commands is one that these tests run, or tests/cli/test_train_command.py; those of pip .ci/run."""
    sections = re.findall(r"^## (.*)\n", README, re.MULTILINE)
    with_commands = [name for name in sections[:-1] if commands(name)]
    assert with_commands == ["Import", "Train", "Ship", "Prove"]

    ci = (PROJECT / ".ci" / "run").read_text(encoding="utf-8").replace(" --quiet", "")
    index = "https://download.pytorch.org/whl/cpu"
    ci = ci.replace('"$work/cpu_venv/bin/pip"', "pip").replace('"$cpu_index"', index)
    lines = [line.partition(" # ")[0].strip() for line in re.findall(r"^    (pip .*)", README, re.MULTILINE)]
    assert len(lines) == 3
    assert f"cpu_index={index}" in ci
    assert [line for line in lines if line not in ci] == []


@pytest.mark.slow
def test_the_python_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line by line, as it stands there."""
    (tmp_path / "specs").symlink_to(PROJECT / "specs")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"x": np.zeros((2, 5, 128), "float32")}
    exec(block("import stackc"), names)
    assert names["outputs"].keys() == {"F"}
    assert (tmp_path / "exported" / "seed" / "manifest.json").is_file()


def test_the_printed_gpt2_is_what_show_prints() -> None:
    printed = stackc.show(PROJECT / "specs" / "gpt2.yaml", "torch")
    (shown,) = re.findall(r"^```python\n(class Layer.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert f"\n\n\n{shown}" in printed


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\b(?:tests|specs|compiler)/[\w/.]+\w", README))))
def test_every_file_it_names_is_there(path: str) -> None:
    assert (PROJECT / path).exists()
