"""Whether the speed that `stackc build` reports is right: held to itself, and to that of `stackc bench`.

A/A: two sessions of one file, and two modules of one spec, timed as a build times: the interval holds 1.00 in at least
18 of 20. The intervals of whole builds and whole benches of one spec overlap in at least 18 of 20. Each figure waits
until other programs are quiet, and is taken again if they were not; all of them are printed, with that load.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stackc.core.torch_threads import torch_threads
from stackc.core.versions import tool_versions
from stackc.frontend import Checked, check_spec
from stackc.proof.points import MEASURED_FLOPS, draw_feeds, timing_point
from stackc.runtime import open_session
from stackc.timing import Candidate, Comparison, eager_candidate, measure_briefly, session_candidate
from stackc.timing.statistics import DISTURBED
from stackc.timing.system_load import busy_cores, usage
from stackc.torch_backend.lower import lower

SPEC = Path(__file__).parents[2] / "specs" / "seed.mmd"
TARGET = 0.9  # of the runs
LONGEST = 2.5  # seconds that a build measures, at the default number of threads


@dataclass(frozen=True)
class Figure:
    """A ratio with its interval, the cores that others kept busy, and the seconds that it took to measure."""

    value: float
    low: float
    high: float
    others: float | None
    seconds: float

    def holds(self, ratio: float) -> bool:
        return self.low <= ratio <= self.high

    def overlaps(self, other: Figure) -> bool:
        return self.low <= other.high and other.low <= self.high

    @property
    def disturbed(self) -> bool:
        return self.others is not None and self.others > DISTURBED

    def __str__(self) -> str:
        load = "unknown" if self.others is None else f"{self.others:.2f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}), others {load}, {self.seconds:.1f} s"


def main() -> None:
    """Print every figure, and a row for each claim; exit status 1 where one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="figures of each kind (default: 20)")
    parser.add_argument(
        "--threads", default=f"1,{os.cpu_count()}", help="numbers of threads (default: 1 and all cores)"
    )
    parser.add_argument("--spec", type=Path, default=SPEC, help="default: specs/seed.mmd")
    parser.add_argument("--only", choices=["file", "eager", "bench"], action="append", help="default: all three")
    parser.add_argument("--wait", type=float, default=60.0, help="seconds to wait for quiet, each time (default: 60)")
    parser.add_argument("--attempts", type=int, default=3, help="times that a disturbed figure is taken (default: 3)")
    options = parser.parse_args()

    print(f"{processor()}, {os.cpu_count()} cores; {tool_versions()}")
    rows = []
    for threads in map(int, options.threads.split(",")):
        for kind in options.only or ["file", "eager", "bench"]:
            rows.append(_row(kind, threads, options))
    sys.exit(not all(rows))


def processor() -> str:
    """Return the name of the processor, from Linux's list if there is one."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _row(kind: str, threads: int, options: argparse.Namespace) -> bool:
    """Take all figures of a kind; whether enough of them are right."""
    print(f"\n{kind}, threads: {threads}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        right = _agreements(Path(folder), threads, options) if kind == "bench" else _selves(kind, threads, options)
    reached = sum(right) >= TARGET * options.runs
    claim = "build and bench overlap" if kind == "bench" else f"{kind} / {kind} holds 1.00"
    print(f"{claim}: {sum(right)} of {options.runs}  [at least {TARGET:.0%}]")
    return bool(reached)


# -- A/A


def _selves(kind: str, threads: int, options: argparse.Namespace) -> list[bool]:
    """Time two openings of the same again and again, as a build times; whether each interval holds 1."""
    checked, right = check_spec(options.spec), []
    with tempfile.TemporaryDirectory() as folder:
        model = _build(options.spec, Path(folder), threads, "--no-bench") / "model.onnx"
        for _ in range(options.runs):
            figure = _quietly(lambda: _self(kind, checked, model, threads), options)
            right.append(figure.holds(1.0))
            print(f"  {figure}", flush=True)
    return right


def _self(kind: str, checked: Checked, model: Path, threads: int) -> Figure:
    start = time.perf_counter()
    point = timing_point(checked.program, MEASURED_FLOPS)
    feeds = draw_feeds(checked.program, checked.ranges, point, seed=0)

    def opened() -> Candidate:
        if kind == "file":
            return session_candidate(open_session(model, "cpu", threads=threads), feeds)
        inputs = [torch.from_numpy(feeds[name]) for name in checked.program.inputs]
        return eager_candidate(lower(checked.typed, seed=0), inputs)

    with torch_threads(threads):
        comparison = measure_briefly({"A": opened(), "B": opened()})
    return _figure(comparison, time.perf_counter() - start)


def _figure(comparison: Comparison, seconds: float) -> Figure:
    (ratio,) = comparison.ratios
    return Figure(ratio.value, ratio.low, ratio.high, comparison.others, seconds)


# -- build and bench


def _agreements(folder: Path, threads: int, options: argparse.Namespace) -> list[bool]:
    """Run whole builds and whole benches in turns; whether the intervals of each pair overlap."""
    right, builds = [], []
    for _ in range(options.runs):
        build = _quietly(lambda: _build_figure(options.spec, folder, threads), options)
        bench = _quietly(lambda: _bench_figure(options.spec, threads), options)
        print(f"  build {build}; bench {bench}", flush=True)
        builds.append(build.seconds)
        right.append(build.overlaps(bench))

    print(f"a build measured for {sorted(builds)[len(builds) // 2]:.1f} s  [at most {LONGEST} s on all cores]")
    return right


def _build_figure(spec: Path, folder: Path, threads: int) -> Figure:
    """Build and read the report; its seconds are those of the stage that measures."""
    process = subprocess.run(
        [*_stackc("build", spec, threads), "--out", str(folder)], check=True, capture_output=True, text=True
    )
    report = json.loads(next(folder.glob("*/report.json")).read_text(encoding="utf-8"))
    # ✓ measure    2.31 s  onnx / eager = …
    line = next(line for line in process.stderr.splitlines() + process.stdout.splitlines() if " measure " in line)
    return _parse(report, float(line.split()[2]))


def _bench_figure(spec: Path, threads: int) -> Figure:
    start = time.perf_counter()
    command = [*_stackc("bench", spec, threads), "--only", "eager,onnx", "--json"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return _parse(json.loads(text), time.perf_counter() - start)


def _parse(report: dict[str, Any], seconds: float) -> Figure:
    (ratio,) = report["ratios"]
    low, high = ratio["interval"]
    return Figure(ratio["ratio"], low, high, report["busy_cores_of_others"], seconds)


def _build(spec: Path, folder: Path, threads: int, *arguments: str) -> Path:
    """Build a spec and return its artifact."""
    command = [*_stackc("build", spec, threads), "--out", str(folder), *arguments]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*/model.onnx")).parent


def _stackc(command: str, spec: Path, threads: int) -> list[str]:
    arguments = ["--provider", "cpu", "--threads", str(threads)]
    return [sys.executable, "-P", "-m", "stackc", command, str(spec), *arguments]


# -- quiet


def _quietly(take: Callable[[], Figure], options: argparse.Namespace) -> Figure:
    """Take a figure while other programs are quiet; the least disturbed one if they never are."""
    figures = []
    for _ in range(options.attempts):
        _wait_for_quiet(options.wait)
        figures.append(take())
        if not figures[-1].disturbed:
            break
    return min(figures, key=lambda figure: figure.others or 0.0)


def _wait_for_quiet(longest: float) -> None:
    end = time.perf_counter() + longest
    while time.perf_counter() < end:
        before = usage()
        time.sleep(1.0)
        if (busy_cores(before, usage()) or 0.0) <= DISTURBED:
            return


if __name__ == "__main__":
    main()
