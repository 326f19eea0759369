"""stackc train SPEC."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackc.cli.options import FilePath, data_option, json_option, override_options, spec_argument
from stackc.cli.screen import echo, echo_json, style
from stackc.cli.train_progress import means_text, train_progress
from stackc.frontend import Overrides

if TYPE_CHECKING:
    from stackc.training.loop import Trained


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
    as_json: bool,
) -> None:
    """Train SPEC as its `train:` says, on one core or more.

    Ctrl-C writes a checkpoint and ends with status 130; `--resume` continues from it. `stackc build SPEC --weights
    runs/NAME` then builds the model with its best weights.
    """
    if compiled and watch_components:
        raise click.UsageError("--watch-components needs the values between components, which --compile does away with")
    from stackc.frontend import check_spec

    checked = check_spec(spec, overrides)
    from stackc.training import TrainOptions, train_model

    options = TrainOptions(data, out, resume, checkpoint_every, compiled, tensorboard, watch_components)
    folder = out or Path("runs") / checked.document.name
    try:
        with train_progress(as_json=as_json) as report:
            trained = train_model(checked, options, report)
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
        echo(f"  best epoch {trained.best_epoch}: {means_text(trained.means)}")
