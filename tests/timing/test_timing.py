"""Timing on a fake clock: statistics are compared with closed forms, never with a real duration."""

import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
import pytest

from stackc.runtime import open_session
from stackc.timing import (
    Repetition,
    Timing,
    compare_candidates,
    eager_candidate,
    measure,
    measure_briefly,
    session_candidate,
    wait_for_rest,
)
from stackc.timing.system_load import Usage, busy_cores, usage


@dataclass
class Clock:
    """A fake clock that only the candidates' durations move."""

    time: float = 0.0
    calls: list[str] = field(default_factory=list)

    def __call__(self) -> float:
        return self.time

    def candidate(self, name: str, duration: Callable[[], float]) -> Callable[[], None]:
        def run() -> None:
            self.calls.append(name)
            self.time += duration()

        return run


@dataclass
class Machine:
    """A simulated machine of two cores: threads of a candidate spin after its run, and slow what runs meanwhile."""

    time: float = 0.0
    spinning_until: float = 0.0
    used: float = 0.0

    def clock(self) -> float:
        return self.time

    def processor_time(self) -> float:
        return self.used

    def sleep(self, seconds: float) -> None:
        self.used += min(seconds, max(0.0, self.spinning_until - self.time))
        self.time += seconds

    def rest(self) -> None:
        wait_for_rest(clock=self.clock, processor_time=self.processor_time, sleep=self.sleep)

    def candidate(self, seconds: float, *, spins: float) -> Callable[[], None]:
        def run() -> None:
            slowed = min(seconds, max(0.0, self.spinning_until - self.time) / 2)
            self.time += seconds + slowed
            self.used += seconds + slowed
            self.spinning_until = self.time + spins

        return run


def normal(seed: int, mean: float, spread: float) -> Callable[[], float]:
    draws = np.random.default_rng(seed)
    return lambda: float(draws.normal(mean, mean * spread))


def test_candidates_take_turns() -> None:
    clock = Clock()
    candidates = {name: clock.candidate(name, lambda: 1.0) for name in "ABC"}
    comparison = measure(candidates, seconds=60, rounds=(2, 1000), clock=clock)
    assert "".join(clock.calls) == "ABC" * (len(clock.calls) // 3)
    assert [len(timing.seconds) for timing in comparison.timings.values()] == [20, 20, 20], "60 s are 20 rounds of 3 s"


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 7), (1e9, 40)])
def test_rounds_are_bounded(seconds: float, expected: int) -> None:
    clock = Clock()
    comparison = measure({"A": clock.candidate("A", lambda: 1.0)}, seconds=seconds, rounds=(7, 40), clock=clock)
    assert len(comparison.timings["A"].seconds) == expected


def test_percentiles_are_the_order_statistics() -> None:
    timing = Timing(np.random.default_rng(0).permutation(np.arange(1.0, 102.0)))
    assert [timing.percentile(p) for p in (50, 90, 99)] == [51, 91, 100]


@pytest.mark.slow
def test_warming_up_is_not_measured() -> None:
    clock = Clock()
    cold = iter([100.0, 90.0, 80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0])
    comparison = measure({"A": clock.candidate("A", lambda: next(cold, 1.0))}, seconds=1000, clock=clock)
    assert comparison.timings["A"].seconds.max() == 1.0


def test_whole_processes_need_a_single_round_to_be_warm() -> None:
    clock = Clock()
    candidates = {name: clock.candidate(name, lambda: 1.0) for name in "AB"}
    comparison = measure(candidates, seconds=0, rounds=(3, 3), window=1, clock=clock)
    assert "".join(clock.calls) == "AB" * 4
    assert len(comparison.timings["A"].seconds) == 3


@pytest.mark.slow
def test_the_interval_is_as_wide_as_theory_has_it() -> None:
    """The median of n normal draws has standard error √(π/2)·σ/√n, and the ratio of two of equal mean √2 times that."""
    clock, n, spread = Clock(), 400, 0.05
    candidates = {name: clock.candidate(name, normal(i, 1.0, spread)) for i, name in enumerate("AB")}
    (ratio,) = measure(candidates, seconds=0, rounds=(n, n), clock=clock).ratios
    expected = 2 * 1.96 * math.sqrt(2) * math.sqrt(math.pi / 2) * spread / math.sqrt(n)
    assert ratio.high - ratio.low == pytest.approx(expected, rel=0.35)
    assert ratio.low <= ratio.value <= ratio.high


def test_rounds_that_hang_together_are_not_taken_for_many() -> None:
    """400 rounds in which the machine changes every 40 say of each candidate no more than 10 do."""
    random, spread, changes = np.random.default_rng(0), 0.05, 10
    table = np.repeat(random.normal(1.0, spread, (changes, 2)), 40, axis=0)
    (ratio,) = compare_candidates(["A", "B"], [Repetition(table)]).ratios
    expected = 2 * 1.96 * math.sqrt(2) * math.sqrt(math.pi / 2) * spread / math.sqrt(changes)
    assert ratio.high - ratio.low == pytest.approx(expected, rel=0.5)


def test_what_one_process_is_faster_by_is_noise_where_another_is_slower() -> None:
    """No round differs from another; only a second repetition shows that."""
    faster, slower = (Repetition(np.tile([1.0, ratio], (50, 1))) for ratio in (0.99, 1.01))
    assert compare_candidates(["A", "B"], [faster]).ratios[0].verdict == "faster"
    (ratio,) = compare_candidates(["A", "B"], [faster, slower]).ratios
    assert (ratio.low, ratio.high, ratio.verdict) == (0.99, 1.01, "noise")


@pytest.mark.slow
def test_a_file_is_no_faster_than_itself() -> None:
    """Of simulated comparisons, of processes that differ by 0.4 % on a machine that drifts, few find a difference."""
    random = np.random.default_rng(0)

    def repetition() -> Repetition:
        machine = 1 + 0.02 * np.cumsum(random.normal(0, 0.1, 100))[:, None]
        return Repetition(machine * random.normal(1, 0.004, 2) * random.normal(1, 0.01, (100, 2)))

    verdicts = [compare_candidates(["A", "B"], [repetition() for _ in range(3)]).ratios[0].verdict for _ in range(20)]
    assert verdicts.count("noise") >= 16


def test_the_baseline_may_be_any_candidate() -> None:
    table = np.tile([1.0, 2.0, 4.0], (20, 1))
    ratios = compare_candidates(
        ["A", "B", "C"], [Repetition(table, others=0.5), Repetition(table, others=1.5)], baseline="B"
    )
    assert [str(ratio) for ratio in ratios.ratios] == [
        "A / B = 0.50 (0.50 to 0.50): faster",
        "C / B = 2.00 (2.00 to 2.00): slower",
    ]
    assert ratios.others == 1.0
    assert len(ratios.timings["C"].seconds) == 40


def test_what_slows_the_machine_slows_both_and_cancels() -> None:
    clock = Clock()
    weather = np.repeat(np.random.default_rng(0).uniform(1, 10, 500), 2)
    steps = iter(np.tile(weather, 4))
    candidates = {"A": clock.candidate("A", lambda: next(steps)), "B": clock.candidate("B", lambda: 0.9 * next(steps))}
    (ratio,) = measure(candidates, seconds=0, rounds=(100, 100), clock=clock).ratios
    assert [ratio.low, ratio.value, ratio.high] == pytest.approx([0.9, 0.9, 0.9])
    assert str(ratio) == "B / A = 0.90 (0.90 to 0.90): faster"


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "noise"), (1.2, "slower"), (0.8, "faster")])
def test_the_verdict(factor: float, verdict: str) -> None:
    clock = Clock()
    candidates = {
        "eager": clock.candidate("eager", normal(3, 1.0, 0.1)),
        "onnx": clock.candidate("onnx", normal(5, factor, 0.1)),
    }
    comparison = measure(candidates, seconds=0, rounds=(200, 200), clock=clock)
    assert comparison.ratios[0].verdict == verdict
    report = comparison.to_json()
    assert report["ratios"][0]["verdict"] == verdict
    assert report["milliseconds"]["eager"]["p50"] == pytest.approx(1000, rel=0.05)
    assert report["milliseconds"]["eager"]["rounds"] == 200


@pytest.mark.parametrize("spins", [0.005, 0.02, 0.2])
def test_threads_that_spin_after_a_run_do_not_slow_the_next_candidate(spins: float) -> None:
    """Eager PyTorch and a session of equal speed: 5 to 20 ms are GNU's OpenMP, 200 ms Intel's and LLVM's."""

    def ratio(rest: Callable[[], None] | None) -> float:
        machine = Machine()
        candidates = {
            "eager": machine.candidate(0.01, spins=spins),
            "onnx": machine.candidate(0.01, spins=0.0),
        }
        comparison = measure(candidates, seconds=0, rounds=(20, 20), clock=machine.clock, rest=rest or machine.rest)
        return comparison.ratios[0].value

    assert ratio(lambda: None) > 1.2, "the simulated machine has the fault"
    assert ratio(None) == pytest.approx(1.0)


@pytest.mark.parametrize(("spins", "waited"), [(0.0, 0.003), (0.0105, 0.014), (10.0, 0.25)])
def test_the_wait_for_rest_is_as_short_as_the_threads_allow(spins: float, waited: float) -> None:
    """Three steps of 1 ms that use less than a tenth of a core are rest; for threads that never rest it is 0.25 s."""
    machine = Machine(spinning_until=spins)
    machine.rest()
    assert machine.time == pytest.approx(waited, abs=1e-6)


def test_a_brief_measurement_takes_two_and_a_half_seconds() -> None:
    """Of candidates that take a tenth of a second, as those of a build do, the one with threads that spin on."""
    machine = Machine()
    comparison = measure_briefly(
        {"eager": machine.candidate(0.1, spins=0.01), "onnx": machine.candidate(0.06, spins=0.0)},
        clock=machine.clock,
        rest=machine.rest,
    )
    assert len(comparison.timings["onnx"].seconds) >= 10
    assert machine.time <= 2.5
    assert comparison.ratios[0].value == pytest.approx(0.6)


def test_a_single_opening_allows_for_what_the_next_would_differ_by() -> None:
    """Two medians of relative spread s have a ratio of spread √2·s, of which the interval is ±1.96."""
    rounds = Repetition(np.tile([1.0, 0.9], (50, 1)))
    (ratio,) = compare_candidates(["A", "B"], [rounds], opening_spread=0.005).ratios
    half = 1.96 * math.sqrt(2) * 0.005 * 0.9
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((0.9, 0.9 - half, 0.9 + half), abs=0.002)


@pytest.mark.slow
def test_a_brief_measurement_of_two_openings_of_one_file_is_noise() -> None:
    """Openings differ by half a percent in every round; the rounds themselves hardly differ."""
    random, verdicts = np.random.default_rng(0), []
    for _ in range(20):
        speed = random.normal(1, 0.004, 2)
        table = speed * random.normal(1, 0.001, (10, 2))
        verdicts.append(compare_candidates(["A", "B"], [Repetition(table)], opening_spread=0.005).ratios[0].verdict)
    assert verdicts.count("noise") >= 18


@pytest.mark.parametrize(("others", "disturbed"), [(None, False), (0.1, False), (0.2, True)])
def test_other_programs_disturb(others: float | None, disturbed: bool) -> None:
    comparison = compare_candidates(["A", "B"], [Repetition(np.ones((10, 2)), others=others)])
    assert comparison.disturbed is disturbed


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the time of all processors in /proc/stat")
def test_the_load_of_other_programs_is_measured() -> None:
    """One second on a real clock: another process keeps one core busy."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        busy = measure({"sleep": lambda: time.sleep(0.01)}, seconds=1).others
    finally:
        other.kill()
        other.wait()
    assert busy is not None
    assert busy > 0.4


def test_what_this_process_does_is_not_others() -> None:
    before, after = Usage(wall=10.0, machine=100.0, own=5.0), Usage(wall=12.0, machine=103.0, own=7.0)
    assert busy_cores(before, after) == 0.5, "3 s of processor time on all cores, 2 of them here, in 2 s"
    assert busy_cores(None, None) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the time of other processes in /proc")
def test_what_the_processes_of_candidates_do_is_not_others() -> None:
    code = "import time\nwhile time.process_time() < 0.5: pass\nprint('done', flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    alone, together = usage(), usage([child.pid])
    child.communicate(b"\n")
    assert alone is not None
    assert together is not None
    assert together.own - alone.own >= 0.4
    assert usage([child.pid]) is not None, "it has ended, and counts for nothing"


def test_eager_and_session_do_the_same_work() -> None:
    """The one test on a real clock, of what is run and not of how long it takes."""
    import torch

    module = torch.nn.Dropout()
    seen: list[bool] = []
    module.register_forward_hook(lambda *_: seen.append(torch.is_inference_mode_enabled() and not module.training))
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 18]> g (float[n] x) => (float[n] y) { y = Identity (x) }'
    )
    x = np.arange(3, dtype="float32")
    session = open_session(model.SerializeToString(), "cpu", threads=1)
    candidates = {
        "eager": eager_candidate(module, [torch.from_numpy(x)]),
        "onnx": session_candidate(session, {"x": x}),
    }
    comparison = measure(candidates, seconds=0, rounds=(3, 3))
    assert list(comparison.timings) == ["eager", "onnx"]
    assert len(seen) >= 3
    assert all(seen)
