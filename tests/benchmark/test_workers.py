"""Processes of candidates: real ones, on models of one node, and the errors when they fail or die."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from stackc.benchmark import worker as worker_process
from stackc.benchmark.job import WorkerTask
from stackc.benchmark.workers import Worker
from stackc.core.diagnostics import SpecError
from stackc.runtime import read_npz, write_npz

X = np.arange(1_000_000, dtype="float32")
HEAD = '<ir_version: 10, opset_import: ["" : 18]> g '


def task(folder: Path, body: str = "(float[n] x) => (float[n] y) { y = Neg (x) }", engine: str = "onnx") -> WorkerTask:
    model = folder / "model.onnx"
    model.write_bytes(onnx.parser.parse_model(HEAD + body).SerializeToString())
    write_npz(folder / "inputs.npz", {"x": X})
    files = str(model), "cpu", 1, str(folder / "inputs.npz"), str(folder / "outputs.npz")
    return WorkerTask(engine, *files)  # type: ignore[arg-type]  # each of its own type


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_a_candidate_is_loaded_run_and_ended(engine: str, tmp_path: Path) -> None:
    with Worker.start("it", task(tmp_path, engine=engine), tmp_path) as worker:
        worker.prepare()
        opened = worker.load()
        assert 0 < opened.load_seconds < 60
        assert (opened.clock, opened.off_provider) == ("wall clock", ())
        np.testing.assert_array_equal(read_npz(tmp_path / "outputs.npz")["y"], -X)
        assert all(0 < worker.run() < 10 for _ in range(3))
        if sys.platform == "linux":
            peak = worker.memory().peak
            assert peak is not None
            assert 4_000_000 <= peak < 100_000_000, "the output has 4 MB; ONNX Runtime itself has more"
    assert worker._process.returncode == -signal.SIGKILL


def test_its_threads_are_at_rest_before_the_next_candidate_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent starts the next candidate at the answer: it is sent after the run and the wait for rest."""
    events: list[str] = []

    class Pipe(io.StringIO):
        def write(self, text: str) -> int:
            events.append(text.strip())
            return super().write(text)

    def answers(_: object) -> Iterator[dict[str, float]]:
        events.append("run")
        yield {"seconds": 1.0}

    monkeypatch.setattr(worker_process, "_answers", answers)
    monkeypatch.setattr(worker_process, "_answer_pipe", Pipe)
    monkeypatch.setattr(worker_process, "_listen", lambda *_: None)
    monkeypatch.setattr(worker_process, "wait_for_rest", lambda: events.append("rest"))
    worker_process.main()
    assert [event for event in events if event] == ["run", "rest", '{"seconds": 1.0}']


@pytest.mark.slow
def test_it_waits_without_taking_processor_time(tmp_path: Path) -> None:
    with Worker.start("it", task(tmp_path), tmp_path) as worker:
        worker.prepare()
        worker.load()
        stat = Path(f"/proc/{worker.pid}/stat")
        if not stat.exists():
            pytest.skip("only Linux counts the time of other processes in /proc")

        def ticks() -> int:
            return sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13]))

        worker.run()
        time.sleep(0.1)  # threads fall asleep
        before = ticks()
        time.sleep(1)
        assert ticks() - before <= 1


def the_problem(worker: Worker) -> tuple[str, str, str | None]:
    def load_and_run() -> None:
        worker.prepare()
        worker.load()
        worker.run()

    with pytest.raises(SpecError) as raised:
        load_and_run()
    (diagnostic,) = raised.value.diagnostics
    return diagnostic.code, diagnostic.message, diagnostic.hint


NO_OPERATOR = "(float[n] x) => (float[n] y) { y = No (x) }"
BEYOND = "(float[n] x) => (float[1] y) <int64[1] i = {9}, float[1] v = {1.0}> { y = Gather (v, i) }"
TWO_INPUTS = "(float[n] x, float[n] z) => (float[n] y) { y = Add (x, z) }"
SEQUENCE = "(float[n] x) => (seq(float[n]) y) { y = SequenceConstruct (x) }"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "engine", "code", "message"),
    [
        (NO_OPERATOR, "onnx", "R405", "ONNX Runtime cannot open "),
        (NO_OPERATOR, "openvino", "R431", "'it' fails: "),
        (BEYOND, "onnx", "R406", "'it' fails: the model does not run on these inputs: "),
        (TWO_INPUTS, "onnx", "R406", "'it' fails: the model does not run on these inputs: "),
        (SEQUENCE, "onnx", "R431", "'it' fails: its output 'y' is not a tensor"),
    ],
)
def test_error_a_candidate_fails(body: str, engine: str, code: str, message: str, tmp_path: Path) -> None:
    with Worker.start("it", task(tmp_path, body, engine), tmp_path) as worker:
        problem = the_problem(worker)
    assert problem[0] == code
    assert problem[1].startswith(message)


@pytest.mark.slow
def test_error_killed(tmp_path: Path) -> None:
    with Worker.start("it", task(tmp_path), tmp_path) as worker:
        worker.prepare()
        os.kill(worker.pid, signal.SIGKILL)
        hint = "the system kills processes if memory runs out: choose smaller sizes with `--dims`"
        assert the_problem(worker) == ("R432", "the process of 'it' was killed by SIGKILL", hint)


@pytest.mark.slow
def test_error_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that cannot even start is reported with the last line of its log."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "onnxruntime.py").write_text("import os; print('no good', flush=True); os._exit(3)")
    with Worker.start("it", task(tmp_path), tmp_path) as worker:
        assert the_problem(worker) == ("R432", "the process of 'it' ended with exit status 3: no good", None)


PARENT = """
import sys, time
from pathlib import Path
from stackc.benchmark.job import read_task
from stackc.benchmark.workers import Worker
folder = Path(sys.argv[1])
worker = Worker.start("it", read_task((folder / "task").read_text()), folder)
worker.prepare()
print(worker.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    from stackc.benchmark.job import task_line

    (tmp_path / "task").write_text(task_line(task(tmp_path)))
    parent = subprocess.Popen([sys.executable, "-c", PARENT, tmp_path], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 30
    while alive(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(child)


def alive(process: int) -> bool:
    """Return whether a process runs; one that has ended and is not reaped yet does not."""
    try:
        os.kill(process, 0)
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
