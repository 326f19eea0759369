"""The batch axis: whether the examples of a batch are independent in training, and requests in evaluation.

The batch axis is the first axis of the first input whose size is a dim that every input has; of each input it is the
first axis of that size. In most models it is axis 0 of all inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stackc.components.along import Along, Portion, Reduces
from stackc.components.base import axis_of
from stackc.components.families.merge import Concat
from stackc.core.diagnostics import Span
from stackc.core.types import Dim, TensorType
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


def batch_axes(inputs: Mapping[str, TensorType]) -> tuple[Dim, dict[str, int]] | None:
    """Return the size of the batch axis, and its place in every input; None if the inputs share no dim."""
    types = [*inputs.values()]
    for size in types[0].shape if types else ():
        if size.constant is None and all(size in x.shape for x in types):
            return size, {name: x.shape.index(size) for name, x in inputs.items()}
    return None


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


def joined_batches(program: Program) -> tuple[Call, ...]:
    """Return the calls of `concat` along the batch axis, one for each place in the spec: they join other examples."""
    batch = batch_axes(program.inputs)
    calls: dict[Span, Call] = {}
    for call in program.calls:
        if batch is None or not isinstance(call.component, Concat):
            continue
        first = program.types[next(name for name in call.inputs if name is not None)]
        if first.rank > 1 and first.shape[axis_of(call.component.axis, first)] == batch[0]:
            calls.setdefault(call.span, call)
    return tuple(calls.values())


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
