"""`stackc show --as`: a spec in its other syntax, on the screen or in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import stackc
from stackc.cli.show import command

SPECS = Path(__file__).parents[2] / "specs"


def show(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_round_trip_gives_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "seed.yaml"
    assert show(SPECS / "seed.mmd", "--as", "yaml", "-o", path).stdout == f"wrote {path}\n"
    assert show(path, "--as", "mermaid").stdout == (SPECS / "seed.mmd").read_text(encoding="utf-8")


def test_a_spec_with_semantic_errors_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("stackc: 1\nname: t\ninputs: {x: {shape: [8]}}\ngraph: x --> rleu\n")
    done = show(path, "--as", "mermaid")
    assert done.stdout == "---\nstackc: 1\nname: t\ninputs: {x: {shape: [8]}}\n---\nflowchart\nx --> rleu\n"


def test_as_torch_it_is_a_python_file(tmp_path: Path) -> None:
    path = tmp_path / "seed.py"
    assert show(SPECS / "seed.mmd", "--as", "torch", "--set", "dim=64", "-o", path).stdout == f"wrote {path}\n"
    assert "self.E = nn.Linear(64, 64)\n" in path.read_text(encoding="utf-8")
    assert show(SPECS / "seed.mmd", "--as", "torch").stdout == stackc.show(SPECS / "seed.mmd", "torch")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--as", "yaml", "-o", "seed.mmd"], "'seed.mmd' must end in one of .yaml, .yml"),
        (["--as", "mermaid", "-o", "seed.svg"], "'seed.svg' must end in one of .mmd, .mermaid"),
        (
            ["--as", "yaml", "--set", "dim=64"],
            "--as yaml writes the spec as it stands",
        ),
        (["--as", "torch", "-o", "seed.txt"], "'seed.txt' must end in .py"),
        (["--as", "json"], "'json' is not one of 'yaml', 'mermaid', 'graph', 'typed', 'program', 'torch'"),
    ],
)
def test_error_incompatible_options(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = show(SPECS / "seed.mmd", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_converted_spec_may_be_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "seed.yaml"
    for _ in range(2):
        assert show(SPECS / "seed.mmd", "--as", "yaml", "-o", str(out)).exit_code == 0
    assert show(out, "--as", "yaml", "-o", str(out)).exit_code == 2, "but an input is never overwritten"
