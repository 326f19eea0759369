"""The process of a candidate, as its parent sees it: started, run in turns with the others, and killed.

With one process each, thread pools do not disturb each other, numbers of threads can differ, and memory can be measured
for each candidate.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from stackc.benchmark.job import Memory, Opened, WorkerTask, task_line
from stackc.core.diagnostics import Diagnostic, SpecError

_OUT_OF_MEMORY = "the system kills processes if memory runs out: choose smaller sizes with `--dims`"


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that times the candidate `name`. Leaving the context kills it and all processes that it has started."""

    name: str
    log: Path
    _process: subprocess.Popen[str]

    @staticmethod
    def start(name: str, task: WorkerTask, folder: Path) -> Worker:
        """Start a process that prepares for a task; it may write anything to the folder."""
        log = folder / "log"
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(_search_path()),
            # the cache of torch.compile, empty at first: otherwise loading would skip the compilation
            "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        }

        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "stackc.benchmark.worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8",
                env=environment, start_new_session=True,
            )  # fmt: skip
        worker = Worker(name, log, process)
        worker._send(task_line(task))
        return worker

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def prepare(self) -> None:
        """Wait until its libraries are imported.

        Raises SpecError, as all other methods do: R431 if the candidate fails, R432 if the process ends, and those of
        sessions and weights.
        """
        self._receive()

    def load(self) -> Opened:
        """Load the candidate and run it once."""
        answer = self._ask("load")
        return Opened(**answer | {"off_provider": tuple(answer["off_provider"])})

    def run(self) -> float:
        """Run the candidate once and return the seconds."""
        return float(self._ask("run")["seconds"])

    def memory(self) -> Memory:
        """Return the memory that the candidate has used so far."""
        return Memory(**self._ask("memory"))

    def _ask(self, order: str) -> dict[str, Any]:
        self._send(order)
        return self._receive()

    def _send(self, order: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the process has ended: `_receive` reports it
            self._process.stdin.write(order + "\n")
            self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith("\n"):
            raise SpecError(self._exit_problem())

        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise SpecError(*(self._with_name(Diagnostic(**fields)) for fields in answer["failed"]))
        return answer

    def _with_name(self, diagnostic: Diagnostic) -> Diagnostic:
        """Add the name of the candidate if the message does not say what it is about."""
        if diagnostic.code not in ("R406", "R431"):
            return diagnostic
        hint = diagnostic.hint or "choose the engines to time with `--only`"
        return replace(diagnostic, message=f"'{self.name}' fails: {diagnostic.message}", hint=hint)

    def _exit_problem(self) -> Diagnostic:
        """Describe how the process ended: its exit status with the last line of its log, or the signal."""
        status = self._process.wait()
        if status >= 0:
            last_line = self.log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
            message = f"the process of '{self.name}' ended with exit status {status}"
            return Diagnostic("R432", f"{message}: {last_line}" if last_line else message)

        names = {number.value: number.name for number in signal.Signals}
        killed_by = names.get(-status, f"signal {-status}")
        hint = _OUT_OF_MEMORY if killed_by == "SIGKILL" else None
        return Diagnostic("R432", f"the process of '{self.name}' was killed by {killed_by}", hint=hint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                assert pipe is not None
                pipe.close()


def _search_path() -> list[str]:
    """Return where a worker finds modules: as this process does, but not in the working directory."""
    here = Path.cwd()
    elsewhere = [path for path in sys.path if path and Path(path).absolute() != here]
    return list(dict.fromkeys([*elsewhere, str(Path(__file__).parents[2])]))
