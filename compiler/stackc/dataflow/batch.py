"""Whether the examples of a batch are independent in training, and requests in evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stackc.components.along import Along, Portion, Reduces
from stackc.core.types import Dim
from stackc.dataflow.batch_axis import batch_axes
from stackc.dataflow.follow import AxisFlow, AxisRefusal, Blocked, follow_axis
from stackc.ir.program import Call, Program
from stackc.ir.training import Training

BATCH_CHOICE = "the batch axis is the first one whose dim all inputs have"


@dataclass(frozen=True)
class BatchAnswer:
    """Whether the entries of a batch are independent: they are if nothing is refused.

    `axes` has the batch axis of each input, `dim` its size; None if the inputs share none.
    """

    dim: Dim | None
    axes: Mapping[str, int]
    refusals: tuple[AxisRefusal, ...]

    @property
    def is_independent(self) -> bool:
        """Whether no entry depends on another."""
        return not self.refusals


def independent_examples(training: Training) -> BatchAnswer:
    """Return whether the examples of a batch are independent up to each loss, in training.

    Then gradients by example are right, and those of parts of a batch, or of ranks, can be averaged by the counts of
    the losses. What `freeze` names is as in evaluation.
    """
    program, frozen = training.program, training.settings.freeze

    def trains(call: Call) -> bool:
        return not any(call.owner == path or call.owner.startswith(f"{path}.") for path in frozen)

    batch = batch_axes(program.inputs)
    if batch is None:
        return _without_axis(program)
    size, axes = batch
    flow = follow_axis(program, {name: {axis: Portion.NEW} for name, axis in axes.items()}, trains)
    losses = {name: program.outputs[name] for name in training.losses}
    return BatchAnswer(size, axes, tuple(dict.fromkeys(_of_losses(flow, losses))))


def joinable_requests(program: Program) -> BatchAnswer:
    """Return whether requests to a server may be joined along the batch axis, in evaluation, and their answers cut."""
    batch = batch_axes(program.inputs)
    if batch is None:
        return _without_axis(program)
    size, axes = batch
    flow = follow_axis(program, {name: {axis: Portion.NEW} for name, axis in axes.items()})
    return BatchAnswer(size, axes, tuple(dict.fromkeys(_of_outputs(flow))))


def _without_axis(program: Program) -> BatchAnswer:
    sizes = ", ".join(f"{name} {x}" for name, x in program.inputs.items()) or "there are none"
    return BatchAnswer(None, {}, (AxisRefusal(f"the inputs share no dim ({sizes})", BATCH_CHOICE),))


def _of_losses(flow: AxisFlow, losses: Mapping[str, str]) -> Iterator[AxisRefusal]:
    """Yield what makes a loss depend on more than sums over independent examples."""
    for name, value in losses.items():
        own = flow.values[value]
        if not isinstance(own, Blocked):
            yield AxisRefusal(f"the loss '{name}' does not depend on the batch")
        elif not (isinstance(own.cause, Reduces) and own.cause.count):
            yield own.refusal
    yield from _between_entries(flow, iter(losses.values()))


def _of_outputs(flow: AxisFlow) -> Iterator[AxisRefusal]:
    """Yield what makes an output depend on more than one entry, or be none of an entry."""
    for name, value in flow.program.outputs.items():
        own = flow.values[value]
        if isinstance(own, Blocked):
            yield own.refusal
        elif not own:
            yield AxisRefusal(f"the output '{name}' has no batch axis, so that it belongs to no request")
    yield from _between_entries(flow, iter(flow.program.outputs.values()))


def _between_entries(flow: AxisFlow, values: Iterator[str]) -> Iterator[AxisRefusal]:
    """Yield the calls that go along the axis from entry to entry, or know an entry's place in the batch."""
    for call in flow.needed(values):
        answer = flow.calls.get(call.path, Along(()))
        if answer.states or answer.needs_positions:
            reason = "goes from one entry to the next" if answer.states else "depends on the place in the batch"
            yield AxisRefusal.of_call(call, reason)
