"""stackc bench TARGET…."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackc.cli.options import SpecPath, comma_separated, json_option, override_options
from stackc.cli.report import stage_report
from stackc.cli.table import print_table
from stackc.frontend import Overrides

if TYPE_CHECKING:
    from stackc.benchmark import BenchmarkEntry, BenchmarkPlan, Result
    from stackc.benchmark.job import Engine

ENGINES = ("eager", "compile", "onnx", "openvino")
PLOTS = (".svg", ".png")
DISTURBED = 0.15
"""Cores that other programs kept busy, from which on figures of several threads are not to be trusted."""


def _plot_path(ctx: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    if path is None:
        return None
    from importlib.util import find_spec

    if path.suffix.lower() not in PLOTS:
        raise click.BadParameter(f"'{path}' has to end in one of {', '.join(PLOTS)}", ctx, option)
    if find_spec("matplotlib") is None:
        raise click.UsageError("--plot needs matplotlib: pip install 'stackc[plot]'", ctx)
    if not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.parent}", ctx, option)
    return path


@click.command("bench")
@click.argument("targets", type=SpecPath(), nargs=-1, required=True, metavar="TARGET…")
@override_options
@click.option("--weights", type=click.Path(path_type=Path), help="A file of tensors for the specs and the artifacts.")
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of random weights and of the inputs; artifacts have their own.",
)
@click.option(
    "--only", "engines", **comma_separated(click.Choice(ENGINES)),
    metavar="ENGINE,…", help=f"Time these alone: {', '.join(ENGINES)}. By default all that work here.",
)  # fmt: skip
@click.option(
    "--provider", "providers", **comma_separated(click.Choice(["auto", "cpu", "cuda", "tensorrt"])),
    default=["auto"], metavar="PROVIDER,…",
    help="Where to run: auto, cpu, cuda, tensorrt. By default auto, which is CUDA where it opens.",
)  # fmt: skip
@click.option(
    "--threads", **comma_separated(click.IntRange(1, 1024)), metavar="NUMBER,…",
    help="Threads for one operation, on the CPU. By default all cores.",
)  # fmt: skip
@click.option("--baseline", metavar="NAME", help="The candidate that ratios are to. By default the first.")
@click.option(
    "--seconds", type=click.FloatRange(0, 86400), default=6.0, show_default=True,
    help="How long to time all together, after warming up; 20 rounds at least.",
)  # fmt: skip
@click.option(
    "--sittings", type=click.IntRange(1, 100), default=3, show_default=True,
    help="How often to open all of them anew in that time: no two processes of one file are equally fast.",
)  # fmt: skip
@click.option(
    "--tolerance", type=click.FloatRange(0), default=1e-3, show_default=True,
    help="How far outputs may differ, as a share of their largest number; inf for models that are not the same.",
)  # fmt: skip
@click.option(
    "--plot", type=click.Path(path_type=Path), callback=_plot_path, help="Draw all runs: a file in .svg or .png."
)
@json_option
def command(
    targets: tuple[Path, ...], overrides: Overrides, weights: Path | None, seed: int, engines: tuple[Engine, ...],
    providers: tuple[str, ...], threads: tuple[int, ...], baseline: str | None, seconds: float, sittings: int,
    tolerance: float, plot: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Time TARGETs against each other: specs, artifacts (exported/NAME) and any ONNX files.

    A spec and an artifact run as the PyTorch module, eagerly and compiled, and as ONNX in ONNX Runtime and, where it is
    installed, OpenVINO; a file as ONNX. All get the same inputs, at the sizes of --dims or else at those that a build
    measures, and have to give the same outputs. Each candidate has a process of its own, and they run in turns.

    load is the time from imported libraries to the first outputs, memory the most that the process took beyond them. A
    ratio whose interval contains 1 is noise.
    """
    from stackc.benchmark import BenchmarkOptions, is_model_file, is_spec_target, run_benchmark

    if overrides.params and not any(map(is_spec_target, targets)):
        raise click.UsageError("--set is for specs: the params of an artifact were set when it was built")
    if weights and all(map(is_model_file, targets)):
        raise click.UsageError("--weights is for specs and artifacts: an ONNX file has its own")
    plan = _plan(targets, engines, providers, threads, baseline)
    options = BenchmarkOptions(
        overrides=replace(overrides, dims={}), dims=overrides.dims, weights=weights, seed=seed, seconds=seconds,
        repetitions=sittings, baseline=baseline, tolerance=tolerance,
    )  # fmt: skip
    result = run_benchmark(targets, plan, options, stage_report(quiet=as_json))
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(result)
    if plot is not None:
        _draw(result, plot, quiet=as_json)


def _plan(
    targets: tuple[Path, ...], engines: tuple[Engine, ...], providers: tuple[str, ...], threads: tuple[int, ...],
    baseline: str | None,
) -> BenchmarkPlan:  # fmt: skip
    """What takes part; click.UsageError where that is nothing, or not what the options name."""
    from stackc.benchmark import plan_benchmark
    from stackc.core.diagnostics import did_you_mean
    from stackc.runtime.openvino import INSTALL, has_openvino

    if "openvino" in engines and not has_openvino():
        raise click.BadParameter(f"OpenVINO is not installed: {INSTALL}", param_hint="--only")
    plan = plan_benchmark(targets, engines, providers, threads or (os.cpu_count() or 1,))
    names = [candidate.name for candidate in plan.candidates]
    if not names:
        raise click.UsageError(f"an ONNX file alone has no PyTorch module, which --only {','.join(engines)} would time")
    if baseline is not None and baseline not in names:
        raise click.BadParameter(
            f"no candidate '{baseline}'; {did_you_mean(baseline, names) or ''}", param_hint="--baseline"
        )
    return plan


def _print(result: Result) -> None:
    """The table, then ratios, and what has to be known of the figures."""
    medians = [entry.timing.median * 1e3 for entry in result.entries]
    digits = max(0, 2 - math.floor(math.log10(max(min(medians), 1e-6))))
    on_gpu = any(entry.device_memory is not None for entry in result.entries)
    columns = ["candidate", "on", "p50 ms", "p90 ms", "p99 ms", result.unit, "load s", "memory"]
    rows = [[*_cells(entry, result, digits), *([_bytes(entry.device_memory)] * on_gpu)] for entry in result.entries]
    print_table([*columns, *["GPU memory"] * on_gpu], rows)
    for ratio in result.comparison.ratios:
        click.echo(str(ratio))
    for note in _notes(result):
        click.echo(note)


def _cells(entry: BenchmarkEntry, result: Result, digits: int) -> list[str]:
    from stackc.view.figures import scaled

    one, timing = entry.candidate, entry.timing
    place = f"{one.provider}, {one.threads} thread{'s' if one.threads > 1 else ''}"
    times = [f"{timing.percentile(percent) * 1e3:.{digits}f}" for percent in (50, 90, 99)]
    speed, load = scaled(result.throughput(timing)), f"{entry.load_seconds:.2f}"
    return [one.name, place, *times, speed, load, _bytes(entry.peak_memory)]


def _bytes(number: int | None) -> str:
    from stackc.view.figures import bytes_text

    return "–" if number is None else bytes_text(number)


def _notes(result: Result) -> Iterator[str]:
    """What has to be known of the figures, a line each."""
    sizes = ", ".join(f"{name}={size}" for name, size in result.sizes.items()) or "fixed sizes"
    others = result.comparison.others
    busy = "" if others is None else f", while other programs kept {others:.1f} of {os.cpu_count()} cores busy"
    yield f"at {sizes}: {len(result.entries[0].timing.seconds)} rounds{busy}"
    if others is not None and others > DISTURBED and any(entry.candidate.threads > 1 for entry in result.entries):
        yield "  a thread that waits for a core holds up all others of its run: time again when the machine is quiet"
    for weights in dict.fromkeys(entry.weights for entry in result.entries if entry.weights):
        yield f"{_names(entry for entry in result.entries if entry.weights == weights)}: {weights}"
    for reason in dict.fromkeys(entry.unequal for entry in result.entries if entry.unequal):
        names = _names(entry for entry in result.entries if entry.unequal == reason)
        yield f"{names}: outputs not compared with the others': {reason}"
    for entry in result.entries:
        for line in entry.opened[0].off_provider:
            yield f"{entry.candidate.name}: not on {entry.candidate.provider}: {line}"
    for left in result.left_out:
        yield f"left out: {left.reason}"


def _names(entries: Iterable[BenchmarkEntry]) -> str:
    return ", ".join(entry.candidate.name for entry in entries)


def _draw(result: Result, path: Path, *, quiet: bool) -> None:
    from stackc.benchmark.plot import draw_plot
    from stackc.cli.pictures import write_file

    sizes = ", ".join(f"{name}={size}" for name, size in result.sizes.items()) or "fixed sizes"
    write_file(path, draw_plot(result.comparison, f"{len(result.entries)} candidates at {sizes}", path.suffix.lower()))
    if not quiet:
        click.echo(f"wrote {path}")
