"""One run: its model, its state, its data, and its folder.

runs/NAME/
  model.safetensors       the best weights by the names of the spec, for `stackc build --weights runs/NAME`
  last.safetensors        those of the last epoch
  checkpoint.safetensors  what `--resume` continues from
  history.jsonl           the loss and learning rate of each step, the means of each epoch
  report.html             the curves beside the drawing
  launch.txt              what started the ranks, if torchrun did: started again by it, they resume the run
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.name_patterns import is_factor, peft_name
from stackc.frontend import Checked
from stackc.ir.ranks import RankGrid, launch_command
from stackc.ir.training import Training, TrainSettings
from stackc.resolve.train_settings import TOTAL
from stackc.training.average import averaged_copy
from stackc.training.checkpoint import (
    Position,
    RunState,
    load_checkpoint,
    rewrite_metadata,
    save_checkpoint,
    weights_of,
    write_tensors,
)
from stackc.training.examples import Examples
from stackc.training.history import History, claim_folder, clean_folder
from stackc.training.optimizer import make_optimizer
from stackc.training.parallel import require_ranks, shard_module, with_ddp
from stackc.training.per_example import PerExample, private_optimizer
from stackc.training.prepare import open_training_data, run_identity, training_module, training_of
from stackc.training.private_run import PrivatePlan
from stackc.training.ranks import ALONE, RankBatch, Ranks, is_restart
from stackc.training.step import Model
from stackc.training.tensorboard import TensorBoard
from stackc.training.watch_components import ComponentWatch
from stackc.weights.files.safetensors_file import OWN_NAMES, PRIVACY

RUNS = Path("runs")
ADAPTER = "adapter.safetensors"
"""The factors of low-rank adaptations alone, under the names of peft."""
WEIGHTS, LAST, CHECKPOINT, HISTORY = "model.safetensors", "last.safetensors", "checkpoint.safetensors", "history.jsonl"
LAUNCH = "launch.txt"
_METADATA = dict([("format", "pt"), OWN_NAMES])

Report: TypeAlias = Callable[[dict[str, Any]], None]
"""Called with the event of each step and each epoch, as history.jsonl has it, with `steps`, how many there are.

Those of steps have the number of `examples` in the batch too.
"""


@dataclass(frozen=True)
class TrainOptions:
    """Settings of a run from outside of the spec.

    data               files in place of those of the spec, by "train" and "validation"
    out                the folder of the run: runs/NAME by default
    resume             continue the run in that folder
    checkpoint_every   the steps after which a checkpoint is written, in place of those of the spec
    compiled           run the module through torch.compile
    tensorboard        write files of TensorBoard too, into the folder of the run
    watch_components   record norms of activations and gradients by component
    shard              share the weights among the ranks
    """

    data: dict[str, Path] = field(default_factory=dict)
    out: Path | None = None
    resume: bool = False
    checkpoint_every: int | None = None
    compiled: bool = False
    tensorboard: bool = False
    watch_components: bool = False
    shard: bool = False


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder, its number of steps, the means of its best epoch, and which that is."""

    folder: Path
    steps: int
    best_epoch: int
    means: dict[str, float]


@dataclass(frozen=True)
class _Prepared:
    """What a run starts from: its model, the average of its weights, its data, and where it begins."""

    model: Model
    average: nn.Module | None
    examples: Examples
    validation: Examples | None
    position: Position
    plan: PrivatePlan | None

    @staticmethod
    def of(checked: Checked, options: TrainOptions, ranks: Ranks) -> _Prepared:
        """Make the module and open the files, without a word to other ranks."""
        training = training_of(checked)
        if ranks.count > 1:
            require_ranks(training, shard=options.shard, watched=options.watch_components)
        elif options.shard:
            hint = f"start ranks: `{launch_command(checked.source.file, RankGrid(1, 2), shard=True)}`"
            raise SpecError(Diagnostic("L224", "one process has nothing to share", hint=hint))
        examples, validation = open_training_data(checked, options.data)
        plan = _private_plan(training, examples, options, ranks)
        torch.manual_seed(training.settings.seed)
        model = Model(training_module(checked, training), training)
        if options.compiled:
            model.module.compile()
        model.start_training()
        average = averaged_copy(model.module) if training.settings.ema is not None else None
        position = Position(made_with=run_identity(training, examples), secret=secrets.token_hex(32) if plan else "")
        return _Prepared(model, average, examples, validation, position, plan)

    def on(self, ranks: Ranks, *, shard: bool) -> tuple[Model, RunState]:
        """Put the model on the ranks, and make the optimizer of what this rank has of it."""
        model, settings = self.model, self.model.training.settings
        if shard:
            paths = [frame.path for frame in model.training.program.frames]
            for module in (model.module, self.average):
                if module is not None:
                    shard_module(module, paths)
        elif ranks.count > 1:
            model = with_ddp(model)
        optimizer = make_optimizer(settings.optimizer, model.module, settings.groups)
        if self.plan is not None:
            optimizer = private_optimizer(optimizer, self.plan)
        return model, RunState(self.position, model.module, optimizer, self.average)


@dataclass(frozen=True)
class Private:
    """What `privacy` needs beside a run: the plan for its budget, and the gradients of single examples."""

    plan: PrivatePlan
    per_example: PerExample


@dataclass(frozen=True)
class TrainingRun:
    """A run while it goes on. All that changes is in `state` and in the files of `folder`."""

    model: Model
    state: RunState
    examples: Examples
    validation: Examples | None
    folder: Path
    history: History
    tensorboard: TensorBoard | None
    watch: ComponentWatch | None
    report: Report
    checkpoint_every: int | None
    ranks: Ranks = ALONE
    private: Private | None = None

    @staticmethod
    def start(checked: Checked, options: TrainOptions, report: Report, ranks: Ranks = ALONE) -> TrainingRun:
        """Make the module and the optimizer, in the state of the run to resume if there is one.

        Raises SpecError L105, L201, L204, L205, L208, L223, L224 and L233 to L235 as `train_model`.
        """
        folder = options.out or RUNS / checked.document.name
        history, launch = History(folder / HISTORY), folder / LAUNCH
        prepared, tensorboard, error = None, None, None
        resumes = options.resume or is_restart(ranks, launch)
        try:
            prepared = _Prepared.of(checked, options, ranks)
            tensorboard = TensorBoard(folder) if options.tensorboard and ranks.is_first else None
            if ranks.is_first and not resumes:
                claim_folder(folder)
            if ranks.is_first and ranks.launch is not None:
                launch.write_text(ranks.launch, encoding="utf-8")
        except SpecError as caught:
            error = caught
        ranks.agree(error)
        assert prepared is not None, "else there is an error"

        # From here on ranks wait for each other. Each draws dropout of its own; weights are drawn by their paths.
        model, state = prepared.on(ranks, shard=options.shard)
        torch.manual_seed(prepared.model.training.settings.seed + ranks.number)
        if resumes:
            if (folder / CHECKPOINT).exists() or not history.path.exists():
                load_checkpoint(folder / CHECKPOINT, state, ranks)  # else it was killed before the first: start again
            if ranks.is_first:
                clean_folder(folder)
                history.cut(state.position.step, state.position.epoch)
        every = options.checkpoint_every or model.training.settings.checkpoint
        watch = ComponentWatch(model.module, checked.program) if options.watch_components else None
        data = prepared.examples, prepared.validation
        private = Private(prepared.plan, PerExample.of(model)) if prepared.plan else None
        return TrainingRun(model, state, *data, folder, history, tensorboard, watch, report, every, ranks, private)

    # -- how far it is

    @property
    def settings(self) -> TrainSettings:
        """The settings under `train:`."""
        return self.model.training.settings

    @property
    def steps_an_epoch(self) -> int:
        """The number of batches that all examples make."""
        return _steps_an_epoch(self.model.training, self.examples)

    @property
    def total_steps(self) -> int:
        """The number of steps of the whole run, unless it stops before."""
        return _total_steps(self.model.training, self.examples)

    @property
    def has_all_steps(self) -> bool:
        """Whether no step is left."""
        return self.state.position.step >= self.total_steps

    @property
    def is_epoch_complete(self) -> bool:
        """Whether every example was seen in this epoch, or no step is left."""
        return self.state.position.batch >= self.steps_an_epoch or self.has_all_steps

    @property
    def is_checkpoint_due(self) -> bool:
        """Whether a checkpoint is written after this step, within an epoch."""
        return self.checkpoint_every is not None and self.state.position.step % self.checkpoint_every == 0

    @property
    def is_done(self) -> bool:
        """Whether no step is left, or `stop` ends the run."""
        position, stop = self.state.position, self.settings.stop
        has_stalled = stop is not None and position.epoch - position.best_epoch >= stop.patience
        return self.has_all_steps or has_stalled

    # -- what the loop asks of it

    def batches(self, start: int) -> Iterator[RankBatch]:
        """Yield the batches of this epoch, in its order, from this number on: this rank's share of each. With `privacy`
        each is drawn anew."""
        position, data = self.state.position, self.settings.data
        if self.private is not None:
            plan, steps = self.private.plan, range(position.step, position.step + self.steps_an_epoch - start)
            draws = (plan.rows(position.secret, step) for step in steps)
            drawn = self.examples.drawn_batches(draws, self.private.per_example.batch)
            return (RankBatch(batch, ALONE, True, len(batch.rows), len(batch.rows)) for batch in drawn)
        order = self.examples.order(self.settings.seed, position.epoch)
        return self.ranks.batches(self.examples, data.batch, order, start)

    @property
    def evaluated(self) -> Model:
        """The model as it is evaluated and kept: the average of its weights if there is one."""
        return replace(self.model, module=self.state.average or self.state.module, wrapped=None)

    def keep_weights(self, model: Model, means: dict[str, float]) -> None:
        """Write the weights of a model: as the last ones, and as the best ones if its means over the validation data
        say so."""
        position = self.state.position
        weights = weights_of(model.module, self.model.training.program.tensors())
        metadata = _METADATA | self._privacy_metadata()
        self._write(LAST, weights, metadata)

        watched = means.get(self._watched)
        if watched is None or position.best is None or self._is_better(watched, position.best):
            position.best, position.best_epoch = watched, position.epoch
            self._write(WEIGHTS, weights, metadata)
            if adapter := {peft_name(name): tensor for name, tensor in weights.items() if is_factor(name)}:
                self._write(ADAPTER, adapter, {"format": "pt"} | self._privacy_metadata())
        elif self.private is not None:  # that no later epoch is better was learned from these examples too
            for path in (self.folder / WEIGHTS, self.folder / ADAPTER):
                if path.exists():
                    rewrite_metadata(path, self._privacy_metadata())

    def save_checkpoint(self) -> None:
        """Write all that `--resume` continues from."""
        save_checkpoint(self.folder / CHECKPOINT, self.state, self.ranks)

    def forget_secret(self) -> None:
        """Remove the secret of `privacy` from the checkpoint of a run that is done: nothing continues it."""
        if self.state.position.secret:
            self.state.position.secret = ""
            self.save_checkpoint()

    def record(self, event: dict[str, Any], **more: Any) -> None:
        """Append an event to the history, and report it, with what only those who watch need: as the first rank."""
        if not self.ranks.is_first:
            return
        self.history.append(event)
        if self.tensorboard is not None:
            self.tensorboard.write(event)
        self.report(event | {"steps": self.total_steps} | more)

    def finish(self) -> Trained:
        """Return what came of the run."""
        position = self.state.position
        return Trained(self.folder, position.step, position.best_epoch, self.history.validation(position.best_epoch))

    def _write(self, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        """Write a file of tensors into the folder, as the first rank."""
        if self.ranks.is_first:
            write_tensors(self.folder / name, tensors, metadata)

    @property
    def epsilon(self) -> float | None:
        """What is spent of the budget of `privacy`; None without one."""
        return self.private.plan.epsilon(self.state.position.step) if self.private else None

    def _privacy_metadata(self) -> dict[str, str]:
        """Return what a file of weights says of `privacy`."""
        return {PRIVACY: json.dumps(self.private.plan.to_json(self.state.position.step))} if self.private else {}

    @property
    def _watched(self) -> str:
        """The metric that says which epoch is best: that of `stop`, or the first one, or the loss."""
        stop, metrics, losses = self.settings.stop, self.model.training.metrics, self.model.training.losses
        return stop.metric if stop else metrics[0] if metrics else losses[0] if len(losses) == 1 else TOTAL

    def _is_better(self, value: float, best: float) -> bool:
        """Return whether a value of the watched metric is better than another."""
        return value > best if self._watched in self.model.training.rising else value < best


def _steps_an_epoch(training: Training, examples: Examples) -> int:
    return math.ceil(len(examples) / training.settings.data.batch)


def _total_steps(training: Training, examples: Examples) -> int:
    settings = training.settings
    return settings.steps or (settings.epochs or 0) * _steps_an_epoch(training, examples)


def _private_plan(training: Training, examples: Examples, options: TrainOptions, ranks: Ranks) -> PrivatePlan | None:
    """Return the plan for the budget of a run, if it has one.

    Raises SpecError L235 for options that private training does not take, and those of `PrivatePlan.of`.
    """
    budget = training.settings.privacy
    if budget is None:
        return None
    if ranks.count > 1:
        message = "`privacy` draws examples and noise for one process, but there are several ranks"
        raise SpecError(Diagnostic("L235", message, hint="start `stackc train` without torchrun"))
    if options.watch_components:
        message = "norms of gradients tell of the examples, and `privacy` adds no noise to them"
        raise SpecError(Diagnostic("L235", message, hint="leave out `--watch-components`"))
    if options.compiled:
        message = "the gradients of single examples, which `privacy` needs, do not go through torch.compile"
        raise SpecError(Diagnostic("L235", message, hint="leave out `--compile`"))
    steps = _total_steps(training, examples)
    return PrivatePlan.of(budget, len(examples), steps, _steps_an_epoch(training, examples))
