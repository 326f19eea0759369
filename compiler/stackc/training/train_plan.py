"""`stackc plan --train`: the memory of training by rank, the largest batch that fits, and how to start the ranks.

One process holds weights W, gradients G, the state of the optimizer S and what a step allocates beside them. With DDP
every rank holds all of W, G and S for its share of the batch; with FSDP2 a share of them, and beside it the weights of
the blocks that are running. For any number of ranks this is arithmetic on the step of one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import torch
from torch import nn

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.types import Dim, TensorType
from stackc.frontend import Checked
from stackc.ir.optimizers import OPTIMIZERS, Adam, Optimizer
from stackc.ir.ranks import RankGrid, TrainPlanOptions, launch_command
from stackc.proof.sizes import machine_memory
from stackc.training.parallel import sharded_blocks
from stackc.training.step_memory import OptimizerMemory, StepMemory, TracedModel, bytes_of, optimizer_memory

_UNITS_IN_FLIGHT = 3
"""Blocks whose memory is whole at once with FSDP2: the weights of one and of the next, the gradients of one."""


@dataclass(frozen=True, slots=True)
class RankMemory:
    """Bytes of one rank.

    average     the average of the weights (`ema`)
    saved       activations that are kept for the backward pass
    peak        the most at once, in a step after the first
    """

    weights: int
    gradients: int
    state: int
    average: int
    saved: int
    peak: int


@dataclass(frozen=True)
class TrainPlan:
    """The plan: the memory of a rank, the bytes that it sends each step, the largest global batch that fits.

    `batch` is the global batch. `largest_batch` is None if no single dim of the inputs is the batch, 0 if nothing fits.
    """

    name: str
    ranks: RankGrid
    shard: bool
    optimizer: str
    batch: int
    batch_of_rank: int
    sizes: Mapping[str, int]
    rank: RankMemory
    sent: int
    memory: int
    largest_batch: int | None
    command: str


def plan_training(checked: Checked, options: TrainPlanOptions | None = None) -> TrainPlan:
    """Return the plan of a checked spec; without `train:`, as if its loss were the sum of its outputs.

    Raises SpecError L221 if its memory depends on values, L222 if a size is open that has no maximum, L235 for one
    with `privacy`, whose steps hold gradients of single examples.
    """
    options = options or TrainPlanOptions()
    if checked.training is not None and checked.training.settings.privacy is not None:
        message = "a step under `privacy` holds a gradient for each example, which the plan does not count"
        raise SpecError(Diagnostic("L235", message, hint="leave out `privacy` for the plan, or `--train`"))
    model = TracedModel.of(checked)
    batch_dim = _batch_dim(model.inputs)
    planner = _Planner(checked, options, model, batch_dim, _open_sizes(checked, model, batch_dim))

    batch = planner.batch
    rank = planner.rank_memory(planner.share(batch))
    memory = options.memory or _memory_of_rank(options.ranks)
    largest = planner.largest(memory) if batch_dim else None
    return TrainPlan(
        name=checked.document.name,
        ranks=options.ranks,
        shard=options.shard,
        optimizer=_name_of(planner.optimizer),
        batch=batch,
        batch_of_rank=planner.share(batch),
        sizes=planner.sizes,
        rank=rank,
        sent=planner.sent_bytes(),
        memory=memory,
        largest_batch=largest,
        command=launch_command(checked.source.file, options.ranks, shard=options.shard),
    )


@dataclass(frozen=True)
class _Planner:
    checked: Checked
    options: TrainPlanOptions
    model: TracedModel
    batch_dim: str | None
    sizes: Mapping[str, int]

    @property
    def batch(self) -> int:
        """The global batch: the option, what the spec says, or one example for each rank."""
        training = self.checked.training
        return self.options.batch or (training.settings.data.batch if training else self.options.ranks.count)

    @cached_property
    def optimizer(self) -> Optimizer:
        training = self.checked.training
        if self.options.optimizer is not None:
            return OPTIMIZERS[self.options.optimizer](lr=1.0)
        return training.settings.optimizer if training else Adam()

    @cached_property
    def optimizer_needs(self) -> OptimizerMemory:
        return optimizer_memory(self.optimizer)

    @property
    def trained_bytes(self) -> int:
        return sum(map(bytes_of, self.model.trained))

    def share(self, batch: int) -> int:
        """Return the most examples that a rank has of a batch."""
        return ceil(batch / self.options.ranks.count)

    def step(self, batch: int) -> StepMemory:
        """Return the memory of a step of a rank, with so many examples."""
        training = self.checked.training
        parts = min(training.settings.accumulate, batch) if training else 1
        sizes = {self.batch_dim: ceil(batch / parts)} if self.batch_dim else {}
        return self.model.step({**self.sizes, **sizes}, parts)

    def rank_memory(self, batch: int) -> RankMemory:
        """Return the memory of a rank, with so many examples."""
        training, ranks, step = self.checked.training, self.options.ranks.count, self.step(batch)
        weights, gradients = self.model.weight_bytes, self.trained_bytes
        state = gradients * self.optimizer_needs.state
        average = weights if training and training.settings.ema is not None else 0
        temporary = self.optimizer_needs.temporary * max(map(bytes_of, self.model.trained), default=0)

        buffers = weights - _parameter_bytes(self.model.module)

        gathered = 0
        if self.options.shard:
            gradients, state, temporary = (ceil(number / ranks) for number in (gradients, state, temporary))
            weights = ceil((weights - buffers) / ranks) + buffers
            average = min(average, weights)
            gathered = self.gathered_bytes()

        # What activations leave is not taken by gradients and temporary tensors: blocks below 32 MB go back to the heap
        # of the process, in pieces, and a heap does not shrink.
        peak = weights + state + average + gathered + step.peak + gradients + temporary
        return RankMemory(weights, gradients, state, average, step.saved, peak)

    def gathered_bytes(self) -> int:
        """Return the bytes that are whole on every rank with FSDP2: what is in no block, and the blocks in flight."""
        blocks = [_parameter_bytes(module) for module in sharded_blocks(self.model.module, self.program_frames)]
        outside = _parameter_bytes(self.model.module) - sum(blocks)
        return outside + _UNITS_IN_FLIGHT * max(blocks, default=0)

    @property
    def program_frames(self) -> tuple[str, ...]:
        program = (self.checked.training or self.checked).program
        return tuple(frame.path for frame in program.frames)

    def sent_bytes(self) -> int:
        """Return the bytes that a rank sends each step: a ring reduces gradients in 2·(N − 1)/N of their size; FSDP2
        scatters gradients in half of that, and gathers weights twice."""
        ranks = self.options.ranks.count
        once = (ranks - 1) / ranks
        if self.options.shard:
            return round(once * (2 * _parameter_bytes(self.model.module) + self.trained_bytes))
        return round(2 * once * self.trained_bytes)

    def largest(self, memory: int) -> int:
        """Return the largest global batch whose share of a rank fits in `memory` bytes; 0 if not even 1 does."""
        ranks = self.options.ranks.count
        share = largest_batch(lambda batch: self.rank_memory(batch).peak, memory)
        limits = (self.checked.training or self.checked).program.contract.get(self.batch_dim or "")
        most = limits.maximum if limits else None
        return ranks * (share if most is None else min(share, most))


def largest_batch(peak: Callable[[int], int], memory: int) -> int:
    """Return the largest batch whose peak is within `memory`; 0 if not even 1 is. The peak grows with the batch.

    It is nearly a line, so that each guess is where the line through two batches reaches the memory.
    """
    peaks = {1: peak(1)}
    if peaks[1] > memory:
        return 0

    low, high, guess = 1, None, 2
    while high is None or high - low > 1:
        peaks[guess] = peak(guess)
        if peaks[guess] <= memory:
            low = guess
        else:
            high = guess
        other = max(size for size in peaks if size != guess)
        slope = (peaks[guess] - peaks[other]) / (guess - other)
        guess = 2 * low if slope <= 0 else int(guess + (memory - peaks[guess]) / slope)
        if guess >= _ENDLESS:
            return _ENDLESS
        guess = max(guess, low + 1) if high is None else min(max(guess, low + 1), high - 1)
    return low


_ENDLESS = 2**40
"""The batch at which the search ends, if a larger one takes no more memory."""


# -- sizes


def _batch_dim(inputs: Mapping[str, TensorType]) -> str | None:
    """Return the dim that all inputs begin with; None if there is none."""
    first = {type_.shape[0] if type_.rank else Dim.of(1) for type_ in inputs.values()}
    names = {name for dim in first for name in dim.symbols()}
    return name if len(names) == 1 and first == {Dim.symbol(name := names.pop())} else None


def _open_sizes(checked: Checked, model: TracedModel, batch_dim: str | None) -> dict[str, int]:
    """Return the largest size of every open dim but the batch. Raises SpecError L222 if one has no maximum."""
    contract = (checked.training or checked).program.contract
    names = {name for type_ in model.inputs.values() for dim in type_.shape for name in dim.symbols()} - {batch_dim}
    sizes, diagnostics = dict[str, int](), []
    for name in sorted(names):
        limits = contract[name]
        if limits.maximum is None:
            hint = f"say which: `--dims {name}={limits.least}`, or give it a maximum under `dims`"
            diagnostics.append(Diagnostic("L222", f"'{name}' may be of any size", checked.document.span, hint))
        else:
            sizes[name] = limits.maximum - limits.maximum % limits.multiple_of
    if diagnostics:
        raise SpecError(*diagnostics)
    return sizes


def _memory_of_rank(ranks: RankGrid) -> int:
    """Return the memory that this machine has for a rank: that of a GPU, or a share of its own."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(0).total_memory
    return machine_memory() // ranks.per_machine


def _parameter_bytes(module: nn.Module) -> int:
    return sum(map(bytes_of, module.parameters()))


def _name_of(optimizer: Optimizer) -> str:
    return next(name for name, class_ in OPTIMIZERS.items() if class_ is type(optimizer))
