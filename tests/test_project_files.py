"""The files that serve a project around stackc: workflow, action, hooks of pre-commit, what CONTRIBUTING names."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from stackc.cli import cli
from stackc.cli.pre_commit import main

PROJECT = Path(__file__).parents[1]
SPEC = "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: x --> y[linear]\nnodes: {y: {out: 4}}\n"


def read(path: str) -> Any:
    return yaml.safe_load((PROJECT / path).read_text(encoding="utf-8"))


def test_the_workflow_runs_ci_with_the_oldest_versions_that_are_supported() -> None:
    job = read(".github/workflows/ci.yml")["jobs"]["run"]
    assert job["steps"][-1]["run"].endswith("&& .ci/run")
    newest, oldest = job["strategy"]["matrix"]["include"]
    assert newest["constraints"] == ""

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least = dict(re.findall(r"^([\w-]+)>=([\d.]+)", "\n".join(project["dependencies"]), re.MULTILINE))
    pinned = dict(line.removesuffix(".*").split("==") for line in oldest["constraints"].splitlines())
    assert pinned == {name: least[name] for name in ("torch", "onnxruntime", "onnxruntime-gpu")}
    (python,) = re.findall(r">=([\d.]+)", project["requires-python"])
    assert job["steps"][1]["with"]["python-version"] == python


def test_the_action_calls_commands_that_there_are() -> None:
    (step,) = read(".github/actions/diff/action.yml")["runs"]["steps"]
    subprocess.run(["bash", "-n", "-c", step["run"]], check=True)
    (line,) = re.findall(r"^stackc (.*) >", step["run"], re.MULTILINE)
    name, *words = shlex.split(line)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    context = command.make_context(name, words)
    assert (context.params["revision_range"], context.params["markdown"]) == ("$BASE..$HEAD", True)
    variables = set(re.findall(r"\$(\w+)", step["run"]))
    assert variables == step["env"].keys() - {"GH_TOKEN"} | {"RUNNER_TEMP", "GITHUB_STEP_SUMMARY"}


def test_the_hook_is_for_specs() -> None:
    (hook,) = read(".pre-commit-hooks.yaml")
    assert hook["entry"] == "python -m stackc.cli.pre_commit"
    for path in (PROJECT / "specs").iterdir():
        assert re.search(hook["files"], path.name)


def test_what_contributing_names_is_there() -> None:
    text = (PROJECT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:compiler|tests|specs|\.ci)/[\w/.]+)`", text):
        assert (PROJECT / path).exists(), path


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "one.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def test_the_hook_checks_specs_alone(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = spec.with_name("other.yaml")
    other.write_text("key: [value]\nrevision: {stackc: 1}\n", encoding="utf-8")
    assert main([str(spec), str(other)]) == 0
    spec.write_text(SPEC.replace("[linear]", "[linaer]"), encoding="utf-8")
    assert main([str(other), str(spec)]) == 1
    assert "did you mean 'linear'" in capsys.readouterr().err


def test_the_hook_writes_a_drawing_that_is_not_current(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawing = spec.with_suffix(".svg")
    drawing.write_text("<svg/>", encoding="utf-8")
    assert main([str(spec)]) == 1
    assert f"{drawing} was not what stackc draws of {spec}" in capsys.readouterr().err
    assert main([str(spec)]) == 0
    spec.write_text(SPEC.replace("out: 4", "out: 5"), encoding="utf-8")
    assert main([str(spec)]) == 1
    assert main([str(spec)]) == 0


def test_the_hook_draws_nothing_where_there_is_no_drawing(spec: Path) -> None:
    assert main([str(spec)]) == 0
    assert [path.name for path in spec.parent.iterdir()] == ["one.yaml"]
