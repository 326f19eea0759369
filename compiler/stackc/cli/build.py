"""stackc build SPEC."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackc.cli.options import (
    json_option,
    override_options,
    provider_option,
    require_option,
    spec_argument,
    threads_option,
)
from stackc.cli.report import stage_report
from stackc.frontend import Overrides

if TYPE_CHECKING:
    from rich.console import Console

    from stackc.pipeline import Built
    from stackc.proof.report import Parity


@click.command("build")
@spec_argument
@override_options
@click.option(
    "--weights", type=click.Path(path_type=Path), help="A file of tensors: .safetensors, .npz, .pt, .index.json."
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("exported"),
    show_default=True,
    help="Where NAME/ goes.",
)
@click.option("--opset", type=click.IntRange(18, 23), default=23, show_default=True, help="The ONNX opset of the file.")
@click.option(
    "--target",
    type=click.Choice(["portable", "ort"]),
    default="portable",
    show_default=True,
    help="The operators of the file: ONNX's alone, or ONNX Runtime's own besides, where they are faster.",
)
@click.option("--functions", is_flag=True, help="Keep blocks and stacks as ONNX functions, for a viewer to show.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of random weights and of the inputs of the proof."
)
@provider_option
@require_option
@threads_option
@click.option("--no-verify", is_flag=True, help="Run nothing: no proof, no timing, and where it can be no PyTorch.")
@click.option("--per-component", is_flag=True, help="Prove every component by itself as well, and print the worst.")
@click.option("--no-bench", is_flag=True, help="Leave the timing out.")
@click.option("--no-cache", is_flag=True, help="Compile every component anew, and keep none; see `stackc cache`.")
@json_option
def command(
    spec: Path, overrides: Overrides, weights: Path | None, out: Path, opset: int, target: str, functions: bool,
    seed: int, provider: str, require_provider: bool, threads: int | None, no_verify: bool, per_component: bool,
    no_bench: bool, no_cache: bool, as_json: bool,
) -> None:  # fmt: skip
    """Build SPEC into OUT/NAME: an ONNX model that is proven equal to its PyTorch module, and measured.

    The artifact is written whole or not at all: when a stage fails, the earlier one stands.
    """
    if no_verify and require_provider:
        raise click.UsageError("--require-provider is seen when the model is opened, which --no-verify leaves out")
    if no_verify and per_component:
        raise click.UsageError("--per-component is a part of the proof, which --no-verify leaves out")
    from stackc.artifact.folder import MANIFEST
    from stackc.pipeline import Options, build

    options = Options(
        overrides=overrides, weights=weights, out=out, seed=seed, opset=opset, target=target, functions=functions,
        provider=provider, verify=not no_verify, measure=not no_bench, threads=threads, cache=not no_cache,
        per_component=per_component, require_provider=require_provider,
    )  # fmt: skip
    built = build(spec, options, stage_report(quiet=as_json))
    if as_json:
        click.echo((built.folder / MANIFEST).read_text(encoding="utf-8"), nl=False)
    else:
        _tables(built)
        click.echo(f"{click.style('built', fg='green', bold=True)} {built.folder}/")


def _tables(built: Built) -> None:
    """Parity and speed as tables."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if built.parity:
        table = Table(
            "output", "sizes", "PyTorch", "ONNX", "allowed", "made by", box=SIMPLE_HEAD, padding=0, pad_edge=False
        )
        for row in built.parity.rows:
            numbers = [f"{x:.1e}" for x in (row.verdict.torch, row.verdict.onnx, row.verdict.allowed)]
            table.add_row(row.output, str(row.point), *numbers, Path(row.place).name)
        console.print("Largest distance from the truth, the module in float64:", table)
        _components(built.parity, built.folder, console)
    if built.speed:
        table = Table("", "p50 ms", "p90 ms", "p99 ms", box=SIMPLE_HEAD, padding=0, pad_edge=False)
        for name, timing in built.speed.timings.items():
            table.add_row(name, *(f"{timing.percentile(p) * 1e3:.2f}" for p in (50, 90, 99)))
        console.print(f"Speed at {built.measured}:", table)
        for ratio in built.speed.ratios:
            console.print(str(ratio))


SHOWN = 20
"""Components in the table; parity.json has all of them."""


def _components(parity: Parity, folder: Path, console: Console) -> None:
    """Every component at its worst point, the worst component first."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from stackc.artifact.folder import PARITY

    rows = parity.by_component()
    if not rows:
        return
    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("component", overflow="fold")
    for heading in ("line", "PyTorch", "ONNX", "allowed", "inherited"):
        table.add_column(heading, no_wrap=True)
    for row in rows[:SHOWN]:
        verdict, drift = row.verdict, math.nan if row.inherited is None else row.inherited
        numbers = [f"{x:.1e}" for x in (verdict.torch, verdict.onnx, verdict.allowed, drift)]
        table.add_row(f"{row.path} ({row.op})", Path(str(row.span)).name, *numbers)
    console.print("Error of each component on the reference's inputs, and error inherited from those before it:", table)
    if len(rows) > SHOWN:
        console.print(f"{len(rows) - SHOWN} more in {folder / PARITY}")
