"""stackc build SPEC."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackc.cli.budget_options import budget_options
from stackc.cli.options import (
    FilePath,
    assert_option,
    json_option,
    override_options,
    provider_option,
    require_option,
    spec_argument,
    threads_option,
)
from stackc.cli.screen import echo, echo_json, echo_text, safe_json, style
from stackc.cli.spec_completion import complete_components
from stackc.cli.stage_progress import stage_progress
from stackc.cli.table import Column, print_table
from stackc.core.progress import STAGES, Stage
from stackc.frontend import Overrides
from stackc.ir.budget import Budget
from stackc.precision.formats import FORMATS, Format
from stackc.precision.request import Quantization

if TYPE_CHECKING:
    from stackc.pipeline import Options, Stages
    from stackc.precision.quantize import ReducedPrecision
    from stackc.proof.points import Point
    from stackc.proof.report import Parity
    from stackc.proof.tolerance import Verdict
    from stackc.timing import Comparison


@click.command("build")
@spec_argument
@override_options
@click.option(
    "--weights",
    type=FilePath(),
    multiple=True,
    help="A file of tensors (.safetensors, .npz, .pt, .onnx, .gguf, .index.json), or a folder; may be repeated.",
)
@click.option(
    "--reference", type=FilePath(), metavar="FILE.npz",
    help="Inputs and outputs recorded from the original model, which the module has to compute.",
)  # fmt: skip
@click.option(
    "-o", "--out", type=FilePath(), show_default="exported",
    help="The folder to write NAME/ to; with --until, the folder for the files of that stage.",
)  # fmt: skip
@click.option("--opset", type=click.IntRange(18, 23), default=23, show_default=True, help="The ONNX opset of the file.")
@click.option(
    "--target", type=click.Choice(["portable", "ort"]), default="portable", show_default=True,
    help="The operators of the file: ONNX's alone, or also ONNX Runtime's own if they are faster.",
)  # fmt: skip
@click.option("--functions", is_flag=True, help="Keep blocks and stacks as ONNX functions, which viewers can fold.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The seed of random weights and of the inputs of the proof."
)
@provider_option
@require_option
@threads_option
@click.option(
    "--until", type=click.Choice(STAGES),
    help="Stop after this stage and say what it made. No artifact is written: files go to --out, if it is given.",
)  # fmt: skip
@click.option("--no-verify", is_flag=True, help="Skip the proof and the timing, and load PyTorch only if needed.")
@click.option("--per-component", is_flag=True, help="Prove every component at all points, and print the worst.")
@click.option(
    "--thorough",
    is_flag=True,
    help="Prove the largest sizes of the dims however long it takes, with up to half of this machine's memory.",
)
@click.option(
    "--quantize",
    type=click.Choice(FORMATS),
    metavar="FORMAT",
    help=f"Give the weights another format and hold the file to a budget: {', '.join(FORMATS)}.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="NAMES",
    shell_complete=complete_components,
    help="Components or weights that stay float32 with --quantize, or patterns of their names: encoder.0,*.mlp.down.",
)
@budget_options
@assert_option
@click.option("--no-assert", is_flag=True, help="Build the artifact even if a figure is not what the spec asserts.")
@click.option("--no-bench", is_flag=True, help="Skip the timing.")
@click.option("--no-cache", is_flag=True, help="Compile every component again and keep none; see `stackc cache`.")
@json_option
def command(
    spec: Path, overrides: Overrides, weights: tuple[Path, ...], reference: Path | None, out: Path | None, opset: int,
    target: str, functions: bool, seed: int, provider: str, require_provider: bool, threads: int | None,
    until: Stage | None, no_verify: bool, per_component: bool, thorough: bool, quantize: Format | None,
    keep: tuple[str, ...], budget: Budget | None, data: Path | None, asserted: dict[str, str], no_assert: bool,
    no_bench: bool, no_cache: bool, as_json: bool,
) -> None:  # fmt: skip
    """Build SPEC into OUT/NAME: an ONNX model, proven equal to its PyTorch module, and measured.

    The artifact is written whole or not at all: if a stage fails, the earlier one stays.
    """
    _check_usage(until, no_verify=no_verify, no_bench=no_bench, require_provider=require_provider,
                 proof_options={"--per-component": per_component, "--thorough": thorough,
                                "--reference": reference is not None})  # fmt: skip
    if quantize is not None and functions:
        raise click.UsageError("--quantize changes operators of the file, which --functions hides in functions")
    wanted = _quantization(quantize, keep, budget, data, until, no_verify=no_verify)
    if asserted and (no_assert or no_verify or until):
        raise click.UsageError("--assert holds a whole build to its figures: without --no-assert, --no-verify, --until")
    from stackc.artifact.folder import MANIFEST, PARITY
    from stackc.pipeline import Options, build, build_until

    options = Options(
        overrides=overrides, weights=weights or None, reference=reference, out=out, seed=seed, opset=opset,
        target=target, functions=functions,
        provider=provider, verify=not no_verify, measure=not no_bench, asserts=not no_assert, asserted=asserted,
        threads=threads, cache=not no_cache, per_component=per_component, thorough=thorough,
        require_provider=require_provider, quantize=wanted,
    )  # fmt: skip
    expected = _expected_stages(until, options)

    if until is not None:
        with stage_progress(expected, quiet=as_json) as progress:
            stages, files = build_until(spec, until, options, progress)
        _report_stop(until, stages, files, hint="" if out else "; `-o FOLDER` keeps what was made", as_json=as_json)
        return

    with stage_progress(expected, quiet=as_json) as progress:
        built = build(spec, options, progress)
    if as_json:
        click.echo(safe_json((built.folder / MANIFEST).read_text(encoding="utf-8")), nl=False)
    else:
        _print_parity(built.parity, built.folder / PARITY)
        _print_precision(built.precision)
        _print_speed(built.speed, built.measured)
        echo(style("built", fg="green", bold=True), f" {built.folder}/")


def _expected_stages(until: Stage | None, options: Options) -> tuple[Stage, ...]:
    """Return the stages that will certainly come."""
    stages = STAGES[: STAGES.index(until) + 1] if until else STAGES
    left_out = {"weights"} if options.weights is None else set()
    left_out |= set() if options.verify else {"open", "prove", "measure"}
    left_out |= set() if options.measure else {"measure"}
    return tuple(stage for stage in stages if stage not in left_out)


def _check_usage(
    until: Stage | None, *, no_verify: bool, no_bench: bool, require_provider: bool, proof_options: Mapping[str, bool]
) -> None:
    """Raise UsageError for options that contradict each other."""
    stops_at = STAGES.index(until) if until else len(STAGES)
    proof_option = next((name for name, is_set in proof_options.items() if is_set), None)
    if no_verify and require_provider:
        raise click.UsageError("--require-provider is checked when the model is opened, which --no-verify skips")
    if no_verify and proof_option:
        raise click.UsageError(f"{proof_option} is a part of the proof, which --no-verify skips")
    if no_verify and until in ("open", "prove", "measure"):
        raise click.UsageError(f"--until {until} runs the model, which --no-verify skips")
    if no_bench and until == "measure":
        raise click.UsageError("--until measure is the timing, which --no-bench skips")
    if proof_option and stops_at < STAGES.index("prove"):
        raise click.UsageError(f"{proof_option} is a part of the proof, which comes after --until {until}")
    if require_provider and stops_at < STAGES.index("open"):
        raise click.UsageError(f"--require-provider is checked when the model is opened, after --until {until}")


def _quantization(
    format: Format | None, keep: tuple[str, ...], budget: Budget | None, data: Path | None, until: Stage | None,
    *, no_verify: bool,
) -> Quantization | None:  # fmt: skip
    """Return the format that is asked for and its budget. Raises UsageError for options that contradict each other."""
    options = {"--keep": keep, "--max-error and --cosine": budget, "--data": data}
    extra = next((name for name, value in options.items() if value), None)
    if format is None and extra:
        raise click.UsageError(f"{extra} is for --quantize, which says what the weights become")
    if format is not None and no_verify and budget:
        raise click.UsageError("--max-error and --cosine are checked against the module, which --no-verify skips")
    if format is not None and until is not None and until != "measure":
        raise click.UsageError(f"--quantize changes the file that is proven, which comes after --until {until}")
    if format is None:
        return None
    kept = tuple(name for names in keep for name in names.split(",") if name)
    return Quantization(format, kept, budget, data)


def _report_stop(until: Stage, stages: Stages, files: Sequence[Path], *, hint: str, as_json: bool) -> None:
    """Say what a build that stopped early has made, and the files it wrote."""
    if as_json:
        echo_json({"until": until, "files": [str(file) for file in files]}, indent=2)
        return

    from stackc.artifact.folder import PARITY

    parity = next((file for file in files if file.name == PARITY), None)
    _print_parity(stages.parity, parity)
    _print_speed(stages.speed, stages.measured)
    wrote = f"wrote {', '.join(map(str, files))}" if files else f"nothing was written{hint}"
    echo(style("stopped", fg="green", bold=True), f" after {until}: {wrote}")


def _print_parity(parity: Parity | None, file: Path | None) -> None:
    """Print the table of the proof, and that of its components if their errors were told apart; `file` has all rows."""
    if parity is None:
        return
    from stackc.proof.report import numbers_text

    rows = [
        [row.output, str(row.point), numbers_text(row.verdict), *_distances(row.verdict), Path(row.place).name]
        for row in parity.rows
    ]
    columns = [Column(title) for title in ("output", "sizes", "numbers", "PyTorch", "ONNX", "allowed", "made by")]
    print_table(columns, rows, caption="Largest distance from the truth, the module in float64:")
    _print_coverage(parity)
    if any(row.inherited is not None for row in parity.components):
        _print_components(parity, file)


def _print_coverage(parity: Parity) -> None:
    """Print up to which size each dim is proven, and the components that were not run at its largest size."""
    from stackc.proof.coverage import coverage_text, gap_lines

    if not parity.coverage:
        return
    echo(coverage_text(parity.coverage))
    gaps = gap_lines(parity.coverage)
    for line in gaps[:SHOWN]:
        echo(f"  {line}")
    if len(gaps) > SHOWN:
        echo(f"  {len(gaps) - SHOWN} more, in parity.json")
    if gaps:
        echo("  `--thorough` proves what this machine can run")


def _print_speed(speed: Comparison | None, measured: Point | None) -> None:
    """Print the table of the timing."""
    if speed is None:
        return
    rows = [
        [name, *(f"{timing.percentile(p) * 1e3:.2f}" for p in (50, 90, 99))] for name, timing in speed.timings.items()
    ]
    print_table([Column(title) for title in ("", "p50 ms", "p90 ms", "p99 ms")], rows, caption=f"Speed at {measured}:")
    for ratio in speed.ratios:
        echo_text(str(ratio))
    if speed.disturbed:
        busy = f"{speed.others:.1f} of {os.cpu_count()} cores"
        echo(f"  other programs kept {busy} busy meanwhile: measure again on an idle machine")


def _print_precision(precision: ReducedPrecision | None) -> None:
    """Print the outputs and the components of a file in another format, the largest errors first."""
    if precision is None or not precision.rows:
        return
    from stackc.precision.figures import cosine_text

    rows = sorted(precision.rows, key=lambda row: -row.error.relative)
    table = [[row.output, str(row.point), f"{row.error.max_error:.1e}", cosine_text(row.error.cosine)] for row in rows]
    columns = [Column(title) for title in ("output", "sizes", "largest error", "smallest cosine")]
    print_table(columns, table[:SHOWN], caption=f"Distance of the {precision.format} file from PyTorch:")

    columns = [Column("component", wrap="anywhere"), *(Column(t, wrap="never") for t in ("line", "format", "error"))]
    table = [
        [f"{each.path} ({each.op})", Path(str(each.span)).name, ", ".join(each.formats), f"{each.error.relative:.2%}"]
        for each in precision.components[:SHOWN]
    ]
    print_table(columns, table, caption="Error of each component by itself, of the length of its output:")


SHOWN = 20
"""Components in the table; parity.json has all of them."""


def _print_components(parity: Parity, file: Path | None) -> None:
    """Print every component at its worst point, the worst component first."""
    components = parity.by_component()
    rows = []
    for row in components[:SHOWN]:
        inherited = "–" if row.inherited is None else f"{row.inherited:.1e}"
        numbers = [*_distances(row.verdict), inherited]
        rows.append([f"{row.path} ({row.op})", Path(str(row.span)).name, *numbers])

    titles = ("line", "PyTorch", "ONNX", "allowed", "inherited")
    columns = [Column("component", wrap="anywhere"), *(Column(title, wrap="never") for title in titles)]
    caption = "Error of each component on the reference's inputs, and error inherited from those before it:"
    print_table(columns, rows, caption=caption)
    if len(components) > SHOWN:
        echo(f"{len(components) - SHOWN} more" + (f" in {file}" if file else ""))


def _distances(verdict: Verdict) -> list[str]:
    from stackc.proof.report import determined_text

    torch, onnx, allowed = (f"{number:.1e}" for number in (verdict.torch, verdict.onnx, verdict.allowed))
    if verdict.determined is not None:
        allowed = f"{allowed}: {determined_text(verdict.determined)}"
    return [torch, onnx, allowed]
