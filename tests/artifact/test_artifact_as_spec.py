"""An artifact can be used in place of a spec, through its lock; and is trusted no more than one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import stackc
from stackc.artifact.lock import write_lock
from stackc.cli import cli
from stackc.cli.report import report_diagnostics
from stackc.frontend import check_spec

SPECS = Path(__file__).parents[2] / "specs"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An artifact with its lock alone, which is all that these commands read."""
    folder = tmp_path / "exported" / "ensemble"
    folder.mkdir(parents=True)
    (folder / "spec.lock.yaml").write_text(write_lock(check_spec(SPECS / "ensemble.yaml")), encoding="utf-8")
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Return what the command line prints when the command fails with diagnostics."""
    error = run(*arguments).exception
    assert isinstance(error, stackc.SpecError)
    report_diagnostics(error)
    return capsys.readouterr().err


@pytest.mark.parametrize("command", [["check"], ["show"], ["show", "--tree"], ["plan", "--json"]])
def test_commands_take_an_artifact(folder: Path, command: list[str]) -> None:
    done = run(*command, folder)
    assert done.exit_code == 0, done.output
    assert "ensemble" in done.output
    if command == ["check"]:
        assert done.output == run("check", SPECS / "ensemble.yaml").output


@pytest.mark.parametrize("path", sorted(SPECS.iterdir()), ids=lambda path: path.name)
def test_an_artifact_does_not_differ_from_its_spec(path: Path, tmp_path: Path) -> None:
    (tmp_path / "spec.lock.yaml").write_text(write_lock(check_spec(path)), encoding="utf-8")
    assert not stackc.diff(tmp_path, path).changes
    assert not stackc.diff(path, tmp_path).changes


JOINED = """\
stackc: 1
name: joined
inputs: {x: {shape: [batch, 8], min: -1, max: 1}}
graph: x --> s[stack]
nodes: {s: {of: {op: linear, out: 8}, repeat: 3, norm: layer_norm, HOW}}
"""


@pytest.mark.parametrize(
    "how",
    [
        "mode: dense",
        "mode: weighted",
        "mode: gated",
        "mode: gated, top_k: 2",
        "collect: mean",
        "collect: concat, axis: -1",
    ],
)
def test_what_joins_the_members_of_a_stack_is_no_difference(how: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(JOINED.replace("HOW", how), encoding="utf-8")
    (tmp_path / "spec.lock.yaml").write_text(write_lock(check_spec(spec)), encoding="utf-8")
    assert not stackc.diff(tmp_path, spec).changes
    assert not stackc.diff(spec, tmp_path).changes


def test_inputs_of_half_precision_are_no_difference(tmp_path: Path) -> None:
    spec, wide = tmp_path / "spec.yaml", tmp_path / "wide.yaml"
    wide.write_text(
        "stackc: 1\nname: t\ninputs: {x: {shape: [batch, 8]}}\ngraph: |\n  x --> y[linear] --> z[add]\n  x --> z\n"
        "nodes: {y: {out: 8}}\noutputs: {z: z, entered: x}\n"
    )
    spec.write_text(wide.read_text(encoding="utf-8").replace("8]}", "8], dtype: float16}"), encoding="utf-8")
    (tmp_path / "spec.lock.yaml").write_text(write_lock(check_spec(spec)), encoding="utf-8")
    for other in (spec, tmp_path):
        assert not stackc.diff(spec, other).changes
        assert not stackc.diff(other, spec).changes
        changes = stackc.diff(wide, other).changes
        assert [change.details for change in changes] == [("float32[batch, 8] → float16[batch, 8]",)]


def test_diff_tells_what_was_edited_since_the_build(folder: Path, tmp_path: Path) -> None:
    edited = tmp_path / "spec.yaml"
    text = (SPECS / "ensemble.yaml").read_text(encoding="utf-8")
    edited.write_text(text.replace("mode: sum", "mode: mean").replace("[l2_normalize]", "[rms_norm]"))
    changes = json.loads(run("diff", folder, edited, "--json").output)["changes"]
    assert [(c["before"], c["details"]) for c in changes] == [
        ("encoders", ["mode: sum → mean"]),
        ("unit", ["l2_normalize → rms_norm"]),
    ]


def test_no_line_is_shown_of_what_a_lock_only_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The source of a node may be any file by now: its name is shown, but it is not read."""
    lock = folder / "spec.lock.yaml"
    secret = folder.parent / "secret.yaml"
    secret.write_text("password: 1234\n")
    text = lock.read_text(encoding="utf-8").replace("vocab: 30522, dim: 256", "vocab: 30522, dim: 200")
    lock.write_text(text.replace(f"{SPECS / 'ensemble.yaml'}:", f"{secret}:"), encoding="utf-8")
    printed = refused(capsys, "check", folder)
    assert f"--> {secret}:" in printed
    assert "password" not in printed
    assert "password" not in run("check", folder, "--format", "github").output


def test_a_lock_that_lies_outside_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = tmp_path / "other.yaml"
    shutil.move(folder / "spec.lock.yaml", outside)
    (folder / "spec.lock.yaml").symlink_to(outside)
    printed = refused(capsys, "show", folder)
    assert "error[S009]" in printed
    assert "lies outside the artifact" in printed


def test_a_lock_includes_nothing_from_outside(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (folder.parent / "other.yaml").write_text((SPECS / "stacked.yaml").read_text(encoding="utf-8"))
    (folder / "spec.lock.yaml").write_text(
        "stackc: 1\ninputs: {x: {shape: [batch, 128]}}\ngraph: x --> y\nnodes: {y: {op: ../other.yaml}}\n"
    )
    assert "error[N314]: '../other.yaml' is outside the project" in refused(capsys, "plan", folder)


def test_a_folder_that_is_no_artifact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "help: an artifact contains spec.lock.yaml" in refused(capsys, "check", tmp_path)


def test_one_set_aside_by_a_build_that_was_killed_is_put_back(folder: Path) -> None:
    workspace = folder.parent / f".ensemble.{'0' * 16}"
    workspace.mkdir()
    folder.rename(workspace / "old")
    assert run("check", folder).exit_code == 0
    assert folder.is_dir()
