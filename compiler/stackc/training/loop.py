"""The training loop: epochs of steps, an evaluation and a checkpoint after each, the best weights kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from itertools import islice

import torch

from stackc.frontend import Checked
from stackc.training.average import evaluate_model, move_average
from stackc.training.interrupt import stop_on_interrupt
from stackc.training.nonfinite import nonfinite_loss
from stackc.training.optimizer import rate_factor, set_rate
from stackc.training.per_example import private_update
from stackc.training.ranks import RankBatch, join_ranks
from stackc.training.recalibrate import recalibrated
from stackc.training.run import Report, Trained, TrainingRun, TrainOptions
from stackc.training.run_page import run_page
from stackc.training.step import update
from stackc.training.watch_components import epoch_means

__all__ = ["Report", "TrainOptions", "Trained", "train_model"]


def train_model(checked: Checked, options: TrainOptions | None = None, report: Report = lambda event: None) -> Trained:
    """Train a checked spec into runs/NAME/.

    Raises SpecError: L105 without `train:`, L201 and L202 for data, L203 for a loss that is not finite, L204 and L205
    for the folder of the run, L208 without a package, L223 to L225 for several ranks, L233 to L235 for `privacy`;
    KeyboardInterrupt after Ctrl-C, once a checkpoint is written.
    """
    with join_ranks() as ranks:
        run = TrainingRun.start(checked, options or TrainOptions(), report, ranks)
        board, watched = run.tensorboard or nullcontext(), run.watch.attached() if run.watch else nullcontext()
        page = run_page(checked, run) if ranks.is_first else nullcontext()
        with run.history, board, watched, page, stop_on_interrupt() as is_pressed:

            def is_interrupted() -> bool:
                return ranks.any(is_pressed())

            while not run.is_done:
                train_epoch(run, is_interrupted)
                run.save_checkpoint()
                if is_interrupted():
                    raise KeyboardInterrupt
            run.forget_secret()
        return run.finish()


def train_epoch(run: TrainingRun, is_interrupted: Callable[[], bool]) -> None:
    """Make the steps of an epoch, or those that are left of it; then evaluate."""
    run.model.start_training()
    for batch in run.batches(run.state.position.batch):
        train_step(run, batch)
        if is_interrupted() or run.has_all_steps:
            break
        if run.is_checkpoint_due:
            run.save_checkpoint()

    if run.is_epoch_complete:
        end_epoch(run)


def train_step(run: TrainingRun, batch: RankBatch) -> None:
    """Make one update at the learning rate of the schedule. Raises SpecError L203 if the loss is not finite."""
    position, settings = run.state.position, run.settings
    rate = settings.optimizer.lr * rate_factor(settings.schedule, position.step, run.total_steps)
    set_rate(run.state.optimizer, rate)
    loss = update_weights(run, batch)
    if not math.isfinite(loss):
        run.ranks.agree(nonfinite_loss(run.model, batch.batch, position.step))

    if run.watch is not None:
        run.watch.step(position.norms)
    if run.state.average is not None:
        assert settings.ema is not None
        move_average(run.state.average, run.state.module, settings.ema)
    position.step, position.batch, position.losses = position.step + 1, position.batch + 1, position.losses + loss
    run.record({"step": position.step, "loss": loss, "lr": rate}, examples=batch.size)


def update_weights(run: TrainingRun, batch: RankBatch) -> float:
    """Make one update, and return the loss of the batch; for a draw of no examples, the mean loss of the epoch."""
    position, optimizer = run.state.position, run.state.optimizer
    if run.private is None:
        return update(run.model, optimizer, batch)
    loss = private_update(run.private.per_example, optimizer, batch.batch.feeds, position.secret, position.step)
    return position.losses / max(1, position.batch) if loss is None else loss


def end_epoch(run: TrainingRun) -> None:
    """Evaluate the weights, without a trace in the random numbers, and keep them."""
    position, settings, means = run.state.position, run.settings, dict[str, float]()
    kept = run.evaluated
    with torch.random.fork_rng(devices=[]):
        if settings.recalibrate is not None:
            kept = recalibrated(kept, (each.batch for each in islice(run.batches(0), settings.recalibrate)))
        if run.validation is not None:
            means = evaluate_model(kept, run.validation, settings.data.batch, run.ranks)

    loss, norms = position.losses / max(1, position.batch), epoch_means(position.norms, max(1, position.batch))
    position.epoch, position.batch, position.losses, position.norms = position.epoch + 1, 0, 0.0, {}
    event = {"epoch": position.epoch, "step": position.step, "loss": loss, "validation": means}
    event |= {"epsilon": run.epsilon} if run.private else {}
    run.record(event | ({"components": norms, "findings": run.watch.findings(norms)} if run.watch else {}))
    run.keep_weights(kept, means)
