"""stackc build SPEC."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackc.cli.options import json_option, override_options, provider_option, spec_argument, threads_option
from stackc.front import Overrides

if TYPE_CHECKING:
    from stackc.build import Built


@click.command("build")
@spec_argument
@override_options
@click.option("--weights", type=click.Path(path_type=Path), help="A file of tensors: .safetensors, .npz, .pt.")
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
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of random weights and of the inputs of the proof."
)
@provider_option
@threads_option
@click.option("--no-verify", is_flag=True, help="Run nothing: no proof, no timing, and where it can be no PyTorch.")
@click.option("--no-bench", is_flag=True, help="Leave the timing out.")
@click.option("--no-cache", is_flag=True, help="Compile every component anew, and keep none; see `stackc cache`.")
@json_option
def command(
    spec: Path, overrides: Overrides, weights: Path | None, out: Path, opset: int, target: str, seed: int,
    provider: str, threads: int | None, no_verify: bool, no_bench: bool, no_cache: bool, as_json: bool,
) -> None:  # fmt: skip
    """Build SPEC into OUT/NAME: an ONNX model that is proven equal to its PyTorch module, and measured.

    The artifact is written whole or not at all: when a stage fails, the earlier one stands.
    """
    from stackc.build import Options, build

    options = Options(
        overrides=overrides, weights=weights, out=out, seed=seed, opset=opset, target=target, provider=provider,
        verify=not no_verify, measure=not no_bench, threads=threads, cache=not no_cache,
    )  # fmt: skip
    start = time.perf_counter()

    def report(stage: str, found: str) -> None:
        nonlocal start
        now = time.perf_counter()
        if not as_json:
            click.echo(f"{click.style('✓', fg='green')} {stage:8} {now - start:6.2f} s  {found}")
        start = now

    built = build(spec, options, report)
    if as_json:
        click.echo((built.folder / "manifest.json").read_text(encoding="utf-8"), nl=False)
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
    if built.speed:
        table = Table("", "p50 ms", "p90 ms", "p99 ms", box=SIMPLE_HEAD, padding=0, pad_edge=False)
        for name, timing in built.speed.timings.items():
            table.add_row(name, *(f"{timing.percentile(p) * 1e3:.2f}" for p in (50, 90, 99)))
        console.print(f"Speed at {built.measured}:", table)
        for ratio in built.speed.ratios:
            console.print(str(ratio))
