"""The training loop: epochs of steps, an evaluation and a checkpoint after each, the best weights kept.

runs/NAME/
  model.safetensors       the best weights by the names of the spec, for `stackc build --weights runs/NAME`
  last.safetensors        those of the last epoch
  checkpoint.safetensors  what `--resume` continues from
  history.jsonl           the loss and learning rate of each step, the means of each epoch
"""

from __future__ import annotations

import hashlib
import json
import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import torch
from torch import nn

from stackc.artifact.stored_weights import find_all_weights
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked
from stackc.ir.printer import print_program
from stackc.ir.training import Training, TrainSettings
from stackc.resolve.train_settings import TOTAL
from stackc.torch_backend.lower import load_weights, lower
from stackc.training.average import averaged_copy, evaluate_model, move_average
from stackc.training.checkpoint import Position, RunState, load_checkpoint, save_checkpoint, weights_of, write_tensors
from stackc.training.examples import Batch, Examples, epoch_order
from stackc.training.history import claim_folder, cut_history, validation_of
from stackc.training.nonfinite import nonfinite_loss
from stackc.training.optimizer import make_optimizer, rate_factor, set_rate
from stackc.training.step import Model, update
from stackc.weights.files import Paths
from stackc.weights.files.safetensors_file import OWN_NAMES

RUNS = Path("runs")
WEIGHTS, LAST, CHECKPOINT, HISTORY = "model.safetensors", "last.safetensors", "checkpoint.safetensors", "history.jsonl"

Report: TypeAlias = Callable[[dict[str, Any]], None]
"""Called with the event of each step and each epoch, as history.jsonl has it, and how many steps there are."""


@dataclass(frozen=True)
class TrainOptions:
    """Settings of a run from outside of the spec.

    data     files in place of those of the spec, by "train" and "validation"
    out      the folder of the run: runs/NAME by default
    resume   continue the run in that folder
    """

    data: dict[str, Path] = field(default_factory=dict)
    out: Path | None = None
    resume: bool = False


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder, its number of steps, the means of its best epoch, and which that is."""

    folder: Path
    steps: int
    best_epoch: int
    means: dict[str, float]


def train_model(checked: Checked, options: TrainOptions | None = None, report: Report = lambda event: None) -> Trained:
    """Train a checked spec into runs/NAME/.

    Raises SpecError: L105 without `train:`, L201 and L202 for data, L203 for a loss that is not finite, L204 and L205
    for the folder of the run; KeyboardInterrupt after Ctrl-C, once a checkpoint is written.
    """
    options = options or TrainOptions()
    training = training_of(checked)
    files = {name: open_examples(checked, training, options, name) for name in ("train", "validation")}
    if files["train"] is None:
        hint = "write `data: {train: FILE}`, or name one with `--data`"
        raise SpecError(Diagnostic("L201", "the spec names no file of examples", checked.document.span, hint))

    if training.settings.stop and files["validation"] is None:
        message = "train.stop watches the validation data, but there is none"
        hint = "write `data: {validation: FILE}`, or name one with `--data validation=FILE`"
        raise SpecError(Diagnostic("L201", message, checked.document.span, hint))

    run = _Run.start(checked, training, files["train"], files["validation"], options, report)
    with _stop_on_interrupt() as is_interrupted:
        while not run.is_done:
            run.train_epoch(is_interrupted)
            if is_interrupted():
                raise KeyboardInterrupt
    return run.finish()


def training_of(checked: Checked) -> Training:
    """Return what a spec says of its training. Raises SpecError L105 if it says nothing."""
    if checked.training is None:
        hint = "write its losses and data under `train:`; see `stackc help language`"
        raise SpecError(Diagnostic("L105", "the spec does not say how to train it", checked.document.span, hint))
    return checked.training


def open_examples(checked: Checked, training: Training, options: TrainOptions, name: str) -> Examples | None:
    """Open the examples for training or validation; those of the spec are beside it. None if there are none."""
    written = getattr(training.settings.data, name)
    beside = Path(checked.source.file).parent
    path = options.data.get(name) or (beside / written if written else None)
    return Examples.open(path, training.program, training.ranges) if path else None


@dataclass
class _Run:
    """One run: its model, its state, its data, its folder."""

    model: Model
    state: RunState
    examples: Examples
    validation: Examples | None
    folder: Path
    report: Report

    @staticmethod
    def start(
        checked: Checked,
        training: Training,
        examples: Examples,
        validation: Examples | None,
        options: TrainOptions,
        report: Report,
    ) -> _Run:
        """Make the module and the optimizer, in the state of the run to resume if there is one."""
        settings, folder = training.settings, options.out or RUNS / checked.document.name
        torch.manual_seed(settings.seed)
        model = Model(training_module(checked, training), training)
        model.start_training()

        average = averaged_copy(model.module) if settings.ema is not None else None
        position = Position(made_with=_made_with(checked, examples))
        state = RunState(position, model.module, make_optimizer(settings.optimizer, model.module), average)
        run = _Run(model, state, examples, validation, folder, report)
        if options.resume:
            load_checkpoint(folder / CHECKPOINT, state)
            cut_history(folder / HISTORY, position.step, position.epoch)
        else:
            claim_folder(folder)
        return run

    # -- how far it is

    @property
    def settings(self) -> TrainSettings:
        return self.model.training.settings

    @property
    def steps_an_epoch(self) -> int:
        return math.ceil(len(self.examples) / self.settings.data.batch)

    @property
    def total_steps(self) -> int:
        return self.settings.steps or (self.settings.epochs or 0) * self.steps_an_epoch

    @property
    def is_done(self) -> bool:
        position, stop = self.state.position, self.settings.stop
        has_stalled = stop is not None and position.epoch - position.best_epoch >= stop.patience
        return position.step >= self.total_steps or has_stalled

    # -- what it does

    def train_epoch(self, is_interrupted: Callable[[], bool]) -> None:
        """Make the steps of an epoch, or those that are left of it; then evaluate. Write a checkpoint at the end."""
        position, data = self.state.position, self.settings.data
        order = epoch_order(len(self.examples), self.settings.seed, position.epoch, shuffle=data.shuffle)
        self.model.start_training()
        for batch in self.examples.batches(data.batch, order, start=position.batch):
            self.step(batch)
            if is_interrupted() or position.step >= self.total_steps:
                break

        if position.batch >= self.steps_an_epoch or position.step >= self.total_steps:
            self.end_epoch()
        save_checkpoint(self.folder / CHECKPOINT, self.state)

    def step(self, batch: Batch) -> None:
        """Make one step."""
        position, settings = self.state.position, self.settings
        rate = settings.optimizer.lr * rate_factor(settings.schedule, position.step, self.total_steps)
        set_rate(self.state.optimizer, rate)
        loss = update(self.model, self.state.optimizer, batch.feeds)
        if not math.isfinite(loss):
            raise nonfinite_loss(self.model, batch, position.step)

        if self.state.average is not None:
            assert settings.ema is not None
            move_average(self.state.average, self.state.module, settings.ema)
        position.step, position.batch, position.losses = position.step + 1, position.batch + 1, position.losses + loss
        self.record({"step": position.step, "loss": loss, "lr": rate})

    def end_epoch(self) -> None:
        """Evaluate, and keep the weights: as the last ones, and as the best ones if they are."""
        position = self.state.position
        kept = self.state.average or self.state.module
        means = {}
        if self.validation is not None:
            with torch.random.fork_rng(devices=[]):
                means = evaluate_model(replace(self.model, module=kept), self.validation, self.settings.data.batch)

        loss = position.losses / max(1, position.batch)
        position.epoch, position.batch, position.losses = position.epoch + 1, 0, 0.0
        self.record({"epoch": position.epoch, "step": position.step, "loss": loss, "validation": means})
        weights = weights_of(kept, self.model.training.program.tensors())
        write_tensors(self.folder / LAST, weights, _METADATA)
        watched = means.get(self.watched)
        if watched is None or position.best is None or self.is_better(watched, position.best):
            position.best, position.best_epoch = watched, position.epoch
            write_tensors(self.folder / WEIGHTS, weights, _METADATA)

    @property
    def watched(self) -> str:
        """The metric that says which epoch is best: that of `stop`, or the first one, or the loss."""
        stop, metrics, losses = self.settings.stop, self.model.training.metrics, self.model.training.losses
        return stop.metric if stop else metrics[0] if metrics else losses[0] if len(losses) == 1 else TOTAL

    def is_better(self, value: float, best: float) -> bool:
        """Return whether a value of the watched metric is better than another."""
        return value > best if self.watched in self.model.training.rising else value < best

    def record(self, event: dict[str, Any]) -> None:
        """Append an event to the history, and report it."""
        with (self.folder / HISTORY).open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
        self.report(event | {"steps": self.total_steps})

    def finish(self) -> Trained:
        """Return what came of the run."""
        position = self.state.position
        means = validation_of(self.folder / HISTORY, position.best_epoch)
        return Trained(self.folder, position.step, position.best_epoch, means)


_METADATA = dict([("format", "pt"), OWN_NAMES])


def training_module(checked: Checked, training: Training, path: Paths | None = None) -> nn.Module:
    """Return the module of a model with its losses: with the weights of a file, or of that which the spec names, or
    random ones."""
    weights, seed = find_all_weights(checked, path), training.settings.seed
    if weights is None:
        module = lower(training.typed, seed=seed)
    else:
        module = load_weights(lower(training.typed, seed=seed, device="meta"), weights)
    return module.double() if training.settings.precision == "float64" else module


def _made_with(checked: Checked, examples: Examples) -> str:
    """Return a hash of what a run has to be continued with: the model, the settings, the kind of examples."""
    training = checked.training
    assert training is not None
    columns = {name: (str(column.dtype), column.shape) for name, column in examples.columns.items()}
    program = [line.partition("//")[0] for line in print_program(training.program).splitlines()]
    text = repr((program, training.settings, sorted(columns.items())))
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C was pressed; pressed again, it interrupts at once.

    In other threads than the main one, which alone has handlers, nothing is ever said.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return
    previous = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, handle)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, previous)
