"""A process that times one candidate, turn by turn: `python -m stackc.benchmark.worker`, started by workers.py.

It reads a job from its standard input, prepares for it, loads it when it is told to, and then waits for its turns,
which takes no processor time. When the pipe closes it ends at once, whatever it is doing, with all that it has started.
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

from stackc.benchmark.engines import Load, Ready, contiguous, open_engine
from stackc.benchmark.job import Memory, Opened, WorkerTask, error_text, read_job
from stackc.benchmark.memory import forget_most, most_resident, resident, taken_on
from stackc.benchmark.stopwatch import Stopwatch
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.runtime import read_npz, write_npz

Answer = dict[str, Any]


def main() -> None:
    """Answer every line that comes with a line."""
    orders: SimpleQueue[str] = SimpleQueue()
    answers = _answers()
    threading.Thread(target=_listen, args=(sys.stdin, orders), daemon=True).start()
    try:
        for answer in _served(orders):
            print(json.dumps(answer), file=answers, flush=True)
    except SpecError as error:
        print(json.dumps(error_text(error.diagnostics)), file=answers, flush=True)
    except Exception as error:  # of any library, about this candidate: the parent says whose it is
        first_paragraph = str(error).strip().partition("\n\n")[0]
        cause = " ".join(first_paragraph.split()) or type(error).__name__
        print(json.dumps(error_text((Diagnostic("R431", cause),))), file=answers, flush=True)
        raise


def _served(orders: SimpleQueue[str]) -> Iterator[Answer]:
    """The answers to a job, to "load", and to every "run" and "memory" from then on."""
    job = read_job(orders.get())
    feeds = contiguous(read_npz(Path(job.inputs)))
    load, watch = open_engine(job, feeds)
    yield {}
    assert orders.get() == "load"
    loaded = _Loaded.by(load, watch, job)
    yield dataclasses.asdict(loaded.opened)
    while True:
        yield {"run": loaded.run, "memory": loaded.memory}[orders.get()]()


def _answers() -> TextIO:
    """The pipe to the parent; whatever libraries print goes to the error stream from now on."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(pipe, "w", encoding="utf-8")


def _listen(stream: TextIO, orders: SimpleQueue[str]) -> NoReturn:
    """Hand on each line; at the end of the stream nobody is left to answer to."""
    for line in stream:
        orders.put(line.strip())
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A candidate that has run once, and the memory that there was before."""

    ready: Ready
    watch: Stopwatch
    before: Memory
    device: str
    opened: Opened

    @staticmethod
    def by(load: Load, watch: Stopwatch, job: WorkerTask) -> _Loaded:
        """Load it, run it once, and write what it makes."""
        gc.collect()
        forget_most()
        before = Memory(resident(), taken_on(job.device))
        start = time.perf_counter()
        ready = load()
        made: list[object] = []
        watch.time(lambda: made.append(ready.run()))
        outputs = ready.outputs(made.pop())
        seconds = time.perf_counter() - start
        if odd := [name for name, value in outputs.items() if not isinstance(value, np.ndarray)]:
            raise SpecError(Diagnostic("R431", f"its output '{odd[0]}' is no tensor"))
        write_npz(Path(job.outputs), outputs)
        gc.freeze()
        gc.disable()  # what it takes now and then is no candidate's own
        return _Loaded(ready, watch, before, job.device, Opened(seconds, watch.clock, ready.off_provider))

    def run(self) -> Answer:
        """The seconds of one run."""
        return {"seconds": self.watch.time(self.ready.run)}

    def memory(self) -> Answer:
        """What it took beyond what there was."""
        peak = _beyond(self.before.peak, most_resident())
        return dataclasses.asdict(Memory(peak, _beyond(self.before.device, taken_on(self.device))))


def _beyond(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(0, after - before)


if __name__ == "__main__":
    main()
