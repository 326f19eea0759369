"""The process that times one candidate, turn by turn: `python -m stackc.benchmark.worker`, started by workers.py.

It reads a task from its standard input, prepares for it, loads the candidate on command, and then waits for its turns
without using processor time. When the pipe closes, it ends at once together with all processes that it has started.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NoReturn, TextIO

import numpy as np

from stackc.benchmark.engines import Load, LoadedCandidate, contiguous, open_engine
from stackc.benchmark.job import Memory, Opened, WorkerTask, error_answer, read_task
from stackc.benchmark.memory import peak_resident, reset_peak, resident, used_on
from stackc.benchmark.stopwatch import Stopwatch
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.runtime import read_npz, write_npz
from stackc.timing import wait_for_rest

Answer = dict[str, Any]


def main() -> None:
    """Answer every line of the standard input with a line."""
    orders: SimpleQueue[str] = SimpleQueue()
    pipe = _answer_pipe()
    threading.Thread(target=_listen, args=(sys.stdin, orders), daemon=True).start()
    try:
        for answer in _answers(orders):
            wait_for_rest()  # the next candidate has its turn as soon as the parent has this answer
            print(json.dumps(answer), file=pipe, flush=True)
    except SpecError as error:
        print(json.dumps(error_answer(error.diagnostics)), file=pipe, flush=True)
    except Exception as error:  # of any library; the parent adds the name of the candidate
        first_paragraph = str(error).strip().partition("\n\n")[0]
        cause = " ".join(first_paragraph.split()) or type(error).__name__
        print(json.dumps(error_answer((Diagnostic("R431", cause),))), file=pipe, flush=True)
        raise


def _answers(orders: SimpleQueue[str]) -> Iterator[Answer]:
    """Yield the answers to a task, to "load", and from then on to every "run" and "memory"."""
    task = read_task(orders.get())
    feeds = contiguous(read_npz(Path(task.inputs)))
    load, watch = open_engine(task, feeds)
    yield {}

    assert orders.get() == "load"
    running = _RunningCandidate.start(load, watch, task)
    yield dataclasses.asdict(running.opened)

    while True:
        yield {"run": running.run, "memory": running.memory}[orders.get()]()


def _answer_pipe() -> TextIO:
    """Return the pipe to the parent; from now on, whatever libraries print goes to the error stream."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(pipe, "w", encoding="utf-8")


def _listen(stream: TextIO, orders: SimpleQueue[str]) -> NoReturn:
    """Queue each line. At the end of the stream the parent is gone: kill this process and all that it started."""
    for line in stream:
        orders.put(line.strip())
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


@dataclass(frozen=True, slots=True)
class _RunningCandidate:
    """A candidate that has run once, and the memory of the process before."""

    loaded: LoadedCandidate
    watch: Stopwatch
    before: Memory
    device: str
    opened: Opened

    @staticmethod
    def start(load: Load, watch: Stopwatch, task: WorkerTask) -> _RunningCandidate:
        """Load the candidate, run it once, and write its outputs."""
        gc.collect()
        reset_peak()
        before = Memory(resident(), used_on(task.device))

        start = time.perf_counter()
        loaded = load()
        results: list[object] = []
        watch.time(lambda: results.append(loaded.run()))
        outputs = loaded.outputs(results.pop())
        seconds = time.perf_counter() - start

        for name, value in outputs.items():
            if not isinstance(value, np.ndarray):
                raise SpecError(Diagnostic("R431", f"its output '{name}' is not a tensor"))
        write_npz(Path(task.outputs), outputs)

        # keep the pauses of the garbage collector out of the candidate's times
        gc.freeze()
        gc.disable()
        opened = Opened(seconds, watch.clock, loaded.off_provider)
        return _RunningCandidate(loaded, watch, before, task.device, opened)

    def run(self) -> Answer:
        """Run once and return the seconds."""
        return {"seconds": self.watch.time(self.loaded.run)}

    def memory(self) -> Answer:
        """Return the memory used beyond that of the process before."""
        peak = _increase(self.before.peak, peak_resident())
        return dataclasses.asdict(Memory(peak, _increase(self.before.device, used_on(self.device))))


def _increase(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(0, after - before)


if __name__ == "__main__":
    main()
