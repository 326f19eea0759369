"""Follow one axis through a program, from the inputs that have it to every value that comes of it.

Values are followed by data flow: the name of a dim proves nothing, since two values may both have `seq` and stand for
different sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from stackc.components.along import STATIC, Along, Followed, Mixes, Portions, Reduces
from stackc.components.base import Component
from stackc.core.diagnostics import Span
from stackc.core.types import TensorType
from stackc.ir.program import Call, Program


@dataclass(frozen=True, slots=True)
class AxisRefusal:
    """Why something does not hold along an axis: a sentence, what to do, and the line of the spec, if there is one.

    `path` and `op` are those of the component at fault.
    """

    message: str
    hint: str | None = None
    span: Span | None = None
    path: str | None = None
    op: str | None = None

    @staticmethod
    def of_call(call: Call, reason: str, hint: str | None = None) -> AxisRefusal:
        """Return the refusal of a call; the reason follows its name."""
        return AxisRefusal(
            f"'{call.path}' ({call.component.op}) {reason}", hint, call.span, call.path, call.component.op
        )


@dataclass(frozen=True, slots=True)
class Blocked:
    """A value behind a call that reduces the axis or mixes its entries: the call, and how it does."""

    call: Call
    cause: Mixes | Reduces

    @property
    def refusal(self) -> AxisRefusal:
        """What to say of an output that needs the value."""
        return AxisRefusal.of_call(
            self.call, self.cause.reason, None if isinstance(self.cause, Reduces) else self.cause.hint
        )


FollowedValue: TypeAlias = Portions | Blocked


@dataclass(frozen=True)
class AxisFlow:
    """A program with one axis followed: what every value has of it, and how each call acts that it reaches."""

    program: Program
    values: Mapping[str, FollowedValue]
    calls: Mapping[str, Along]

    def needed(self, values: Iterator[str]) -> list[Call]:
        """Return the calls that these values depend on, in running order, as far as the axis is followed."""
        wanted, needed = {*values}, list[Call]()
        for call in reversed(self.program.calls):
            if wanted & {*call.outputs}:
                needed.append(call)
                wanted |= {name for name in call.inputs if name is not None}
        return needed[::-1]


def follow_axis(
    program: Program, inputs: Mapping[str, Portions], trains: Callable[[Call], bool] = lambda call: False
) -> AxisFlow:
    """Follow the axis that inputs have at these places; the others are static. `trains` are the calls in training."""
    values: dict[str, FollowedValue] = {name: inputs.get(name, STATIC) for name in program.inputs}
    calls: dict[str, Along] = {}
    known: dict[tuple[object, ...], Along | Mixes] = {}

    for call in program.calls:
        entering = [STATIC if name is None else values[name] for name in call.inputs]
        blocked = next((value for value in entering if isinstance(value, Blocked)), None)
        if blocked is not None:
            values |= dict.fromkeys(call.outputs, blocked)
            continue

        portions = tuple(value for value in entering if not isinstance(value, Blocked))
        types = [None if name is None else program.types[name] for name in call.inputs]
        key = (call.component, trains(call), *types, *(tuple(sorted_portions(own)) for own in portions))
        if key not in known:
            known[key] = _along(call.component, Followed(portions, trains(call)), types)
        answer = known[key]
        values |= _outputs(call, answer)
        if isinstance(answer, Along) and any(portions):
            calls[call.path] = answer
    return AxisFlow(program, values, calls)


def sorted_portions(portions: Portions) -> list[tuple[int, str]]:
    """Return the axes of portions in order, as data that can be compared."""
    return sorted((axis, part.value) for axis, part in portions.items())


def _along(component: Component, followed: Followed, types: list[TensorType | None]) -> Along | Mixes:
    """Return how a component acts; what has no followed axis at an input has none at its outputs."""
    if not any(followed.axes):
        return Along((STATIC,) * len(component.outputs))
    return component.along(followed, *types)


def _outputs(call: Call, answer: Along | Mixes) -> dict[str, FollowedValue]:
    """Return what the outputs of a call have of the axis."""
    if isinstance(answer, Mixes):
        return dict.fromkeys(call.outputs, Blocked(call, answer))
    outputs = zip(call.outputs, answer.outputs, strict=True)
    return {name: Blocked(call, own) if isinstance(own, Reduces) else own for name, own in outputs}
