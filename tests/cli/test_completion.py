"""`stackc completion`: bash, having sourced its script, completes command lines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from stackc.authoring.starter_specs import templates
from stackc.cli import COMMANDS, cli
from stackc.components import REGISTRY


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with a `stackc` program like the one pip installs."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "stackc"
    program.write_text(f"#!{sys.executable}\nfrom stackc.cli import main\n\nmain()\n", encoding="utf-8")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def completed(path: str, *words: str) -> list[str]:
    """Return the completions that bash offers for the last word."""
    script = (
        'source <(stackc completion bash) && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && '
        '_stackc_completion stackc && printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = ["bash", "-c", script, "bash", "stackc", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PATH": path})
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes(path: str) -> None:
    assert completed(path, "") == [*COMMANDS]
    assert completed(path, "ch") == ["check"]
    assert completed(path, "check", "--form") == ["--format"]
    assert completed(path, "check", "--format", "g") == ["github"]
    assert completed(path, "bench", "--only", "eager,o") == ["eager,onnx", "eager,openvino"]
    assert completed(path, "ops", "layer") == [op for op in ("layer_norm",) if op in REGISTRY]
    assert completed(path, "explain", "n30")[0] == "N301"
    assert completed(path, "init", "--template", "") == [*templates()]
    assert completed(path, "help", "lang") == ["language"]
    assert completed(path, "nonsense", "") == [*COMMANDS]


def offered(line: list[str], incomplete: str) -> list[str]:
    """What any shell is given for a word behind the line."""
    complete = ShellComplete(cli, {}, "stackc", "_STACKC_COMPLETE")
    return [item.value for item in complete.get_completions(line, incomplete)]


def test_params_dims_and_nodes_of_the_spec_at_hand(tmp_path: Path) -> None:
    seed = str(Path(__file__).parents[2] / "specs" / "seed.mmd")
    assert offered(["check", seed, "--set"], "") == ["dim=", "heads=", "norm="]
    assert offered(["check", seed, "--set"], "dim=64,h") == ["dim=64,heads="]
    assert offered(["plan", seed, "--dims"], "") == ["batch=", "seq="]
    assert offered(["build", seed, "--keep"], "A.n") == ["A.norm1", "A.norm2"]
    assert offered(["build", seed, "--keep"], "A.attn,E") == ["A.attn,E"]
    assert "A" in offered(["build", seed, "--keep"], "")
    (tmp_path / "bad.yaml").write_text("stackc: [", encoding="utf-8")
    for spec in (str(tmp_path / "bad.yaml"), str(tmp_path / "missing.yaml")):
        assert offered(["check", spec, "--set"], "") == offered(["build", spec, "--keep"], "") == []
    assert offered(["check", "--set"], "") == []


@pytest.mark.parametrize(
    ("shell", "part"), [("zsh", "#compdef stackc"), ("fish", "complete --no-files --command stackc")]
)
def test_other_shells_have_a_script(shell: str, part: str) -> None:
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0
    assert part in done.output


def test_an_unknown_shell_is_wrong_usage() -> None:
    assert CliRunner().invoke(cli, ["completion", "csh"]).exit_code == 2


def test_commands_are_completed_without_importing_them() -> None:
    code = (
        "import sys; sys.argv = ['stackc']\nfrom stackc.cli import cli\ntry:\n    cli()\nexcept SystemExit:\n    pass\n"
        "print(*(name for name in sys.modules if name.startswith('stackc')))\n"
    )
    line = {"_STACKC_COMPLETE": "bash_complete", "COMP_WORDS": "stackc ", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", code]

    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | line)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded == {
        "stackc",
        "stackc._version",
        "stackc.cli",
        "stackc.cli.plain_text",
        "stackc.cli.screen",
        "stackc.core",
        "stackc.core.arguments",
        "stackc.core.diagnostics",
        "stackc.core.interrupts",
        "stackc.core.public_types",
        "stackc.core.suggestions",
    }
