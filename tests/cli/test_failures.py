"""`--json` is JSON on every exit of every command, and Ctrl-C ends each with status 130."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
from click.testing import CliRunner, Result

from stackc.cli import COMMANDS, cli

MISSPELT = "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: x --> y[linaer]\n"

ARGUMENTS = {"diff": "{spec} {spec}", "evaluate": "{spec} --data x.npz", "run": "{spec} -i x.npz"}
"""What commands need besides a spec."""
WITHOUT_FILES = {"zoo", "ops", "explain", "cache", "doctor"}
"""Commands with `--json` that take no file."""


@pytest.fixture
def schema() -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(CliRunner().invoke(cli, ["schema", "--failures"]).output)
    jsonschema.Draft202012Validator.check_schema(printed)
    return printed


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Handle SIGINT as in a shell: pytest may run in the background, where it is ignored."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bad.yaml").write_text(MISSPELT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def codes(done: Result, schema: dict[str, Any]) -> list[str]:
    """The codes of a failure that is held to the schema; nothing else stands on the standard output."""
    printed = json.loads(done.stdout)
    jsonschema.validate(printed, schema)
    return [each["code"] for each in printed["diagnostics"]]


def command_called(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


def offers_json(name: str) -> bool:
    return any("--json" in option.opts for option in command_called(name).params)


@pytest.mark.parametrize("name", COMMANDS)
def test_error_a_bad_option(name: str, schema: dict[str, Any]) -> None:
    """Also of commands that have no `--json`: it is the bad option then."""
    done = CliRunner().invoke(cli, [name, "--json", "--no-such-option"])
    assert done.exit_code == 2
    assert codes(done, schema) == ["X004"]
    (diagnostic,) = json.loads(done.stdout)["diagnostics"]
    assert diagnostic["hint"] == f"see `cli {name} --help`"


def test_error_no_such_command(schema: dict[str, Any]) -> None:
    done = CliRunner().invoke(cli, ["biuld", "--json"])
    assert (done.exit_code, codes(done, schema)) == (2, ["X004"])
    assert "did you mean 'build'" in done.stdout


@pytest.mark.parametrize("name", [name for name in COMMANDS if offers_json(name) and name not in WITHOUT_FILES])
@pytest.mark.parametrize("spec", ["bad.yaml", "missing.yaml"])
def test_error_a_bad_spec_and_a_missing_file(name: str, spec: str, schema: dict[str, Any]) -> None:
    done = CliRunner().invoke(cli, [name, *ARGUMENTS.get(name, "{spec}").format(spec=spec).split(), "--json"])
    assert done.exit_code in (1, 2), done.output
    assert codes(done, schema)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupt_ends_with_130(
    name: str, as_json: bool, schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal itself, when the command begins."""
    command = command_called(name)
    monkeypatch.setattr(command, "parse_args", lambda *_: [])
    monkeypatch.setattr(command, "invoke", lambda *_: signal.raise_signal(signal.SIGINT))
    done = CliRunner().invoke(cli, [name, *["--json"] * as_json])
    assert done.exit_code == 130
    if as_json:
        assert codes(done, schema) == ["X005"]
    assert done.stderr.strip() == "interrupted"


def test_an_error_of_stackc_is_json_too(schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("stackc.cli.check.check_spec", fail)
    done = CliRunner().invoke(cli, ["check", "bad.yaml", "--format", "json"])
    assert isinstance(done.exception, ZeroDivisionError)  # whose traceback Python prints
    assert codes(done, schema) == ["X006"]


@pytest.mark.slow
@pytest.mark.parametrize("option", [[], ["--json"]])
def test_an_interrupted_build_leaves_nothing(
    option: list[str], folder: Path, schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes after the first stage, while others work."""

    def interrupt(stage: str, summary: str) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("stackc.cli.stage_progress.stage_report", lambda **_: interrupt)
    text = MISSPELT.replace("[linaer]", "[linear]") + "nodes: {y: {out: 8}}\n"
    (folder / "small.yaml").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(cli, ["build", "small.yaml", *option])
    assert done.exit_code == 130
    assert done.stderr.splitlines()[-1] == "interrupted"
    assert not (folder / "exported" / "small").exists()
    if option:
        assert codes(done, schema) == ["X005"]
