"""Statistics of timed rounds: percentiles, and ratios of medians with their intervals.

Medians are compared, and each ratio has an interval by the bootstrap: if it contains 1, the difference is noise. Rounds
are resampled

- whole, since all candidates of a round met the same machine,
- in blocks, since a machine that is slow in one round is slow in the next: sampled one by one, rounds of the very same
  file on a busy machine "differed" in 36 % of the comparisons instead of the nominal 5 %, in blocks in 11 %,
- and by repetition, if candidates were opened several times: two processes of the very same file differ by half a
  percent in every round, by where their memory happens to be. With one process each, half of the comparisons of a file
  with itself found a difference; with three, one in ten. A single opening cannot show by how much the next would
  differ: there each resample draws it, from the spread seen here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]

RESAMPLES = 2000
BLOCKS = 10  # in each resampled repetition
OPENING_SPREAD = 0.005  # standard deviation of the speed of one file, opened again and again, relative to the mean
DISTURBED = 0.15  # cores kept busy by other programs, above which times of several threads are not reliable
PERCENTILES = (50, 90, 99)


@dataclass(frozen=True, eq=False)
class Timing:
    """The seconds of each run of one candidate, round by round."""

    seconds: Seconds = field(repr=False)

    def percentile(self, percent: float) -> float:
        """Return the seconds within which that percentage of the rounds ended."""
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
        """One of "faster", "slower", and "noise" if the interval contains 1."""
        if self.low <= 1 <= self.high:
            return "noise"
        return "faster" if self.high < 1 else "slower"

    def __str__(self) -> str:
        interval = f"{_short(self.low)} to {_short(self.high)}"
        return f"{self.candidate} / {self.baseline} = {_short(self.value)} ({interval}): {self.verdict}"


def _short(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


@dataclass(frozen=True, eq=False)
class Comparison:
    """The timing of each candidate, in order, and the ratio of each to the baseline.

    `others` is how many cores other programs kept busy meanwhile, None if the system does not count that. Figures of
    several threads mean little unless it is near 0: a thread that waits for a core delays all others of its run.
    """

    timings: Mapping[str, Timing]
    ratios: tuple[Ratio, ...]
    others: float | None

    @property
    def disturbed(self) -> bool:
        """Whether other programs kept so much of the machine busy that the figures should be measured again."""
        return self.others is not None and self.others > DISTURBED

    def to_json(self) -> dict[str, Any]:
        """Return the figures for a report, times in milliseconds."""
        rows = {
            name: {"rounds": len(timing.seconds), **{f"p{p}": timing.percentile(p) * 1e3 for p in PERCENTILES}}
            for name, timing in self.timings.items()
        }
        ratios = [
            {"candidate": r.candidate, "baseline": r.baseline, "ratio": r.value, "interval": [r.low, r.high]}
            | {"verdict": r.verdict}
            for r in self.ratios
        ]
        return {"milliseconds": rows, "ratios": ratios, "busy_cores_of_others": self.others}


@dataclass(frozen=True, eq=False)
class Repetition:
    """Rounds of candidates that were opened once: seconds, [round, candidate]; `others` as in `Comparison`."""

    seconds: Seconds = field(repr=False)
    others: float | None = None


def compare_candidates(
    names: Sequence[str],
    repetitions: Sequence[Repetition],
    *,
    baseline: str | None = None,
    seed: int = 0,
    opening_spread: float = 0.0,
) -> Comparison:
    """Compare candidates over all repetitions, each with the baseline; that is the first if none is named.

    `opening_spread` is the standard deviation between openings that the repetitions do not show, relative to the mean.
    """
    columns = np.concatenate([repetition.seconds for repetition in repetitions]).T
    timings = {name: Timing(column) for name, column in zip(names, columns, strict=True)}

    base = names.index(baseline) if baseline is not None else 0
    medians, resampled = np.median(columns, axis=1), _resampled_medians(repetitions, seed)
    resampled *= np.random.default_rng([seed, 1]).normal(1.0, opening_spread, resampled.shape)
    low, high = np.percentile(resampled / resampled[:, [base]], (2.5, 97.5), axis=0)
    ratios = tuple(
        Ratio(name, names[base], float(medians[i] / medians[base]), float(low[i]), float(high[i]))
        for i, name in enumerate(names)
        if i != base
    )

    loads = [repetition.others for repetition in repetitions if repetition.others is not None]
    return Comparison(timings, ratios, sum(loads) / len(loads) if loads else None)


def _resampled_medians(repetitions: Sequence[Repetition], seed: int) -> Seconds:
    """Return the medians of each resample, [resample, candidate]."""
    random = np.random.default_rng(seed)
    samples = (random.integers(0, len(repetitions), len(repetitions)) for _ in range(RESAMPLES))
    return np.array([
        np.median(np.concatenate([_sample_blocks(repetitions[i].seconds, random) for i in sample]), axis=0)
        for sample in samples
    ])  # fmt: skip


def _sample_blocks(seconds: Seconds, random: np.random.Generator) -> Seconds:
    """Sample as many rounds, in blocks that begin anywhere and wrap around at the end (the circular bootstrap)."""
    rounds = len(seconds)
    length = -(-rounds // BLOCKS)
    starts = random.integers(0, rounds, -(-rounds // length))
    indices: NDArray[np.intp] = (starts[:, None] + np.arange(length)) % rounds
    return seconds[indices.ravel()[:rounds]]
