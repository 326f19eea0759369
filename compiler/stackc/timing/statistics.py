"""What the rounds of a timing say: percentiles, and ratios of medians with their intervals.

Medians are compared, and a ratio comes with the interval that resampling gives it: where that contains 1, there is no
difference to speak of, and the word for it is noise. Rounds are resampled

- whole, since all candidates of a round met the same machine,
- in stretches, since a machine that is slow in one round is slow in the next: taken one by one, rounds of one and the
  same file on a busy machine "differed" in 36 % of the comparisons where 5 % are meant to, in stretches in 11 %,
- and sitting by sitting, where candidates were opened several times: two processes of one and the same file differ by
  half a percent in every round, by where their memory happens to lie. With one process each, half of the comparisons
  of a file with itself found a difference, with three one in ten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]

RESAMPLES = 2000
STRETCHES = 10  # that the rounds of a sitting are resampled in
PERCENTILES = (50, 90, 99)


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
        interval = f"{_short(self.low)} to {_short(self.high)}"
        return f"{self.candidate} / {self.baseline} = {_short(self.value)} ({interval}): {self.verdict}"


def _short(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


@dataclass(frozen=True, eq=False)
class Comparison:
    """What was measured: a timing a candidate, in order, and the ratio of each to the baseline.

    `others` is how many cores other programs kept busy meanwhile, None where the system does not tell. Figures of more
    than one thread mean little unless it is near 0: a thread that waits for its turn holds up all others of its team.
    """

    timings: Mapping[str, Timing]
    ratios: tuple[Ratio, ...]
    others: float | None

    def to_json(self) -> dict[str, Any]:
        """The figures, in milliseconds, for a report."""
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
    """Rounds that were timed one after the other: seconds, [round, candidate]; `others` as in `Comparison`."""

    seconds: Seconds = field(repr=False)
    others: float | None = None


def compare_candidates(
    names: Sequence[str], repetitions: Sequence[Repetition], *, baseline: str | None = None, seed: int = 0
) -> Comparison:
    """What sittings of the same candidates say, with the ratio of each to the baseline, which is the first if not
    named."""
    columns = np.concatenate([repetition.seconds for repetition in repetitions]).T
    timings = {name: Timing(column) for name, column in zip(names, columns, strict=True)}
    against = names.index(baseline) if baseline is not None else 0
    medians, resampled = np.median(columns, axis=1), _resampled_medians(repetitions, seed)
    low, high = np.percentile(resampled / resampled[:, [against]], (2.5, 97.5), axis=0)
    ratios = tuple(
        Ratio(name, names[against], float(medians[i] / medians[against]), float(low[i]), float(high[i]))
        for i, name in enumerate(names)
        if i != against
    )
    told = [repetition.others for repetition in repetitions if repetition.others is not None]
    return Comparison(timings, ratios, sum(told) / len(told) if told else None)


def _resampled_medians(repetitions: Sequence[Repetition], seed: int) -> Seconds:
    """Medians, [resample, candidate]."""
    random = np.random.default_rng(seed)
    picked = (random.integers(0, len(repetitions), len(repetitions)) for _ in range(RESAMPLES))
    return np.array([
        np.median(np.concatenate([_stretches(repetitions[i].seconds, random) for i in repetition]), axis=0)
        for repetition in picked
    ])  # fmt: skip


def _stretches(seconds: Seconds, random: np.random.Generator) -> Seconds:
    """As many rounds, in stretches that begin anywhere and go on at the first round after the last one."""
    rounds = len(seconds)
    length = -(-rounds // STRETCHES)
    starts = random.integers(0, rounds, -(-rounds // length))
    picked: NDArray[np.intp] = (starts[:, None] + np.arange(length)) % rounds
    return seconds[picked.ravel()[:rounds]]
