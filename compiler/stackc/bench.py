"""Speed: candidates timed in turns, so that what slows the machine slows all of them alike.

Medians are compared, and a ratio comes with the interval that resampling the rounds gives it: where that contains 1,
there is no difference to speak of, and the word for it is noise.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stackc.runtime import Feeds, Session

if TYPE_CHECKING:
    import torch

Candidate = Callable[[], object]
Clock = Callable[[], float]
Seconds = NDArray[np.float64]

RESAMPLES = 2000
WINDOW = 5  # rounds whose medians are compared to see whether a candidate still becomes faster
STABLE = 0.95  # of the window before: less is still warming up


@dataclass(frozen=True, eq=False)
class Timing:
    """The seconds that one candidate took, round by round."""

    seconds: Seconds = field(repr=False)

    def percentile(self, percent: float) -> float:
        """The seconds within which that share of the rounds ended."""
        return float(np.percentile(self.seconds, percent))

    @property
    def median(self) -> float:
        """The seconds of the middle round."""
        return self.percentile(50)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median of `candidate` over median of `baseline`, with its 95 % interval: below 1 the candidate is faster."""

    candidate: str
    baseline: str
    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """ "faster", "slower", or "noise" where the interval contains 1."""
        if self.low <= 1 <= self.high:
            return "noise"
        return "faster" if self.high < 1 else "slower"

    def __str__(self) -> str:
        return (
            f"{self.candidate} / {self.baseline} = {self.value:.2f} ({self.low:.2f} to {self.high:.2f}): {self.verdict}"
        )


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `measure` saw: a timing a candidate, in order, and the ratio of each to the first.

    `others` is how many cores other programs kept busy meanwhile, None where the system does not tell. Figures of more
    than one thread mean little unless it is near 0: a thread that waits for its turn holds up all others of its team.
    """

    timings: Mapping[str, Timing]
    ratios: tuple[Ratio, ...]
    others: float | None

    def to_json(self) -> dict[str, Any]:
        """The figures, in milliseconds, for a report."""
        rows = {
            name: {"rounds": len(timing.seconds), **{f"p{p}": timing.percentile(p) * 1e3 for p in (50, 90, 99)}}
            for name, timing in self.timings.items()
        }
        ratios = [
            {"candidate": r.candidate, "baseline": r.baseline, "ratio": r.value, "interval": [r.low, r.high]}
            | {"verdict": r.verdict}
            for r in self.ratios
        ]
        return {"milliseconds": rows, "ratios": ratios, "busy_cores_of_others": self.others}


def measure(
    candidates: Mapping[str, Candidate],
    *,
    seconds: float = 5.0,
    rounds: tuple[int, int] = (20, 1000),
    seed: int = 0,
    clock: Clock = time.perf_counter,
) -> Comparison:
    """Time the candidates in turns, A B A B, after all of them are warm; the first is the baseline of the others.

    Rounds go on for `seconds`, but for no fewer and no more than `rounds` says; warming up takes as long again at most.
    """
    with _without_garbage_collection():
        _warm_up(candidates, seconds, clock)
        before = _usage()
        table = _rounds(candidates, seconds, rounds, clock)
        others = _others(before, _usage())
    timings = {name: Timing(column) for name, column in zip(candidates, table.T, strict=True)}
    first, *compared = timings
    return Comparison(timings, tuple(_compare(name, first, timings, seed) for name in compared), others)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """What the garbage collector takes now and then is no candidate's own."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(frozen=True, slots=True)
class _Usage:
    """Seconds since some moment: on the wall, of all processors at work, of them for this process."""

    wall: float
    machine: float
    own: float


def _usage() -> _Usage | None:
    """What Linux has counted so far; None on other systems."""
    if sys.platform != "linux":
        return None
    columns = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, columns)
    ticks = user + nice + system + irq + softirq + steal
    return _Usage(time.perf_counter(), ticks / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4]))


def _others(before: _Usage | None, after: _Usage | None) -> float | None:
    if before is None or after is None:
        return None
    others = (after.machine - before.machine) - (after.own - before.own)
    return max(0.0, others / (after.wall - before.wall))


def _warm_up(candidates: Mapping[str, Candidate], seconds: float, clock: Clock) -> None:
    before = _rounds(candidates, seconds, (WINDOW, WINDOW), clock)
    end = clock() + seconds
    while clock() < end:
        after = _rounds(candidates, seconds, (WINDOW, WINDOW), clock)
        if np.all(np.median(after, axis=0) >= STABLE * np.median(before, axis=0)):
            return
        before = after


def _rounds(candidates: Mapping[str, Candidate], seconds: float, rounds: tuple[int, int], clock: Clock) -> Seconds:
    """Seconds, [round, candidate]."""
    fewest, most = rounds
    rows: list[list[float]] = []
    end = clock() + seconds
    while len(rows) < fewest or (len(rows) < most and clock() < end):
        rows.append([_time(candidate, clock) for candidate in candidates.values()])
    return np.array(rows)


def _time(candidate: Candidate, clock: Clock) -> float:
    start = clock()
    candidate()
    return clock() - start


def _compare(name: str, baseline: str, timings: Mapping[str, Timing], seed: int) -> Ratio:
    """The ratio of medians; rounds are resampled whole, since both candidates of a round met the same machine."""
    a, b = timings[name].seconds, timings[baseline].seconds
    picked = np.random.default_rng(seed).integers(0, len(a), (RESAMPLES, len(a)))
    ratios = np.median(a[picked], axis=1) / np.median(b[picked], axis=1)
    low, high = np.percentile(ratios, (2.5, 97.5))
    return Ratio(name, baseline, float(np.median(a) / np.median(b)), float(low), float(high))


def session_candidate(session: Session, feeds: Feeds) -> Candidate:
    """A session on inputs that lie on its device; its `threads` were set when it was opened."""
    return session.bind(feeds)


def eager_candidate(module: torch.nn.Module, inputs: Sequence[torch.Tensor], threads: int) -> Candidate:
    """The module on its inputs, eagerly, in eval and inference mode, until the device is done.

    `threads` is set for the whole process, as PyTorch has it: open the session with the same number.
    """
    import torch

    torch.set_num_threads(threads)
    module.eval()
    on_gpu = any(tensor.is_cuda for tensor in inputs)

    def run() -> None:
        with torch.inference_mode():
            module(*inputs)
        if on_gpu:
            torch.cuda.synchronize()

    return run
