"""`stackc watch`, as a process beside an editor that saves."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SPEC = "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: x --> y[linear]\nnodes: {y: {out: 4}}\n"


def interruptible() -> None:
    """Handle Ctrl-C as in a shell: pytest may run in the background, where it is ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Watching:
    """A running `stackc watch` and the lines it prints."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "stackc", "watch", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=interruptible
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as printed:
            for line in printed:
                self.lines.put(line)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()

    def line_with(self, part: str) -> str:
        """Return the next line that contains `part`, skipping the lines before it."""
        while part not in (line := self.lines.get(timeout=20)):
            pass
        return line


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "model.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


@pytest.fixture
def watching(spec: Path) -> Iterator[Watching]:
    watching = Watching(str(spec), "-o", str(spec.with_suffix(".svg")))
    yield watching
    watching.end()


def test_it_checks_and_draws_at_every_save_and_ends_on_ctrl_c(spec: Path, watching: Watching) -> None:
    assert "1 component, 36 parameters" in watching.line_with("model: OK")
    first = spec.with_suffix(".svg").read_text(encoding="utf-8")

    spec.write_text(SPEC.replace("out: 4", "out: 16"), encoding="utf-8")
    assert "1 component, 144 parameters" in watching.line_with("model: OK")
    assert spec.with_suffix(".svg").read_text(encoding="utf-8") != first

    spec.write_text(SPEC.replace("out:", "outt:"), encoding="utf-8")
    watching.line_with("error[N309]: 'y' (linear) has no field 'outt'")

    replaced = spec.with_suffix(".new")  # as editors save: a new file under the old name
    replaced.write_text(SPEC, encoding="utf-8")
    replaced.replace(spec)
    watching.line_with("36 parameters")

    spec.unlink()
    watching.line_with("error[S009]")
    spec.write_text(SPEC, encoding="utf-8")
    watching.line_with("36 parameters")

    watching.process.send_signal(signal.SIGINT)
    assert watching.process.wait(timeout=20) == 130
    assert all("Traceback" not in line for line in watching.lines.queue)


def test_a_save_of_an_included_file_counts(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.yaml", tmp_path / "part.yaml"
    part.write_text(SPEC, encoding="utf-8")
    whole.write_text("stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: x --> y\nnodes: {y: {op: part.yaml}}\n")
    watching = Watching(str(whole))
    try:
        watching.line_with("36 parameters")
        part.write_text(SPEC.replace("out: 4", "out: 16"), encoding="utf-8")
        watching.line_with("144 parameters")
        part.write_text(SPEC.replace("out: 4", "out: none"), encoding="utf-8")
        watching.line_with("error[X002]")
        part.write_text(SPEC, encoding="utf-8")
        watching.line_with("36 parameters")
    finally:
        watching.end()


@pytest.mark.parametrize("suffix", [".html", ".png", ".mmd", ".dot"])
def test_it_draws_every_form_of_show(spec: Path, suffix: str) -> None:
    out = spec.with_suffix(suffix)
    watching = Watching(str(spec), "-o", str(out))
    try:
        watching.line_with("36 parameters")
        first = out.read_bytes()
        spec.write_text(SPEC.replace("out: 4", "out: 16"), encoding="utf-8")
        watching.line_with("144 parameters")
        assert out.read_bytes() != first
    finally:
        watching.end()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads CPU times from /proc")
def test_waiting_needs_almost_no_cpu_time(watching: Watching) -> None:
    watching.line_with("model: OK")

    def used() -> float:
        fields = Path(f"/proc/{watching.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    time.sleep(0.5)
    before = used()
    time.sleep(2)
    assert used() - before <= 0.1


def test_error_no_such_spec() -> None:
    gone = subprocess.run(
        [sys.executable, "-m", "stackc", "watch", "gone.yaml"], capture_output=True, text=True, check=False
    )
    assert gone.returncode == 1
    assert "error[S009]" in gone.stderr


def test_error_the_picture_does_not_overwrite_the_spec(tmp_path: Path) -> None:
    spec = tmp_path / "model.mmd"
    text = "---\nstackc: 1\ninputs: {x: {shape: [batch, 8]}}\n---\ngraph LR\n  x --> y[tanh]\n"
    spec.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "stackc", "watch", str(spec), "-o", str(spec)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "is an input of this command and would be lost" in done.stderr
    assert spec.read_text(encoding="utf-8") == text


def test_error_a_picture_of_an_unknown_form(spec: Path) -> None:
    command = [sys.executable, "-m", "stackc", "watch", str(spec), "-o", "a.gif"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "'a.gif' must end in one of .svg" in done.stderr
