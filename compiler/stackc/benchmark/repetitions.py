"""One repetition: every candidate opened in its own process, timed in turns with the others, and closed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackc.benchmark.candidates import BenchmarkCandidate, LeftOut
from stackc.benchmark.job import Memory, Opened, WorkerTask
from stackc.benchmark.workers import Worker
from stackc.core.diagnostics import SpecError
from stackc.core.progress import Progress
from stackc.timing import Repetition, interleave


@dataclass(frozen=True, slots=True)
class BenchmarkJob:
    """A candidate, the task of its process, and a folder for it."""

    candidate: BenchmarkCandidate
    task: WorkerTask
    folder: Path


@dataclass(frozen=True, slots=True)
class OpenCandidate:
    """A candidate that has run once, and waits for its turns."""

    job: BenchmarkJob
    worker: Worker
    opened: Opened

    @property
    def name(self) -> str:
        """The name of the candidate."""
        return self.job.candidate.name


@dataclass(frozen=True, slots=True)
class RepetitionResult:
    """What one repetition measured for each candidate, by name; columns of the rounds are in the order asked for."""

    opened: Mapping[str, Opened]
    memory: Mapping[str, Memory]
    repetition: Repetition


@contextlib.contextmanager
def open_candidates(
    jobs: Sequence[BenchmarkJob], report: Progress
) -> Iterator[tuple[list[OpenCandidate], list[LeftOut]]]:
    """Open every candidate, one after the other so that each loads alone; leaving the context ends all of them.

    An optional candidate that fails is left out. Raises SpecError if another one fails, or if a process ends.
    """
    opened: list[OpenCandidate] = []
    left_out: list[LeftOut] = []
    with contextlib.ExitStack() as processes:
        workers = [processes.enter_context(Worker.start(job.candidate.name, job.task, job.folder)) for job in jobs]

        # all processes import their libraries before the first candidate is loaded
        prepared: list[tuple[BenchmarkJob, Worker]] = []
        for job, worker in zip(jobs, workers, strict=True):
            with _skip_optional(job.candidate, left_out):
                worker.prepare()
                prepared.append((job, worker))

        for job, worker in prepared:
            with _skip_optional(job.candidate, left_out):
                opened.append(OpenCandidate(job, worker, worker.load()))
                report("open", f"{opened[-1].name}: ran once after {opened[-1].opened.load_seconds:.2f} s")
        yield opened, left_out


@contextlib.contextmanager
def _skip_optional(candidate: BenchmarkCandidate, left_out: list[LeftOut]) -> Iterator[None]:
    """Leave out an optional candidate that fails instead of raising."""
    try:
        yield
    except SpecError as error:
        if not candidate.optional or any(diagnostic.code != "R431" for diagnostic in error.diagnostics):
            raise
        left_out.append(LeftOut(candidate.name, error.diagnostics[0].message))


def time_repetition(
    opened: Sequence[OpenCandidate], names: Sequence[str], seconds: float, rounds: tuple[int, int]
) -> RepetitionResult:
    """Time the rounds of one repetition, and read the memory that the candidates have used by then.

    `names` is the order of the columns of the result.
    """
    runs = {candidate.name: candidate.worker.run for candidate in opened}
    processes = [candidate.worker.pid for candidate in opened]
    repetition = interleave(runs, seconds=seconds, rounds=rounds, processes=processes)

    columns = [list(runs).index(name) for name in names]
    return RepetitionResult(
        {candidate.name: candidate.opened for candidate in opened},
        {candidate.name: candidate.worker.memory() for candidate in opened},
        Repetition(repetition.seconds[:, columns], repetition.others),
    )
