"""Ten thousand specs with random mistakes: each is accepted or refused with diagnostics, fast and safely.

They are checked in separate processes (`child.py`), which may use 500 MB, may execute nothing, and may read only the
folder of the spec. To look at one of them:

    python -c "from tests.mutated.child import spec_of; print(*spec_of(4711), sep='\\n')"
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COUNT, PROCESSES = 10_000, 2
TIMEOUT = 20 * 60  # seconds, in case that the limit of CPU time does not end a process

FILES = {
    "outside.yaml": "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: |\n  x --> gelu\n",
    "project/neighbour.yaml": (
        "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: |\n  x --> layer\n"
        "blocks:\n  layer:\n    inputs: [x]\n    graph: |\n      x --> gelu\n"
    ),
    "project/neighbour.md": (
        "```yaml\nstackc: 1\nname: one\ninputs: {x: {shape: [batch, 8]}}\ngraph: |\n  x --> layer\n"
        "blocks:\n  layer:\n    inputs: [x]\n    graph: |\n      x --> gelu\n```\n"
    ),
    "project/circular.yaml": (
        "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: |\n  x --> a\n"
        "blocks:\n  a:\n    inputs: [x]\n    graph: |\n      x --> b\n    nodes: {b: {op: circular.yaml}}\n"
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with files that its specs may include, and a link to a file outside, which they may not."""
    (tmp_path / "project").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "project" / "linked.yaml").symlink_to(tmp_path / "outside.yaml")
    return tmp_path / "project"


def start(project: Path, first: int, count: int, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.mutated.child", str(project), str(first), str(count), *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


def summary_of(process: subprocess.Popen[str], project: Path, first: int) -> dict[str, Any]:
    """Return the summary of a process. Fails with the spec on which it died, if it did."""
    output, errors = process.communicate(timeout=TIMEOUT)
    if process.returncode:
        at = (project / f"seed_{first}").read_text(encoding="utf-8").strip()
        pytest.fail(f"seed {at} ended the process with {process.returncode}: {errors}\n{text_of(at)}")
    summary: dict[str, Any] = json.loads(output)
    return summary


def text_of(seed: object) -> str:
    code = f"from tests.mutated.child import spec_of; print(*spec_of({seed}), sep='\\n')"
    return subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the limits of a process are those of POSIX")
def test_ten_thousand_texts_are_accepted_or_refused_with_diagnostics(project: Path) -> None:
    share = COUNT // PROCESSES
    processes = {first: start(project, first, share) for first in range(0, COUNT, share)}
    parts = [summary_of(process, project, first) for first, process in processes.items()]
    for wrong in (wrong for part in parts for wrong in part["wrong"]):
        pytest.fail(f"seed {wrong['seed']}: {wrong['what']}\n{text_of(wrong['seed'])}")
    assert sum(part["checked"] for part in parts) == COUNT

    # They reach every stage: most codes that a text can cause are reported, and some texts are still valid.
    assert sum(part["sound"] for part in parts) > COUNT / 50
    codes = {code for part in parts for code in part["codes"]}
    assert {code[0] for code in codes} >= set("SXNTWLG")
    assert len(codes) > 45


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the limits of a process are those of POSIX")
def test_every_kind_of_violation_is_noticed(project: Path) -> None:
    """A violation is reported with its seed. A process that hangs is ended, and its spec is shown."""
    expected = ("ZeroDivisionError", "open (", "exec (", "subprocess.Popen", "MemoryError", " s")
    violations = summary_of(start(project, 0, len(expected), "--faulty"), project, 0)["wrong"]
    assert [violation["seed"] for violation in violations] == list(range(len(expected)))
    assert all(words in violation["what"] for words, violation in zip(expected, violations, strict=True))
    with pytest.raises(pytest.fail.Exception, match=r"^seed 6 ended the process"):
        summary_of(start(project, 6, 1, "--faulty"), project, 6)
