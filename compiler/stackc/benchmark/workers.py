"""Candidates in processes of their own, as their parent sees them: started one after the other, run in turns, ended.

So the thread pools of one do not disturb another, numbers of threads can differ, and memory is truly a candidate's.
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

from stackc.benchmark.job import Memory, Opened, WorkerTask, job_line
from stackc.core.diagnostics import Diagnostic, SpecError

_MORE_MEMORY = "a system kills what takes more memory than there is: smaller sizes (`--dims`) take less"


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that times the candidate `name`. It is ended, with all that it has started, at the end of a `with`."""

    name: str
    log: Path
    _process: subprocess.Popen[str]

    @staticmethod
    def start(name: str, job: WorkerTask, folder: Path) -> Worker:
        """A process that prepares itself for a job; it may write what it likes to the folder."""
        log = folder / "log"
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            # where torch.compile keeps what it has compiled: nothing at first, or it would be loaded from there
            "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        }
        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "stackc.benchmark.worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8",
                env=environment, start_new_session=True,
            )  # fmt: skip
        worker = Worker(name, log, process)
        worker._tell(job_line(job))
        return worker

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def prepare(self) -> None:
        """Wait until its libraries are imported. Raises SpecError: R431 where that fails, R432 where the process ends,
        as all that follows does, and what sessions and weights raise."""
        self._answer()

    def load(self) -> Opened:
        """Load the candidate and run it once."""
        found = self._ask("load")
        return Opened(**found | {"off_provider": tuple(found["off_provider"])})

    def run(self) -> float:
        """The seconds of one run."""
        return float(self._ask("run")["seconds"])

    def memory(self) -> Memory:
        """What it has taken so far."""
        return Memory(**self._ask("memory"))

    def _ask(self, order: str) -> dict[str, Any]:
        self._tell(order)
        return self._answer()

    def _tell(self, order: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # of a process that has ended: `_answer` says how
            self._process.stdin.write(order + "\n")
            self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith("\n"):
            raise SpecError(self._ended())
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise SpecError(*(self._told(Diagnostic(**found)) for found in answer["failed"]))
        return answer

    def _told(self, found: Diagnostic) -> Diagnostic:
        """What the process found, with the name of its candidate where the message does not say whose it is."""
        if found.code not in ("R406", "R431"):
            return found
        hint = found.hint or "`--only` names the engines to time"
        return replace(found, message=f"'{self.name}' fails: {found.message}", hint=hint)

    def _ended(self) -> Diagnostic:
        status = self._process.wait()
        if status >= 0:
            last = self.log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
            message = f"the process of '{self.name}' ended with exit status {status}" + (f": {last}" if last else "")
            return Diagnostic("R432", message)
        names = {number.value: number.name for number in signal.Signals}
        hint = _MORE_MEMORY if names.get(-status) == "SIGKILL" else None
        killed = names.get(-status, f"signal {-status}")
        return Diagnostic("R432", f"the process of '{self.name}' was ended by {killed}", hint=hint)

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
