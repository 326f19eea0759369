"""`stackc show --as graph | typed | program`: what each stage makes of a spec, as text that a person has read.

After a change of the format, or of what a stage returns, write the texts again and read the difference:
`STACKC_WRITE_GOLDEN=1 pytest tests/ir/test_printer.py; git diff tests/ir/golden`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_spec
from stackc.ir.printer import print_graph, print_program, print_typed

TESTS = Path(__file__).parent
GOLDEN = TESTS / "golden"
WRITE = bool(os.environ.get("STACKC_WRITE_GOLDEN"))

FORMS = ("graph", "typed", "program")
SPECS = [TESTS / "specs" / f"{name}.yaml" for name in ("encoder", "shared", "merges", "including")]
SEED = TESTS.parents[1] / "specs" / "seed.mmd"
WITH_ERRORS = {"recovered": ("S004", "S004", "T201"), "unresolved": ("N301", "N302")}
"""Specs of which a part is understood, and the errors in them."""


def show(path: Path, *arguments: str) -> Result:
    """Run `stackc show` in the folder of the spec, so that spans have names that are the same everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)
        return CliRunner().invoke(cli, ["show", path.name, *arguments])


def assert_golden(name: str, text: str) -> None:
    golden = GOLDEN / f"{name}.txt"
    if WRITE:
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), "see the top of this file"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", [SEED, *SPECS], ids=lambda path: path.stem)
def test_every_value_is_printed(path: Path, form: str) -> None:
    result = show(path, "--as", form)
    assert result.exit_code == 0, result.stderr
    assert_golden(f"{path.stem}.{form}", result.stdout)


@pytest.mark.parametrize("name", WITH_ERRORS)
def test_what_was_recovered_of_a_spec_with_errors(name: str) -> None:
    command = [sys.executable, "-m", "stackc", "show", f"{name}.yaml", "--as", "graph"]
    done = subprocess.run(command, cwd=TESTS / "specs", capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert_golden(f"{name}.graph", done.stdout)
    assert tuple(re.findall(r"^error\[(\w+)\]", done.stderr, re.MULTILINE)) == WITH_ERRORS[name]


@pytest.mark.parametrize("form", ["typed", "program"])
def test_a_spec_with_errors_has_no_later_values(form: str) -> None:
    result = show(TESTS / "specs" / "recovered.yaml", "--as", form)
    assert result.exit_code == 1
    assert result.stdout == ""


def test_nothing_is_recovered_of_a_text_that_is_no_spec(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("stackc: [\n")
    result = show(path, "--as", "graph")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert isinstance(result.exception, SpecError)


@pytest.mark.parametrize("form", FORMS)
def test_a_file_gets_what_the_screen_would(form: str, tmp_path: Path) -> None:
    out = tmp_path / "seed.txt"
    result = show(SEED, "--as", form, "-o", str(out))
    assert result.stdout == f"wrote {out}\n"
    assert out.read_text(encoding="utf-8") == show(SEED, "--as", form).stdout


def test_a_file_gets_what_was_recovered(tmp_path: Path) -> None:
    out = tmp_path / "recovered.txt"
    result = show(TESTS / "specs" / "recovered.yaml", "--as", "graph", "-o", str(out))
    assert result.exit_code == 1
    assert out.read_text(encoding="utf-8") == (GOLDEN / "recovered.graph.txt").read_text(encoding="utf-8")


def test_overrides_apply() -> None:
    result = show(SEED, "--as", "graph", "--set", "dim=64", "--dims", "seq=16")
    assert "  param dim = 64  " in result.stdout
    assert "  %x = input : float32[batch, 16, 64]  " in result.stdout


def test_overrides_apply_to_what_was_recovered() -> None:
    result = show(TESTS / "specs" / "recovered.yaml", "--as", "graph", "--dims", "batch=2")
    assert result.exit_code == 1
    assert "  %x = input : float32[2, 8]  " in result.stdout


@pytest.mark.parametrize("path", sorted((TESTS.parents[1] / "specs").iterdir()), ids=lambda path: path.name)
def test_the_text_of_a_value_is_the_same_each_time(path: Path) -> None:
    first, second = check_spec(path), check_spec(path)
    assert print_graph(first.graph) == print_graph(second.graph)
    assert print_typed(first.typed) == print_typed(second.typed)
    assert print_program(first.program) == print_program(second.program)


def test_a_change_of_one_node_changes_its_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "shared.yaml"
    text = (TESTS / "specs" / "shared.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace("bias: false", "bias: true"), encoding="utf-8")

    before = show(TESTS / "specs" / "shared.yaml", "--as", "graph").stdout.splitlines()
    after = show(path, "--as", "graph").stdout.splitlines()
    changed = [line for line, other in zip(before, after, strict=True) if line != other]
    assert [line.split()[0] for line in changed] == ["%head"]
