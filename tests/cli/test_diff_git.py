"""`stackc diff --git`: a spec in two revisions, with the files that it includes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stackc.cli import cli

PART = "stackc: 1\ninputs: {{x: {{shape: [batch, 8]}}}}\ngraph: x --> y[linear]\nnodes: {{y: {{out: {out}}}}}\n"
WHOLE = """\
stackc: 1
inputs: {x: {shape: [batch, 8]}}
graph: x --> part --> z[gelu]
nodes: {part: {op: parts/part.yaml}}
"""


def git(*arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three states of a part: out is 4 in the first commit, 16 in the second, 32 in the file as it is."""
    folder = tmp_path / "repository" / "models"
    (folder / "parts").mkdir(parents=True)
    monkeypatch.chdir(folder)
    (folder / "whole.yaml").write_text(WHOLE, encoding="utf-8")
    git("init", "-q", "-b", "main", "..")
    for out in (4, 16):
        (folder / "parts" / "part.yaml").write_text(PART.format(out=out), encoding="utf-8")
        git("add", "-A")
        git("commit", "-q", "-m", f"out {out}")
    (folder / "parts" / "part.yaml").write_text(PART.format(out=32), encoding="utf-8")
    return folder


def diff(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["diff", *arguments])


@pytest.mark.parametrize(
    ("revisions", "expected"),
    [("HEAD~1..HEAD", (36, 144)), ("HEAD..HEAD~1", (144, 36)), ("HEAD~1..", (36, 144)), ("HEAD", (144, 288))],
)
def test_each_revision_has_its_own_parts(revisions: str, expected: tuple[int, int], repository: Path) -> None:
    done = diff("--git", revisions, "whole.yaml", "--json")
    facts = json.loads(done.stdout)
    assert "diagnostics" not in facts, facts
    assert (facts["before"]["parameters"], facts["after"]["parameters"]) == expected
    assert Path.cwd() == repository
    absolute = diff("--git", revisions, str(repository / "whole.yaml"), "--json")
    assert json.loads(absolute.stdout)["before"] == facts["before"]


def test_places_are_those_of_the_repository() -> None:
    changes = json.loads(diff("--git", "HEAD~1..HEAD", "whole.yaml", "--json").stdout)["changes"]
    files = {side.partition(":")[0] for change in changes for side in change["at"].values()}
    assert files == {"models/parts/part.yaml", "models/whole.yaml"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--git", "nothing..HEAD", "whole.yaml"], "no revision nothing"),
        (["--git", "HEAD~1..HEAD", "other.yaml"], "HEAD~1 has no models/other.yaml"),
        (["--git", "..HEAD", "whole.yaml"], "'..HEAD' is not REV..REV"),
        (["--git", "HEAD...HEAD", "whole.yaml"], "is not REV..REV"),
        (["--git", "--output=x..HEAD", "whole.yaml"], "is not REV..REV"),
        (["--git", "HEAD", "whole.yaml", "whole.yaml"], "name one"),
        (["whole.yaml"], "name two specs, or one with --git REV..REV"),
    ],
)
def test_error(arguments: list[str], message: str) -> None:
    done = diff(*arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_error_outside_of_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "whole.yaml").write_text(WHOLE, encoding="utf-8")
    done = diff("--git", "HEAD", str(tmp_path / "whole.yaml"))
    assert done.exit_code == 2
    assert "not a git repository" in " ".join(done.output.split())
