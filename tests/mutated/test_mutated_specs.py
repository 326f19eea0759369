"""Ten thousand specs with random mistakes: each is checked or refused in words, in no time, and never anything else.

They are checked in processes of their own (`child.py`), which may take 500 MB, may execute nothing, and may read what
lies in the folder of the spec and nothing else. To look at one of them:

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
HOPELESS = 20 * 60  # seconds after which not even the limit of its CPU time has ended a process

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
    """A folder with files that its specs may include, beside one that they may not, to which a link leads."""
    (tmp_path / "project").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "project" / "linked.yaml").symlink_to(tmp_path / "outside.yaml")
    return tmp_path / "project"


def start(project: Path, first: int, count: int, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.mutated.child", str(project), str(first), str(count), *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


def finished(process: subprocess.Popen[str], project: Path, first: int) -> dict[str, Any]:
    """What a process has found; a failure that shows the spec which it died of."""
    told, errors = process.communicate(timeout=HOPELESS)
    if process.returncode:
        at = (project / f"seed_{first}").read_text(encoding="utf-8").strip()
        pytest.fail(f"seed {at} ended the process with {process.returncode}: {errors}\n{text_of(at)}")
    found: dict[str, Any] = json.loads(told)
    return found


def text_of(seed: object) -> str:
    code = f"from tests.mutated.child import spec_of; print(*spec_of({seed}), sep='\\n')"
    return subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="the limits of a process are those of POSIX")
def test_ten_thousand_texts_are_checked_or_refused_in_words(project: Path) -> None:
    share = COUNT // PROCESSES
    processes = {first: start(project, first, share) for first in range(0, COUNT, share)}
    found = [finished(process, project, first) for first, process in processes.items()]
    for wrong in (wrong for part in found for wrong in part["wrong"]):
        pytest.fail(f"seed {wrong['seed']}: {wrong['what']}\n{text_of(wrong['seed'])}")
    assert sum(part["checked"] for part in found) == COUNT
    # They reach every stage: most codes that a text can bring about come up, and some texts are still sound.
    assert sum(part["sound"] for part in found) > COUNT / 50
    codes = {code for part in found for code in part["codes"]}
    assert {code[0] for code in codes} == set("SXNTW")
    assert len(codes) > 45


@pytest.mark.skipif(sys.platform == "win32", reason="the limits of a process are those of POSIX")
def test_the_net_has_no_holes(project: Path) -> None:
    """What a process must not do is told by the seed at which it does it; of a hang it dies, and its spec is shown."""
    said = ("ZeroDivisionError", "open (", "exec (", "subprocess.Popen", "MemoryError", " s")
    wrong = finished(start(project, 0, len(said), "--faulty"), project, 0)["wrong"]
    assert [fault["seed"] for fault in wrong] == list(range(len(said)))
    assert all(words in fault["what"] for words, fault in zip(said, wrong, strict=True))
    with pytest.raises(pytest.fail.Exception, match=r"^seed 6 ended the process"):
        finished(start(project, 6, 1, "--faulty"), project, 6)
