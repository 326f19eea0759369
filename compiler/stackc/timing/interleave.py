"""Time candidates in turns, so that whatever slows the machine slows all of them equally."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import numpy as np

from stackc.timing.rest import wait_for_rest
from stackc.timing.statistics import OPENING_SPREAD, Comparison, Repetition, Seconds, compare_candidates
from stackc.timing.system_load import busy_cores, usage

Candidate = Callable[[], object]
Timed = Callable[[], float]
"""Runs a candidate once and returns the seconds that it took."""
Clock = Callable[[], float]
Rest = Callable[[], None]

WINDOW = 5  # rounds whose medians are compared to see whether a candidate still becomes faster
STABLE = 0.95  # of the median of the previous window: below it a candidate is still warming up


def measure(
    candidates: Mapping[str, Candidate],
    *,
    seconds: float = 5.0,
    rounds: tuple[int, int] = (20, 1000),
    seed: int = 0,
    window: int = WINDOW,
    clock: Clock = time.perf_counter,
    rest: Rest = wait_for_rest,
    opening_spread: float = 0.0,
) -> Comparison:
    """Time candidates of this process in one repetition; the first is the baseline of the others.

    After each run, `rest` waits until its threads have left the cores to the next candidate. The intervals allow for
    `opening_spread`, by which the speed of a candidate differs each time it is opened.
    """
    runs = {name: partial(_time, candidate, clock, rest) for name, candidate in candidates.items()}
    with _without_garbage_collection():
        repetition = interleave(runs, seconds=seconds, rounds=rounds, window=window, clock=clock)
    return compare_candidates(list(runs), [repetition], seed=seed, opening_spread=opening_spread)


def measure_briefly(
    candidates: Mapping[str, Candidate], *, clock: Clock = time.perf_counter, rest: Rest = wait_for_rest
) -> Comparison:
    """Time candidates as a build does: 2.5 s in all for two that take a tenth of a second, warming up included."""
    return measure(
        candidates,
        seconds=1.6,
        rounds=(10, 1000),
        window=2,
        clock=clock,
        rest=rest,
        opening_spread=OPENING_SPREAD,
    )


def interleave(
    runs: Mapping[str, Timed],
    *,
    seconds: float = 5.0,
    rounds: tuple[int, int] = (20, 1000),
    window: int = WINDOW,
    clock: Clock = time.perf_counter,
    processes: Collection[int] = (),
) -> Repetition:
    """Run candidates that time themselves in turns, A B A B, after all of them are warm.

    Rounds take `seconds`, with the minimum and maximum number in `rounds`; warming up takes at most as long again, and
    at least `window` rounds. `processes` are those that the candidates run in, besides this one.
    """
    _warm_up(runs, seconds, window, clock)

    before = usage(processes)
    table = _rounds(runs, seconds, rounds, clock)
    return Repetition(table, busy_cores(before, usage(processes)))


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Keep the pauses of the garbage collector out of the candidates' times."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _warm_up(runs: Mapping[str, Timed], seconds: float, window: int, clock: Clock) -> None:
    """Run windows of rounds until no candidate becomes faster any more, or the time is up."""
    before = _rounds(runs, seconds, (window, window), clock)
    end = clock() + seconds
    while clock() < end:
        after = _rounds(runs, seconds, (window, window), clock)
        if np.all(np.median(after, axis=0) >= STABLE * np.median(before, axis=0)):
            return
        before = after


def _rounds(runs: Mapping[str, Timed], seconds: float, rounds: tuple[int, int], clock: Clock) -> Seconds:
    """Return the seconds of each run, [round, candidate]."""
    fewest, most = rounds
    rows: list[list[float]] = []
    end = clock() + seconds
    while len(rows) < fewest or (len(rows) < most and clock() < end):
        rows.append([run() for run in runs.values()])
    return np.array(rows)


def _time(candidate: Candidate, clock: Clock, rest: Rest) -> float:
    start = clock()
    candidate()
    seconds = clock() - start

    rest()
    return seconds
