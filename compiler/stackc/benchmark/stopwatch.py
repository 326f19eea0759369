"""Time one run: by the wall clock, or on a GPU by CUDA events on the stream of the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from stackc.timing.interleave import Candidate

Clock = Literal["wall clock", "CUDA events"]


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """`time` runs a candidate and returns its seconds; `stream` is the CUDA stream that it must run on, if any."""

    clock: Clock
    time: Callable[[Candidate], float]
    stream: int | None = None


def stopwatch(device: str) -> Stopwatch:
    """Return the stopwatch of a device, "cpu" or "cuda"; the wall clock if PyTorch, which has events, has no CUDA."""
    if device == "cpu":
        return _WALL
    import torch

    return _cuda_events() if torch.cuda.is_available() else _WALL


def _time_on_wall_clock(run: Candidate) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


_WALL = Stopwatch("wall clock", _time_on_wall_clock)


def _cuda_events() -> Stopwatch:
    """Return a stopwatch that measures between two events on its own stream, without the waits of the CPU.

    A candidate may return while the device still runs. Earlier work on the device is completed first.
    """
    import torch

    stream = torch.cuda.Stream()

    def time_on_stream(run: Candidate) -> float:
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            start.record(stream)
            run()
            end.record(stream)
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3

    return Stopwatch("CUDA events", time_on_stream, stream.cuda_stream)
