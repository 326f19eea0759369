"""The same diagnostics for people, programs and pull requests: `check --format`, and `--json` of any command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from stackc.cli import cli
from stackc.cli.report import github_annotation
from stackc.core.diagnostics import Diagnostic, Note, Span

WRONG = """\
stackc: 1
inputs: {x: {shape: [batch, 8]}}
graph: |
  x --> a[linear] --> b[tanh]
  x --> b
nodes: {a: {out: 8, outt: 9}}
"""


@pytest.fixture
def wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("wrong.yaml").write_text(WRONG, encoding="utf-8")
    return "wrong.yaml"


def test_json_has_every_diagnostic(wrong: str) -> None:
    done = CliRunner().invoke(cli, ["check", wrong, "--format", "json"])
    assert done.exit_code == 1
    assert done.stderr == ""
    merge, field = sorted(json.loads(done.stdout)["diagnostics"], key=lambda d: str(d["code"]))
    assert (merge["code"], merge["span"]["line"]) == ("N306", 5)
    assert [note["span"]["line"] for note in merge["notes"]][:1] == [4]
    assert field == {
        "code": "N309",
        "message": "'a' (linear) has no field 'outt'",
        "span": {"file": "wrong.yaml", "line": 6, "column": 21, "end": 25},
        "hint": "did you mean 'out'?",
        "notes": [],
    }


@pytest.mark.parametrize("command", ["bench", "build", "diff wrong.yaml", "plan", "train", "weights"])
def test_json_of_any_command_has_every_diagnostic(command: str, wrong: str) -> None:
    checked = CliRunner().invoke(cli, ["check", wrong, "--json"])
    done = CliRunner().invoke(cli, [*command.split(), wrong, "--json"])
    assert (done.exit_code, done.stderr) == (1, "")
    assert json.loads(done.stdout) == json.loads(checked.stdout)


@pytest.mark.parametrize(
    ("arguments", "code"), [("weights sound.yaml missing.npz", "W804"), ("verify missing", "A601")]
)
def test_json_of_a_file_that_is_not_there(arguments: str, code: str, wrong: str) -> None:
    Path("sound.yaml").write_text(WRONG.replace("  x --> b\n", "").replace(", outt: 9", ""), encoding="utf-8")
    done = CliRunner().invoke(cli, [*arguments.split(), "--json"])
    assert (done.exit_code, done.stderr) == (1, "")
    assert [each["code"] for each in json.loads(done.stdout)["diagnostics"]] == [code]


def test_json_of_a_valid_spec_has_no_diagnostics() -> None:
    spec = Path(__file__).parents[2] / "specs" / "stacked.yaml"
    facts = json.loads(CliRunner().invoke(cli, ["check", str(spec), "--format", "json"]).stdout)
    assert facts["diagnostics"] == []
    assert facts == json.loads(CliRunner().invoke(cli, ["check", str(spec), "--json"]).stdout)


def test_github_annotates_the_lines(wrong: str) -> None:
    done = CliRunner().invoke(cli, ["check", wrong, "--format", "github"])
    assert done.exit_code == 1
    merge, field = done.stdout.splitlines()
    assert re.match(
        r"::error file=wrong\.yaml,line=5,col=\d+,title=N306::2 arrows meet at the port 'x' of 'b'%0A", merge
    )
    assert field.startswith("::error file=wrong.yaml,line=6,col=21,title=N309::'a' (linear) has no field 'outt'%0A")
    assert field.endswith("%0Ahelp: did you mean 'out'?")


def test_special_characters_of_workflow_commands_are_encoded() -> None:
    # https://github.com/actions/toolkit: escapeData and escapeProperty of core/src/command.ts
    note = Note("100% so", Span("a.yaml", 2))
    diagnostic = Diagnostic("X001", "one\r\ntwo: 3,4", Span("C:\\a,b.yaml", 1, 2, 3), None, (note,))
    assert github_annotation(diagnostic) == (
        "::error file=C%3A\\a%2Cb.yaml,line=1,col=2,title=X001::one%0D%0Atwo: 3,4%0Aa.yaml:2: 100%25 so"
    )
    assert github_annotation(Diagnostic("S009", "gone")) == "::error title=S009::gone"


def test_text_is_the_default(wrong: str) -> None:
    from stackc.core.diagnostics import SpecError

    done = CliRunner().invoke(cli, ["check", wrong])
    assert isinstance(done.exception, SpecError)
    assert [d.code for d in done.exception.diagnostics] == ["N306", "N309"]


def test_concat_along_the_batch_axis_warns(tmp_path: Path) -> None:
    text = "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: |\n  x --> g[gelu] --> join[concat]\n  x --> join\n"
    path = tmp_path / "joined.yaml"
    path.write_text(f"{text}nodes: {{join: {{axis: 0}}}}\n", encoding="utf-8")
    warning = f"'join' (concat) joins along the batch axis; `axis: -1` joins features ({path}:4)"
    assert f"warning: {warning}\n" in CliRunner().invoke(cli, ["check", str(path)]).output
    assert json.loads(CliRunner().invoke(cli, ["check", str(path), "--json"]).output)["warnings"] == [warning]
    path.write_text(text, encoding="utf-8")
    assert "warning" not in CliRunner().invoke(cli, ["check", str(path)]).output
