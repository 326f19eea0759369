"""How one run is timed: by the clock on the wall, or on a GPU by CUDA events on the stream that the run works on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from stackc.timing.interleave import Candidate

Clock = Literal["wall clock", "CUDA events"]


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """`time` runs a candidate and tells its seconds; `stream` is the CUDA stream that it has to work on, if any."""

    clock: Clock
    time: Callable[[Candidate], float]
    stream: int | None = None


def stopwatch(device: str) -> Stopwatch:
    """The one for a device, "cpu" or "cuda"; the wall clock where PyTorch, whose events are used, has no CUDA."""
    if device == "cpu":
        return _WALL
    import torch

    return _cuda_events() if torch.cuda.is_available() else _WALL


def _on_the_wall(run: Candidate) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


_WALL = Stopwatch("wall clock", _on_the_wall)


def _cuda_events() -> Stopwatch:
    """The seconds between two events on a stream of its own, so that no wait of the CPU is in them.

    A candidate may return while the device is still at work. What was under way before it is waited for first.
    """
    import torch

    stream = torch.cuda.Stream()

    def on_the_stream(run: Candidate) -> float:
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            start.record(stream)
            run()
            end.record(stream)
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3

    return Stopwatch("CUDA events", on_the_stream, stream.cuda_stream)
