"""`stackc bench` on CUDA: I/O binding, a stream for each candidate, events as the clock: `pytest -m gpu`."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from stackc.benchmark import BenchmarkOptions, plan_benchmark, run_benchmark
from stackc.benchmark.agreement import OutputDifference
from stackc.benchmark.stopwatch import stopwatch
from stackc.runtime import Array, open_session

pytestmark = pytest.mark.gpu

SPECS = Path(__file__).parents[2] / "specs"
MODEL = """
<ir_version: 10, opset_import: ["" : 18]> g (float[n,n] x) => (float[n,n] y)
{ a = MatMul (x, x) b = MatMul (a, x) c = MatMul (b, x) d = MatMul (c, x) y = MatMul (d, x) }
"""


@pytest.fixture(scope="module")
def x() -> Array:
    return np.random.default_rng(0).standard_normal((2048, 2048)).astype("float32") / 45


def test_events_count_what_the_device_does_and_not_what_the_cpu_waits_for() -> None:
    watch = stopwatch("cuda")
    assert watch.clock == "CUDA events"
    square = torch.randn(4096, 4096, device="cuda")

    def fastest(products: int) -> float:
        return min(watch.time(lambda: [square @ square for _ in range(products)]) for _ in range(5))

    assert 5 < fastest(10) / fastest(1) < 20
    start = time.perf_counter()
    seconds = watch.time(lambda: square @ square)
    assert 0 < seconds <= time.perf_counter() - start


def test_a_session_works_on_the_stream_that_is_timed(x: Array) -> None:
    """A run that is launched without a wait takes as long, by the events, as one with a wait on the wall clock."""
    model = onnx.parser.parse_model(MODEL).SerializeToString()
    watch = stopwatch("cuda")
    launched = open_session(model, "cuda", stream=watch.stream).bind({"x": x})
    watch.time(launched.launch)
    expected = np.linalg.matrix_power(x.astype(np.float64), 6)
    assert np.abs(launched.outputs()["y"] - expected).max() <= 1e-4 * np.abs(expected).max()

    waited = open_session(model, "cuda").bind({"x": x})
    times: dict[str, list[float]] = {"events": [], "wall": []}
    for _ in range(20):
        times["events"].append(watch.time(launched.launch))
        start = time.perf_counter()
        waited()
        times["wall"].append(time.perf_counter() - start)
    assert 0.5 < np.median(times["events"]) / np.median(times["wall"]) < 1.5


def test_all_engines_on_cuda(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the figures, which are not tested."""
    paths = [SPECS / "seed.mmd"]
    plan = plan_benchmark(paths, ["eager", "compile", "onnx"], ["cuda", "cpu"], [2])
    result = run_benchmark(
        paths,
        plan,
        BenchmarkOptions(seconds=1, repetitions=1, dims={"batch": 8, "seq": 128}),
        lambda stage, line: None,
    )
    with capsys.disabled():
        print("", *result.comparison.ratios, sep="\n")

    for entry in result.entries:
        on_gpu = entry.candidate.provider == "cuda"
        assert entry.opened[0].clock == ("CUDA events" if on_gpu else "wall clock")
        assert (entry.device_memory is not None) == on_gpu
        assert (entry.timing.seconds > 0).all()
        assert entry is result.entries[0] or isinstance(entry.difference, OutputDifference)
    assert max(entry.device_memory or 0 for entry in result.entries) > 1_000_000
