"""stackc train SPEC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stackc.cli.options import FilePath, data_option, json_option, override_options, spec_argument
from stackc.cli.screen import echo, echo_json, rich_console, style
from stackc.frontend import Overrides

if TYPE_CHECKING:
    from stackc.training.loop import Report, Trained


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
@json_option
def command(
    spec: Path,
    overrides: Overrides,
    data: dict[str, Path],
    out: Path | None,
    resume: bool,
    checkpoint_every: int | None,
    as_json: bool,
) -> None:
    """Train SPEC as its `train:` says, on one core or more.

    Ctrl-C writes a checkpoint and ends with status 130; `--resume` continues from it. `stackc build SPEC --weights
    runs/NAME` then builds the model with its best weights.
    """
    from stackc.frontend import check_spec

    checked = check_spec(spec, overrides)
    from stackc.training import TrainOptions, train_model

    folder = out or Path("runs") / checked.document.name
    try:
        with _reporting(as_json=as_json) as report:
            trained = train_model(checked, TrainOptions(data, folder, resume, checkpoint_every), report)
    except KeyboardInterrupt:
        if not as_json and (folder / "checkpoint.safetensors").exists():
            echo(style("interrupted", fg="yellow", bold=True), f"; `--resume` continues the run in {folder}/")
        raise SystemExit(130) from None

    if as_json:
        echo_json({"folder": str(trained.folder), "best_epoch": trained.best_epoch, "validation": trained.means})
    else:
        _print_result(trained)


def _print_result(trained: Trained) -> None:
    echo(style("trained", fg="green", bold=True), f" {trained.folder}/: {trained.steps:,} steps")
    if trained.means:
        echo(f"  best epoch {trained.best_epoch}: {_numbers(trained.means)}")


@contextmanager
def _reporting(*, as_json: bool) -> Iterator[Report]:
    """Yield what is called with each step and epoch: a JSON line, or a line for an epoch, below it a bar if that is
    a terminal."""
    if as_json:
        yield echo_json
        return

    import sys

    if not sys.stdout.isatty():
        yield _print_epoch
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("loss {task.fields[loss]:.4g}"), TimeRemainingColumn())
    with Progress(*columns, transient=True, console=rich_console()) as progress:
        bar = progress.add_task("train", total=None, loss=float("nan"))

        def report(event: dict[str, Any]) -> None:
            if "epoch" in event:
                progress.console.print(_epoch_line(event), highlight=False)
            else:
                progress.update(bar, completed=event["step"], total=event["steps"], loss=event["loss"])

        yield report


def _print_epoch(event: dict[str, Any]) -> None:
    if "epoch" in event:
        echo(_epoch_line(event))


def _epoch_line(event: dict[str, Any]) -> str:
    """Return an epoch as a line: the loss over its batches, then the means over the validation data."""
    line = f"epoch {event['epoch']:3}  step {event['step']:6,} of {event['steps']:,}  loss {event['loss']:.4f}"
    return f"{line}  validation: {_numbers(event['validation'])}" if event["validation"] else line


def _numbers(means: dict[str, float]) -> str:
    return ", ".join(f"{name} {mean:.4f}" for name, mean in means.items())
