"""stackc bench TARGET…."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackc.cli.options import (
    FilePath,
    SpecPath,
    assert_option,
    comma_separated,
    flush_option,
    json_option,
    override_options,
)
from stackc.cli.screen import echo, echo_json, echo_text, style
from stackc.cli.stage_progress import stage_progress
from stackc.cli.table import print_table
from stackc.frontend import Overrides

if TYPE_CHECKING:
    from stackc.benchmark import BenchmarkEntry, BenchmarkPlan, Result
    from stackc.benchmark.job import Engine
    from stackc.ir.assertions import Assertion
    from stackc.timing.component_times import ComponentTimes

ENGINES = ("eager", "compile", "onnx", "openvino")
PLOTS = (".svg", ".png")
MOST_COMPONENTS = 40


def _plot_path(ctx: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Check early that the plot can be drawn and written, because the benchmark before it takes long."""
    if path is None:
        return None
    from importlib.util import find_spec

    if path.suffix.lower() not in PLOTS:
        raise click.BadParameter(f"'{path}' must end in one of {', '.join(PLOTS)}", ctx, option)
    if find_spec("matplotlib") is None:
        raise click.UsageError("--plot needs matplotlib: pip install 'stackc[plot]'", ctx)
    if not path.parent.is_dir():
        raise click.BadParameter(f"the folder {path.parent} does not exist", ctx, option)
    return path


@click.command("bench")
@click.argument("targets", type=SpecPath(), nargs=-1, required=True, metavar="TARGET…")
@override_options
@click.option(
    "--weights", type=FilePath(), multiple=True,
    help="Weight file for the specs and the artifacts; may be repeated.",
)  # fmt: skip
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of random weights and of the inputs; artifacts have their own weights.",
)
@click.option(
    "--only", "engines", **comma_separated(click.Choice(ENGINES)),
    metavar="ENGINE,…", help=f"Time only these engines: {', '.join(ENGINES)}. Default: all that work here.",
)  # fmt: skip
@click.option(
    "--provider", "providers", **comma_separated(click.Choice(["auto", "cpu", "cuda", "tensorrt"])),
    default=["auto"], metavar="PROVIDER,…",
    help="Where to run: auto, cpu, cuda, tensorrt. Default: auto, which is CUDA if available.",
)  # fmt: skip
@click.option(
    "--threads", **comma_separated(click.IntRange(1, 1024)), metavar="NUMBER,…",
    help="Threads per operation, on the CPU. Default: all cores.",
)  # fmt: skip
@click.option("--baseline", metavar="NAME", help="The candidate that others are compared with. Default: the first.")
@click.option(
    "--seconds", type=click.FloatRange(0, 86400), default=6.0, show_default=True,
    help="Total timing time of all candidates, after warming up; at least 20 rounds.",
)  # fmt: skip
@click.option(
    "--sittings", type=click.IntRange(1, 100), default=3, show_default=True,
    help="How often to reopen all candidates in that time: speed varies between processes running the same file.",
)  # fmt: skip
@click.option(
    "--tolerance", type=click.FloatRange(0), default=1e-3, show_default=True,
    help="How far outputs may differ, relative to their largest value; inf to compare different models.",
)  # fmt: skip
@click.option(
    "--per-component", is_flag=True,
    help="Also show where the time goes: each component, by ONNX Runtime's own profile, on the CPU.",
)  # fmt: skip
@assert_option
@flush_option
@click.option("--plot", type=FilePath(), callback=_plot_path, help="Plot all runs to a .svg or .png file.")
@json_option
def command(
    targets: tuple[Path, ...], overrides: Overrides, weights: tuple[Path, ...], seed: int, engines: tuple[Engine, ...],
    providers: tuple[str, ...], threads: tuple[int, ...], baseline: str | None, seconds: float, sittings: int,
    tolerance: float, per_component: bool, asserted: dict[str, str],
    flush_denormals: bool, plot: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Compare the speed of TARGETs: specs, artifacts (exported/NAME) and any ONNX files.

    A spec or an artifact runs as a PyTorch module, eager and compiled, and as ONNX in ONNX Runtime and, if installed,
    OpenVINO; a file runs as ONNX. All receive the same inputs, at the sizes of --dims or else at those that a build
    measures, and must return the same outputs. Each candidate has its own process, and they run in turns.

    load is the time from imported libraries to the first outputs, memory the peak of the process beyond the libraries.
    A ratio whose interval contains 1 is noise.
    """
    from stackc.benchmark import BenchmarkOptions, is_spec_target, run_benchmark
    from stackc.spec.binary_kinds import is_model_file

    if overrides.params and not any(map(is_spec_target, targets)):
        raise click.UsageError("--set is for specs: the params of an artifact are fixed when it is built")
    if weights and all(map(is_model_file, targets)):
        raise click.UsageError("--weights is for specs and artifacts: an ONNX file has its own")

    plan = _plan(targets, engines, providers, threads, baseline)
    if per_component:
        _require_profiled(plan, targets)
    bounds = _bounds(asserted, plan)
    options = BenchmarkOptions(
        overrides=replace(overrides, dims={}), dims=overrides.dims, weights=weights or None, seed=seed, seconds=seconds,
        repetitions=sittings, per_component=per_component or bool(bounds), flush_denormals=flush_denormals,
        baseline=baseline, tolerance=tolerance,
    )  # fmt: skip
    with stage_progress(quiet=as_json) as progress:
        result = run_benchmark(targets, plan, options, progress)

    if as_json:
        echo_json(result.to_json(), indent=2, allow_nan=False)
    else:
        _print(result)
        for name, times in result.components.items() if per_component else ():
            _print_components(name, times)
    if plot is not None:
        _draw(result, plot, quiet=as_json)
    _hold(result, bounds, quiet=as_json)


def _bounds(asserted: Mapping[str, str], plan: BenchmarkPlan) -> tuple[Assertion, ...]:
    """Return what is asserted. Raises click.UsageError for a figure that the plan cannot measure, SpecError L302."""
    if not asserted:
        return ()
    from stackc.benchmark.asserted_speed import unmeasured
    from stackc.resolve.assertions import with_bounds

    bounds = with_bounds((), None, asserted)
    if why := unmeasured(bounds, plan.candidates):
        raise click.UsageError(why)
    return bounds


def _hold(result: Result, bounds: Sequence[Assertion], *, quiet: bool) -> None:
    """Hold the ONNX files to what is asserted. Raises SpecError R451."""
    if not bounds:
        return
    from stackc.benchmark.asserted_speed import hold_files

    for held in hold_files(result, bounds):
        if not quiet:
            echo(style("✓", fg="green"), f" {held}")


def _plan(
    targets: tuple[Path, ...], engines: tuple[Engine, ...], providers: tuple[str, ...], threads: tuple[int, ...],
    baseline: str | None,
) -> BenchmarkPlan:  # fmt: skip
    """Return the candidates. Raises click.UsageError if there are none, or an option names one that is missing."""
    from stackc.benchmark import plan_benchmark
    from stackc.core.diagnostics import did_you_mean
    from stackc.runtime.openvino import INSTALL, has_openvino

    if "openvino" in engines and not has_openvino():
        raise click.BadParameter(f"OpenVINO is not installed: {INSTALL}", param_hint="--only")

    plan = plan_benchmark(targets, engines, providers, threads or (os.cpu_count() or 1,))
    names = [candidate.name for candidate in plan.candidates]
    if not names:
        raise click.UsageError(f"an ONNX file has no PyTorch module for --only {','.join(engines)} to time")
    if baseline is not None and baseline not in names:
        hint = did_you_mean(baseline, names) or ""
        raise click.BadParameter(f"no candidate '{baseline}'; {hint}", param_hint="--baseline")
    return plan


def _require_profiled(plan: BenchmarkPlan, targets: tuple[Path, ...]) -> None:
    """Refuse a plan with nothing to profile, as wrong usage."""
    from stackc.spec.binary_kinds import is_model_file

    on_cpu = [each for each in plan.candidates if (each.engine, each.provider) == ("onnx", "cpu")]
    if not on_cpu:
        raise click.UsageError("--per-component profiles ONNX Runtime on the CPU: --only onnx --provider cpu")
    if all(is_model_file(targets[each.target]) for each in on_cpu):
        raise click.UsageError("--per-component is for specs and artifacts: an ONNX file has no components")


def _print(result: Result) -> None:
    """Print the table, the ratios, and notes on the figures."""
    medians = [entry.timing.median * 1e3 for entry in result.entries]
    digits = max(0, 2 - math.floor(math.log10(max(min(medians), 1e-6))))
    on_gpu = any(entry.device_memory is not None for entry in result.entries)

    columns = ["candidate", "on", "p50 ms", "p90 ms", "p99 ms", result.unit, "load s", "memory"]
    rows = [[*_cells(entry, result, digits), *([_bytes(entry.device_memory)] * on_gpu)] for entry in result.entries]
    print_table([*columns, *["GPU memory"] * on_gpu], rows)

    for ratio in result.comparison.ratios:
        echo_text(str(ratio))
    for note in _notes(result):
        echo(note)


def _print_components(candidate: str, times: ComponentTimes) -> None:
    """Print the slowest components of a candidate, by path and line."""
    from stackc.core.plurals import counted
    from stackc.timing.time_table import time_rows, time_summary

    echo("")
    echo(f"{candidate}: {time_summary(times)}")
    columns = ["component", "op", "line", "ms", "share", "FLOPs", "rate", "of product", "moved", "shares nodes with"]
    rows = [list(dataclasses.astuple(row)) for row in time_rows(times, MOST_COMPONENTS)]
    print_table(columns, rows)
    if (hidden := len(times.rows) - MOST_COMPONENTS) > 0:
        echo(f"{counted(hidden, 'faster component')} not shown; --json has all of them")


def _cells(entry: BenchmarkEntry, result: Result, digits: int) -> list[str]:
    from stackc.core.plurals import counted
    from stackc.view.figures import scaled

    candidate, timing = entry.candidate, entry.timing
    place = f"{candidate.provider}, {counted(candidate.threads, 'thread')}"
    times = [f"{timing.percentile(percent) * 1e3:.{digits}f}" for percent in (50, 90, 99)]
    speed, load = scaled(result.throughput(timing)), f"{entry.load_seconds:.2f}"
    return [candidate.name, place, *times, speed, load, _bytes(entry.peak_memory)]


def _bytes(number: int | None) -> str:
    from stackc.view.figures import bytes_text

    return "–" if number is None else bytes_text(number)


def _notes(result: Result) -> Iterator[str]:
    """Yield notes on the figures, one line each."""
    from stackc.core.plurals import counted

    others = result.comparison.others
    busy = "" if others is None else f", while other programs kept {others:.1f} of {os.cpu_count()} cores busy"
    yield f"at {_sizes(result)}: {counted(len(result.entries[0].timing.seconds), 'round')}{busy}"
    if result.comparison.disturbed and any(entry.candidate.threads > 1 for entry in result.entries):
        yield "  a thread that waits for a core delays all others of its run: measure again on an idle machine"

    for weights in dict.fromkeys(entry.weights for entry in result.entries if entry.weights):
        yield f"{_names(entry for entry in result.entries if entry.weights == weights)}: {weights}"
    for reason in dict.fromkeys(entry.unequal for entry in result.entries if entry.unequal):
        names = _names(entry for entry in result.entries if entry.unequal == reason)
        yield f"{names}: outputs not compared: {reason}"

    for entry in result.entries:
        for line in entry.opened[0].off_provider:
            yield f"{entry.candidate.name}: not on {entry.candidate.provider}: {line}"
    for omitted in result.left_out:
        yield f"left out: {omitted.reason}"


def _sizes(result: Result) -> str:
    return ", ".join(f"{name}={size}" for name, size in result.sizes.items()) or "fixed sizes"


def _names(entries: Iterable[BenchmarkEntry]) -> str:
    return ", ".join(entry.candidate.name for entry in entries)


def _draw(result: Result, path: Path, *, quiet: bool) -> None:
    from stackc.benchmark.plot import draw_plot
    from stackc.cli.pictures import write_file
    from stackc.core.plurals import counted

    title = f"{counted(len(result.entries), 'candidate')} at {_sizes(result)}"
    write_file(path, draw_plot(result.comparison, title, path.suffix.lower()))
    if not quiet:
        echo(f"wrote {path}")
