"""A sitting: every candidate opened in a process of its own, timed in turns with the others, and ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackc.benchmark.candidates import BenchmarkCandidate, LeftOut
from stackc.benchmark.job import Memory, Opened, WorkerTask
from stackc.benchmark.workers import Worker
from stackc.core.diagnostics import SpecError
from stackc.timing import Repetition, interleave

Report = Callable[[str, str], None]
"""Told the name of each stage when it is done, and what it came to."""


@dataclass(frozen=True, slots=True)
class BenchmarkJob:
    """A contender, what its process is asked to do, and a folder for that."""

    candidate: BenchmarkCandidate
    job: WorkerTask
    folder: Path


@dataclass(frozen=True, slots=True)
class Open:
    """A candidate that has run once, and waits for its turns."""

    job: BenchmarkJob
    worker: Worker
    opened: Opened

    @property
    def name(self) -> str:
        """The candidate's."""
        return self.job.candidate.name


@dataclass(frozen=True, slots=True)
class RepetitionResult:
    """What was found in a sitting: of each candidate by name, and in the order of the names, the rounds."""

    opened: Mapping[str, Opened]
    memory: Mapping[str, Memory]
    repetition: Repetition


@contextlib.contextmanager
def all_open(jobs: Sequence[BenchmarkJob], report: Report) -> Iterator[tuple[list[Open], list[LeftOut]]]:
    """Every candidate, loaded one after the other so that each loads alone; all are ended with the `with`.

    An optional one that fails is left out. SpecError where another fails, or any process ends.
    """
    opened: list[Open] = []
    left_out: list[LeftOut] = []
    with contextlib.ExitStack() as ended:
        workers = [ended.enter_context(Worker.start(job.candidate.name, job.job, job.folder)) for job in jobs]
        prepared: list[tuple[BenchmarkJob, Worker]] = []
        for job, worker in zip(jobs, workers, strict=True):
            with _leaving_out(job.candidate, left_out):
                worker.prepare()
                prepared.append((job, worker))
        for job, worker in prepared:
            with _leaving_out(job.candidate, left_out):
                opened.append(Open(job, worker, worker.load()))
                report("open", f"{opened[-1].name}: ran once after {opened[-1].opened.load_seconds:.2f} s")
        yield opened, left_out


@contextlib.contextmanager
def _leaving_out(candidate: BenchmarkCandidate, left_out: list[LeftOut]) -> Iterator[None]:
    """An optional candidate that fails is noted."""
    try:
        yield
    except SpecError as error:
        if not candidate.optional or any(found.code != "R431" for found in error.diagnostics):
            raise
        left_out.append(LeftOut(candidate.name, error.diagnostics[0].message))


def timed(opened: Sequence[Open], names: Sequence[str], seconds: float, rounds: tuple[int, int]) -> RepetitionResult:
    """The rounds of one sitting, and what the candidates have taken in memory by then."""
    runs = {one.name: one.worker.run for one in opened}
    repetition = interleave(runs, seconds=seconds, rounds=rounds, processes=[one.worker.pid for one in opened])
    columns = [list(runs).index(name) for name in names]
    return RepetitionResult(
        {one.name: one.opened for one in opened},
        {one.name: one.worker.memory() for one in opened},
        Repetition(repetition.seconds[:, columns], repetition.others),
    )
