"""stackc train SPEC."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackc.cli.failures import INTERRUPTED
from stackc.cli.options import (
    FilePath,
    data_option,
    json_option,
    override_options,
    spec_argument,
    split_outside_brackets,
)
from stackc.cli.screen import echo, echo_json, style
from stackc.cli.table import print_table
from stackc.cli.train_progress import means_text, train_progress
from stackc.frontend import Checked, Overrides

if TYPE_CHECKING:
    from stackc.training.run import Trained, TrainOptions


def _sweep(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, list[str]]:
    """Parse `layers=2,4`. Raises click.BadParameter without a value, or for a param that is named twice."""
    values: dict[str, list[str]] = {}
    for text in texts:
        name, _, listed = text.partition("=")
        parts = [part.strip() for part in split_outside_brackets(listed)]
        if not name.strip() or not all(parts):
            raise click.BadParameter(f"'{text}' is not NAME=A,B", ctx, option)
        if values.setdefault(name.strip(), parts) is not parts:
            raise click.BadParameter(f"{name.strip()} is swept twice", ctx, option)
    return values


@click.command("train")
@spec_argument
@override_options
@data_option
@click.option(
    "-o", "--out", type=FilePath(), show_default="runs/NAME",
    help="The folder of the run: its best weights, its checkpoint, its history.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Continue the run in that folder from its last checkpoint.")
@click.option(
    "--checkpoint-every", type=click.IntRange(min=1), metavar="STEPS",
    help="Write a checkpoint after every so many steps too, not only at the end of each epoch.",
)  # fmt: skip
@click.option("--compile", "compiled", is_flag=True, help="Run the module through torch.compile.")
@click.option("--tensorboard", is_flag=True, help="Write files of TensorBoard too, into the folder of the run.")
@click.option(
    "--watch-components", is_flag=True,
    help="Record norms of activations and gradients by component, and report where gradients vanish or explode.",
)  # fmt: skip
@click.option(
    "--sweep", multiple=True, metavar="NAME=A,B,…", callback=_sweep,
    help="Train a variant for each value of a param, or each combination, in a folder of its own.",
)  # fmt: skip
@click.option(
    "--shard", is_flag=True,
    help="Share weights, gradients and the optimizer's state among the ranks of torchrun, block by block.",
)  # fmt: skip
@json_option
def command(
    spec: Path,
    overrides: Overrides,
    data: dict[str, Path],
    out: Path | None,
    resume: bool,
    checkpoint_every: int | None,
    compiled: bool,
    tensorboard: bool,
    watch_components: bool,
    sweep: dict[str, list[str]],
    shard: bool,
    as_json: bool,
) -> None:
    """Train SPEC as its `train:` says, on one core or more.

    Ctrl-C writes a checkpoint and ends with status 130; `--resume` continues from it. `stackc build SPEC --weights
    runs/NAME` then builds the model with its best weights.

    `torchrun --nproc-per-node 2 -m stackc train SPEC` trains in several processes, each on its share of every batch;
    after a process is lost, torchrun starts them again (`--max-restarts 3`), and they resume from the last checkpoint.
    """
    if compiled and watch_components:
        raise click.UsageError("--watch-components needs the values between components, which --compile does away with")
    if sweep and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise click.UsageError("--sweep trains in one process: leave out torchrun, or train one variant at a time")
    from stackc.frontend import check_spec

    checked = None if sweep else check_spec(spec, overrides)
    from stackc.training import TrainOptions

    options = TrainOptions(data, out, resume, checkpoint_every, compiled, tensorboard, watch_components, shard)
    if checked is None:
        _train_sweep(spec, overrides, sweep, options, as_json=as_json)
    else:
        _train_one(checked, options, as_json=as_json)


def _train_one(checked: Checked, options: TrainOptions, *, as_json: bool) -> None:
    from stackc.training import train_model

    folder, is_first = options.out or Path("runs") / checked.document.name, os.environ.get("RANK", "0") == "0"
    progress = train_progress(as_json=as_json) if is_first else nullcontext(lambda event: None)
    with _interruptible(folder, as_json=as_json, is_first=is_first), progress as report:
        trained = train_model(checked, options, report)
    if not is_first:
        return  # the other processes that torchrun starts print errors alone
    if as_json:
        echo_json({"folder": str(trained.folder), "best_epoch": trained.best_epoch, "validation": trained.means})
    else:
        _print_result(trained)


def _train_sweep(
    spec: Path, overrides: Overrides, sweep: dict[str, list[str]], options: TrainOptions, *, as_json: bool
) -> None:
    from stackc.frontend import check_spec
    from stackc.training.sweep import make_variants, sweep_json, sweep_table, train_variants

    variants = make_variants(sweep, overrides, lambda each: check_spec(spec, each))
    folder = options.out or Path("runs") / variants[0].checked.document.name
    all_trained = []
    with _interruptible(folder, as_json=as_json), train_progress(as_json=as_json) as report:
        for variant, trained in train_variants(variants, folder, options, report):
            all_trained.append((variant, trained))
            if as_json:
                echo_json(sweep_json(variant, trained))
            else:
                _print_result(trained)

    if not as_json:
        print_table(*sweep_table(all_trained))
        echo(f"the curves of all are in {folder / 'report.html'}")


@contextmanager
def _interruptible(folder: Path, *, as_json: bool, is_first: bool = True) -> Iterator[None]:
    """End with status 130 after Ctrl-C, and say how to go on; with JSON, what prints every error as JSON says it."""
    try:
        yield
    except KeyboardInterrupt:
        if as_json and is_first:
            raise
        if is_first and next(folder.rglob("checkpoint.safetensors"), None):
            echo(style("interrupted", fg="yellow", bold=True), f"; `--resume` continues the run in {folder}/")
        raise SystemExit(INTERRUPTED) from None


def _print_result(trained: Trained) -> None:
    echo(style("trained", fg="green", bold=True), f" {trained.folder}/: {trained.steps:,} steps")
    if trained.means:
        echo(f"  best epoch {trained.best_epoch}: {means_text(trained.means)}")
