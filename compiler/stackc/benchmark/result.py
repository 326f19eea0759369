"""The results of a benchmark, for tables and JSON."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stackc.benchmark.agreement import OutputDifference
from stackc.benchmark.candidates import BenchmarkCandidate, LeftOut
from stackc.benchmark.job import Memory, Opened
from stackc.core.versions import installed_version, tool_versions
from stackc.timing import Comparison, Timing
from stackc.timing.component_times import ComponentTimes
from stackc.timing.statistics import PERCENTILES


@dataclass(frozen=True)
class BenchmarkEntry:
    """A candidate with its measurements, `opened` and `memory` of each repetition.

    `weights` describes the weights of a module. `difference` is None if its outputs were not compared with those of
    another: for the reason in `unequal`, or, if that is None, because the others were compared with them.
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
        """The load time of the first repetition, when nothing was in a cache of this run yet."""
        return self.opened[0].load_seconds

    @property
    def peak_memory(self) -> int | None:
        """The most bytes of any repetition."""
        return max((memory.peak for memory in self.memory if memory.peak is not None), default=None)

    @property
    def device_memory(self) -> int | None:
        """The most bytes on the GPU of any repetition."""
        return max((memory.device for memory in self.memory if memory.device is not None), default=None)


@dataclass(frozen=True)
class Result:
    """All candidates at one point: `inputs` has the type and shape of each input, `batch` is the number of samples in a
    run, None if the inputs have no common batch. `components` has the time of each component, by candidate."""

    entries: tuple[BenchmarkEntry, ...]
    comparison: Comparison
    left_out: tuple[LeftOut, ...]
    sizes: Mapping[str, int]
    inputs: Mapping[str, str]
    batch: int | None
    seed: int
    components: Mapping[str, ComponentTimes] = field(default_factory=dict)

    def throughput(self, timing: Timing) -> float:
        """Return the samples per second, or the runs if no batch is known."""
        return (self.batch or 1) / timing.median

    @property
    def unit(self) -> str:
        """The unit of the throughput."""
        return "samples/s" if self.batch else "runs/s"

    def to_json(self) -> dict[str, Any]:
        """Return all figures; the keys name the units."""
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
            "per_component": [{"candidate": name} | times.to_json() for name, times in self.components.items()],
            "left_out": [dataclasses.asdict(left_out) for left_out in self.left_out],
        }

    def _row(self, entry: BenchmarkEntry) -> dict[str, Any]:
        candidate, timing = entry.candidate, entry.timing
        return {
            "name": candidate.name,
            "engine": candidate.engine,
            "provider": candidate.provider,
            "reason": candidate.reason,
            "elsewhere": list(entry.opened[0].off_provider),
            "threads": candidate.threads,
            "weights": entry.weights,
            "clock": entry.opened[0].clock,
            # figures
            "milliseconds": {f"p{percent}": timing.percentile(percent) * 1e3 for percent in PERCENTILES},
            "runs_milliseconds": [round(second * 1e3, 6) for second in timing.seconds.tolist()],
            "throughput": {"value": self.throughput(timing), "unit": self.unit},
            "load_seconds": [opened.load_seconds for opened in entry.opened],
            "peak_memory_bytes": entry.peak_memory,
            "device_memory_bytes": entry.device_memory,
            # outputs
            "difference": _difference(entry.difference),
            "not_compared": entry.unequal,
        }


def bench_versions() -> dict[str, str]:
    """Return the versions of all libraries that affect the figures."""
    openvino = installed_version("openvino")
    return tool_versions() | ({"openvino": openvino} if openvino else {})


def _difference(difference: OutputDifference | None) -> dict[str, Any] | None:
    """Return the fields of a difference; an infinite share is None, since JSON has no infinity."""
    if difference is None:
        return None
    share = difference.share if math.isfinite(difference.share) else None
    return dataclasses.asdict(difference) | {"share": share}
