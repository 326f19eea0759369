"""Derive the decoding step of a program: the calls that new entries reach, in the form that they have in a step.

dataflow/step.py says whether there is a step, and what its calls keep; each component says what it runs as
(`Component.step_form`). Requires a legal program; ensures a legal one, whose parameters are those of the whole model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from stackc.components.along import STATIC, Along, Portion, State
from stackc.components.base import Component
from stackc.components.steps.positions import PositionsAfterPast
from stackc.core.diagnostics import Collector, Diagnostic, Note, SpecError
from stackc.core.types import Dim, DimRange, TensorType
from stackc.dataflow.follow import AxisFlow, AxisRefusal, Blocked
from stackc.dataflow.step import StepAnswer, decoding_step
from stackc.ir.decoding import DecodeSettings, Decoding, KeptState
from stackc.ir.program import Call, Program

POSITIONS = "step:positions"
"""The path of the call that counts positions, and its value: no node of a spec can have that name."""


def derive_step(program: Program, settings: DecodeSettings) -> Decoding:
    """Return the decoding step of a program.

    Raises SpecError with G902 for each reason why there is none, at the component that is one; G903 for each component
    that has no form for a step yet; G904 for values that would have to be computed before the first step.
    """
    answer = decoding_step(program, settings.along, settings.inputs, settings.outputs, settings.whole)
    _require_step(answer, settings)
    builder = _StepBuilder(program, settings, answer.flow)
    builder.add_inputs()
    for call in answer.flow.needed(program.outputs[name] for name in settings.outputs):
        builder.add_call(call)
    builder.diagnostics.raise_if_any()
    return builder.finished()


def _require_step(answer: StepAnswer, settings: DecodeSettings) -> None:
    """Raise SpecError G902 with all reasons why there is no step, G904 if there is a static part."""
    diagnostics = Collector()
    for refusal in answer.refusals:
        message = f"{refusal.message}, so that the model cannot decode along {settings.along}"
        note = (Note("decode is here", settings.span),) if refusal.span else ()
        hint = _unnamed_hint(answer.flow.program, refusal, settings) or refusal.hint
        diagnostics.error("G902", message, refusal.span or settings.span, hint, *note)
    diagnostics.raise_if_any()

    inner = answer.flow.program
    depends = _depending(inner, inner.inputs)
    for name in answer.static:
        if name in depends:
            call = next(call for call in inner.calls if name in call.outputs)
            message = f"'{call.path}' ({call.component.op}) does not depend on new entries, and feeds what does"
            hint = "steps of models with an encoder are not derived yet"
            raise SpecError(Diagnostic("G904", message, call.span, hint, (Note("decode is here", settings.span),)))


def _unnamed_hint(program: Program, refusal: AxisRefusal, settings: DecodeSettings) -> str | None:
    """Return what to write where an input that `decode` does not name, but could, enters what is refused."""
    named = {*settings.inputs, *settings.whole}
    for name, type in program.inputs.items():
        if name in named or not any(settings.along in size.symbols() for size in type.shape):
            continue
        depending = _depending(program, [name])
        if any(call.path == refusal.path and depending.intersection(call.inputs) for call in program.calls):
            return (
                f"decode does not name '{name}': add `whole: [{name}]` to it, for an input at full length in each step"
            )
    return None


def _depending(program: Program, inputs: Iterable[str]) -> set[str | None]:
    """Return the values that depend on inputs of the model, these included."""
    depending: set[str | None] = set(inputs)
    for call in program.calls:
        if depending.intersection(call.inputs):
            depending.update(call.outputs)
    return depending


@dataclass
class _StepBuilder:
    """Builds the step, call by call. `sizes` turns the dim that grows into past and new entries together."""

    whole: Program
    settings: DecodeSettings
    flow: AxisFlow
    inputs: dict[str, TensorType] = field(default_factory=dict)
    types: dict[str, TensorType] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    states: list[KeptState] = field(default_factory=list)
    past_of: dict[str, str] = field(default_factory=dict)
    diagnostics: Collector = field(default_factory=Collector)

    @property
    def past(self) -> Dim:
        """The dim of past entries."""
        return Dim.symbol(f"past_{self.settings.along}")

    def add_inputs(self) -> None:
        """Add the inputs of the model with the entries that they have in a step, as far as they are needed."""
        listed = (self.whole.outputs[name] for name in self.settings.outputs)
        read = {name for call in self.flow.needed(listed) for name in call.inputs}
        for name, type in self.whole.inputs.items():
            if name in read or name in self.settings.inputs:
                self.add_input(name, self.in_step(type, self.flow.values[name]))

    def add_input(self, name: str, type: TensorType) -> None:
        self.inputs[name] = self.types[name] = type

    def in_step(self, type: TensorType, followed: Mapping[int, Portion] | Blocked) -> TensorType:
        """Return the type that a value of the whole model has in a step."""
        assert not isinstance(followed, Blocked), "a step needs no value that mixes entries"
        shape = [
            size + self.past if followed.get(axis) is Portion.WHOLE else size for axis, size in enumerate(type.shape)
        ]
        return TensorType(type.dtype, tuple(shape))

    def add_call(self, call: Call) -> None:
        """Add a call in the form that it has in a step, with its states; report G903 if it has none."""
        along = self.flow.calls.get(call.path, Along((STATIC,) * len(call.outputs)))
        types = [None if name is None else self.whole.types[name] for name in call.inputs]
        form = call.component.step_form(along, *types)
        if form is None or any(state.axis is None for state in along.states):
            message = f"'{call.path}' ({call.component.op}) has no form for a decoding step yet"
            self.diagnostics.error("G903", message, call.span, _hint(along, self.settings))
            going_on = {name: self.flow.values[name] for name in call.outputs}
            self.types |= {
                name: self.in_step(self.whole.types[name], followed)
                for name, followed in going_on.items()
                if not isinstance(followed, Blocked)
            }
            return

        kept = [self.add_state(call, state) for state in along.states]
        inputs = self.with_positions(call, form) if along.needs_positions else call.inputs
        inputs = (*inputs, *(state.past for state in kept))
        outputs = (*call.outputs, *(state.present for state in kept))
        entering = (None if name is None else self.types[name] for name in inputs)
        own = call.signature
        signature = replace(form.signature(*entering), parameters=own.parameters, buffers=own.buffers)
        self.calls.append(replace(call, component=form, inputs=inputs, outputs=outputs, signature=signature))
        self.types |= dict(zip(outputs, signature.outputs, strict=True))

    def add_state(self, call: Call, state: State) -> KeptState:
        """Add the past of a state as an input."""
        assert state.axis is not None, "states that do not grow are refused"
        kept = KeptState(call.path, state.name, state.axis)
        shape = [self.past if axis == state.axis else size for axis, size in enumerate(state.type.shape)]
        self.add_input(kept.past, TensorType(state.type.dtype, tuple(shape)))
        self.states.append(kept)
        return kept

    def with_positions(self, call: Call, form: Component) -> tuple[str | None, ...]:
        """Return the inputs of a call with the positions of new entries at its port of that name."""
        ports = [port.name for port in form.ports]
        inputs: list[str | None] = [*call.inputs, *[None] * (len(ports) - len(call.inputs))]
        inputs[ports.index("positions")] = POSITIONS
        self.types.setdefault(POSITIONS, TensorType("int64", (Dim.of(1), Dim.symbol(self.settings.along))))
        return tuple(inputs[: ports.index("positions") + 1])

    def finished(self) -> Decoding:
        """Return the step; the call that counts positions comes first. Raises SpecError G903 if nothing counts."""
        limits = self.whole.contract[self.settings.along]
        contract: dict[str, DimRange] = {}
        for name, range_ in self.whole.contract.items():
            contract[name] = range_
            if name == self.settings.along:
                contract[name] = DimRange(1, limits.maximum)
                contract[str(self.past)] = DimRange(0, limits.maximum and limits.maximum - 1)

        calls = [*self.positions(), *self.calls]
        outputs = {name: self.whole.outputs[name] for name in self.settings.outputs}
        outputs |= {state.present: state.present for state in self.states}
        used = {symbol for type in self.types.values() for size in type.shape for symbol in size.symbols()}
        program = Program(
            f"{self.whole.name}.step",
            self.inputs,
            tuple(calls),
            outputs,
            self.types,
            {name: range_ for name, range_ in contract.items() if name in used},
        )
        return Decoding(program, self.settings, str(self.past), tuple(self.states), limits)

    def positions(self) -> Iterator[Call]:
        """Yield the call that counts the positions of new entries, if any call needs them."""
        if POSITIONS not in self.types:
            return
        if not self.states:
            message = "positions cannot be counted: the model keeps nothing that grows with the past"
            raise SpecError(Diagnostic("G903", message, self.settings.span))

        new, state = self.settings.inputs[0], self.states[0]
        (axis,) = (axis for axis, part in self.flow.values[new].items() if part is Portion.NEW)  # type: ignore[union-attr]  # inputs are not blocked
        component = PositionsAfterPast(axis=axis, past_axis=state.axis)
        inputs = (new, state.past)
        yield Call(
            path=POSITIONS,
            component=component,
            reparams=(),
            inputs=inputs,
            outputs=(POSITIONS,),
            signature=component.signature(*(self.types[name] for name in inputs)),
            parameters={},
            buffers={},
            span=self.settings.span,
            owner=POSITIONS,
        )


def _hint(along: Along, settings: DecodeSettings) -> str | None:
    """Return what to write where a mask comes by and by, which could be given at full length."""
    if any(state.port is None and state.name in ("mask", "bias") for state in along.states):
        return f"name its mask under whole instead: it is then given at full length, all of {settings.along} up to now"
    return None
