"""Runs are timed by the wall clock, or on a GPU by events; the GPU here is a fake, tests/gpu has a real one."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch

from stackc.benchmark.stopwatch import stopwatch


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_without_cuda_runs_are_timed_by_the_clock_on_the_wall(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    watch = stopwatch(device)
    assert (watch.clock, watch.stream) == ("wall clock", None)
    assert 0.01 <= watch.time(lambda: time.sleep(0.01)) < 1


@dataclass
class Device:
    """A fake GPU: a launched run takes its time there, and none of the CPU's."""

    time: float = 0.0
    log: list[str] = field(default_factory=list)

    def launch(self) -> None:
        self.log.append("run")
        self.time += 0.25

    @contextlib.contextmanager
    def working_on(self, stream: object) -> Iterator[None]:
        self.log.append("on the stream")
        yield


def test_on_cuda_runs_are_timed_by_events_on_their_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self, stream: object) -> None:
            assert stream is cuda_stream
            device.log.append("record")
            self.at = device.time

        def synchronize(self) -> None:
            device.log.append("wait")

        def elapsed_time(self, end: "Event") -> float:
            return (end.at - self.at) * 1e3

    cuda_stream = SimpleNamespace(cuda_stream=77)
    fakes = {
        "is_available": lambda: True,
        "Stream": lambda: cuda_stream,
        "Event": Event,
        "stream": device.working_on,
        "synchronize": lambda: device.log.append("all done"),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    watch = stopwatch("cuda")
    assert (watch.clock, watch.stream) == ("CUDA events", 77)
    assert watch.time(device.launch) == 0.25
    assert device.log == ["all done", "on the stream", "record", "run", "record", "wait"]
