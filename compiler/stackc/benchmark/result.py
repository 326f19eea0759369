"""What came of a comparison, for tables and programs."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stackc.benchmark.agreement import OutputDifference
from stackc.benchmark.candidates import BenchmarkCandidate, LeftOut
from stackc.benchmark.job import Memory, Opened
from stackc.core.versions import installed_version, tool_versions
from stackc.timing import Comparison, Timing
from stackc.timing.statistics import PERCENTILES


@dataclass(frozen=True)
class BenchmarkEntry:
    """A candidate with all that was found of it, in each sitting.

    `weights` says what a module runs with. `difference` is None where its outputs were compared with those of no other:
    for the reason in `unequal`, or where that is None because the others were compared with them.
    """

    candidate: BenchmarkCandidate
    opened: tuple[Opened, ...]
    memory: tuple[Memory, ...]
    timing: Timing
    difference: OutputDifference | None
    unequal: str | None
    weights: str | None

    @property
    def load_seconds(self) -> float:
        """Of the first sitting, before which nothing of it was in any cache of this run."""
        return self.opened[0].load_seconds

    @property
    def peak_memory(self) -> int | None:
        """The most bytes of any sitting."""
        return max((one.peak for one in self.memory if one.peak is not None), default=None)

    @property
    def device_memory(self) -> int | None:
        """The most bytes on the GPU of any sitting."""
        return max((one.device for one in self.memory if one.device is not None), default=None)


@dataclass(frozen=True)
class Result:
    """All candidates at one point: `inputs` has the type and shape of each input, `batch` is the number of samples of
    a run, None where the inputs do not tell."""

    entries: tuple[BenchmarkEntry, ...]
    comparison: Comparison
    left_out: tuple[LeftOut, ...]
    sizes: Mapping[str, int]
    inputs: Mapping[str, str]
    batch: int | None
    seed: int

    def throughput(self, timing: Timing) -> float:
        """Samples a second, or runs where no batch is known."""
        return (self.batch or 1) / timing.median

    @property
    def unit(self) -> str:
        """What is counted in a second."""
        return "samples/s" if self.batch else "runs/s"

    def to_json(self) -> dict[str, Any]:
        """All of it, in milliseconds, seconds and bytes, by names that say which."""
        shared = self.comparison.to_json()
        return {
            "sizes": dict(self.sizes),
            "inputs": dict(self.inputs),
            "seed": self.seed,
            "cores": os.cpu_count(),
            "busy_cores_of_others": shared["busy_cores_of_others"],
            "versions": bench_versions(),
            "candidates": [self._row(entry) for entry in self.entries],
            "ratios": shared["ratios"],
            "left_out": [dataclasses.asdict(one) for one in self.left_out],
        }

    def _row(self, entry: BenchmarkEntry) -> dict[str, Any]:
        one, timing = entry.candidate, entry.timing
        return {
            "name": one.name,
            "engine": one.engine,
            "provider": one.provider,
            "reason": one.reason,
            "elsewhere": list(entry.opened[0].off_provider),
            "threads": one.threads,
            "weights": entry.weights,
            "clock": entry.opened[0].clock,
            "milliseconds": {f"p{percent}": timing.percentile(percent) * 1e3 for percent in PERCENTILES},
            "runs_milliseconds": [round(second * 1e3, 6) for second in timing.seconds.tolist()],
            "throughput": {"value": self.throughput(timing), "unit": self.unit},
            "load_seconds": [opened.load_seconds for opened in entry.opened],
            "peak_memory_bytes": entry.peak_memory,
            "device_memory_bytes": entry.device_memory,
            "difference": _difference(entry.difference),
            "not_compared": entry.unequal,
        }


def bench_versions() -> dict[str, str]:
    """The versions of all that has a hand in the figures."""
    openvino = installed_version("openvino")
    return tool_versions() | ({"openvino": openvino} if openvino else {})


def _difference(found: OutputDifference | None) -> dict[str, Any] | None:
    """JSON has no infinity: a share that has no end is None."""
    if found is None:
        return None
    return dataclasses.asdict(found) | {"share": found.share if math.isfinite(found.share) else None}
