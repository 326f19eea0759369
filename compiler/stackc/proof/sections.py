"""Discrete choices: a value of whole numbers that a component makes of floats, an argmax or a top-k.

Two exact models may choose differently where two numbers are almost equal, and everything behind the choice then
differs, too. So the file is proven in sections: the choice itself exactly, on the reference's inputs; the numbers it
is made of by the rule; and what stands behind it on the reference's choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stackc.core.diagnostics import SpecError
from stackc.ir.program import Call, Program
from stackc.proof.component_subgraph import ModelUnderTest
from stackc.proof.stamped_model import StampedModel
from stackc.runtime import Array, Session


def choosing_calls(program: Program) -> tuple[Call, ...]:
    """The calls that make whole numbers or booleans of floats."""
    return tuple(
        call
        for call in program.calls
        if any(name is not None and program.types[name].is_float for name in call.inputs)
        and not all(program.types[name].is_float for name in call.outputs)
    )


@dataclass(frozen=True, eq=False)
class Sections:
    """The file as it is run for the proof. `choices` are the values that it is given instead of making them, `judged`
    the values to judge by the rule, under the names of their tensors."""

    shipped: StampedModel
    session: Session
    choices: frozenset[str]
    judged: Mapping[str, str]

    @staticmethod
    def of(subject: ModelUnderTest, session: Session) -> Sections:
        """The whole file where nothing is chosen; else the file cut at every choice."""
        program, shipped = subject.program, subject.shipped
        calls = choosing_calls(program)
        choices = frozenset(name for call in calls for name in call.outputs if not program.types[name].is_float)
        judged = {name: value for name, value in program.outputs.items() if value not in choices}
        if not choices:
            return Sections(shipped, session, choices, judged)
        floats = {name for call in calls for name in call.inputs if name is not None and program.types[name].is_float}
        judged |= {shipped.tensors[name]: name for name in floats - program.inputs.keys()}
        ends = {shipped.tensors[name] for name in choices} | program.inputs.keys()
        part = shipped.part((name for name in judged if name not in ends), ends.__contains__)
        return Sections(shipped, subject.open(part), choices, judged)

    def run(self, feeds: Mapping[str, Array], chosen: Mapping[str, Array]) -> dict[str, Array] | str:
        """The judged values as the file makes them, by tensor; in words why it makes none.

        `chosen` are the reference's choices.
        """
        made = {**feeds, **{self.shipped.tensors[name]: chosen[name] for name in self.choices}}
        try:
            made |= self.session.run({x.name: made[x.name] for x in self.session.inputs})
        except SpecError as error:
            return f"cannot be had: {error.diagnostics[0].message}"
        return {name: made[name] for name in self.judged}
