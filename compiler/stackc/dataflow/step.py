"""A sequence axis, in evaluation: whether a model can run on new entries alone, and what it has to keep for that.

A step exists if all that the listed outputs need is static, pointwise or causal along the axis. It takes the new
entries, inputs that are given as a whole, static values and states, and returns the outputs and the next states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stackc.components.along import Portion, Portions, State
from stackc.core.types import Dim
from stackc.dataflow.follow import AxisFlow, AxisRefusal, Blocked, follow_axis
from stackc.ir.program import Call, Program


@dataclass(frozen=True)
class StepAnswer:
    """What a step along an axis consists of; it exists if nothing is refused.

    calls       the calls that run in each step, in running order
    static      values that are computed once, from inputs without the axis, and read by those calls
    states      what those calls keep, by path and name
    positional  the calls that know the index of an entry, by path
    """

    flow: AxisFlow
    calls: tuple[Call, ...]
    static: tuple[str, ...]
    states: Mapping[tuple[str, str], State]
    positional: tuple[str, ...]
    refusals: tuple[AxisRefusal, ...]

    @property
    def exists(self) -> bool:
        """Whether there is a step."""
        return not self.refusals


def decoding_step(
    program: Program, along: str, new: Sequence[str], outputs: Sequence[str], whole: Sequence[str] = ()
) -> StepAnswer:
    """Return the step along a dim: the entries of `new` inputs come by and by, `whole` ones are given at full length.

    Of an input with several axes of that size, such as a mask of queries and keys, the first has the new entries and
    the others the whole. All inputs that are not named are static, whatever their dims are called.
    """
    size = next((s for name in new for s in program.inputs[name].shape if along in s.symbols()), Dim.symbol(along))
    inputs = {name: _portions(program, name, size, Portion.NEW) for name in new}
    inputs |= {name: _portions(program, name, size, Portion.WHOLE) for name in whole}

    flow = follow_axis(program, inputs)
    listed = [program.outputs[name] for name in outputs]
    needed = flow.needed(iter(listed))
    running = tuple(call for call in needed if call.path in flow.calls)
    read = {name for call in running for name in call.inputs if name is not None}
    made = {name for call in needed for name in call.outputs}
    return StepAnswer(
        flow,
        running,
        tuple(name for name in flow.values if name in read & made and flow.values[name] == {}),
        {(call.path, state.name): state for call in running for state in flow.calls[call.path].states},
        tuple(call.path for call in running if flow.calls[call.path].needs_positions),
        tuple(dict.fromkeys([*_of_inputs(program, inputs, size), *_of_outputs(flow, outputs)])),
    )


def _portions(program: Program, name: str, size: Dim, first: Portion) -> Portions:
    """Return what an input has of the axis of this size."""
    axes = [axis for axis, own in enumerate(program.inputs[name].shape) if own == size]
    return {axis: Portion.WHOLE if number else first for number, axis in enumerate(axes)}


def _of_inputs(program: Program, inputs: Mapping[str, Portions], size: Dim) -> Iterator[AxisRefusal]:
    """Yield what is wrong with the named inputs, and with the dim."""
    for name, portions in inputs.items():
        if not portions:
            yield AxisRefusal(f"the input '{name}' {program.inputs[name]} has no axis {size}")
    for name, multiple in size.symbols().items():
        if multiple > 1:
            hint = f"remove `multiple_of: {multiple}` from the dim"
            yield AxisRefusal(f"{name} is a multiple of {multiple}, so that entries cannot come one by one", hint)


def _of_outputs(flow: AxisFlow, outputs: Sequence[str]) -> Iterator[AxisRefusal]:
    """Yield why a listed output has no new entries in a step."""
    for name in outputs:
        own = flow.values[flow.program.outputs[name]]
        if isinstance(own, Blocked):
            yield own.refusal
        elif Portion.NEW not in own.values():
            yield AxisRefusal(f"the output '{name}' does not go on along the axis", "list the outputs that do")
