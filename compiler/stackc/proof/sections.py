"""Cut the file at discrete choices: whole numbers that a component computes from floats, such as an argmax or a top-k,
and the numbers of a step function, such as `floor`.

Two exact models may choose differently if two numbers are almost equal, and then everything after the choice differs
as well. So the file is proven in sections: the choice itself exactly, on the reference's inputs; the numbers that it is
made from by the rule; and what follows it on the reference's choice. Numbers that a component computes beside a choice
(the boxes that are kept, beside their classes) go with it: they are judged where it is made, and fed like it.
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
    """Return the calls that compute whole numbers, booleans or the numbers of a step function from floats."""
    return tuple(
        call
        for call in program.calls
        if any(name is not None and program.types[name].is_float for name in call.inputs)
        and (call.component.is_step or not all(program.types[name].is_float for name in call.outputs))
    )


@dataclass(frozen=True, eq=False)
class Sections:
    """The file as it is run for the proof.

    `choices` are the values that it is fed with instead of computing them, `judged` the values to judge by the rule,
    under the names of their tensors. `session` is None if there is nothing to compute: a model may be a choice alone.
    """

    stamped: StampedModel
    session: Session | None
    choices: frozenset[str]
    judged: Mapping[str, str]

    @staticmethod
    def of(under_test: ModelUnderTest, session: Session | None) -> Sections:
        """Return the whole file, which `session` has open, or the file cut at every choice if it has any.

        Without a session the file is opened to be run once.
        """
        program, stamped = under_test.program, under_test.stamped
        calls = choosing_calls(program)
        choices = frozenset(name for call in calls for name in call.outputs)
        judged = {name: value for name, value in program.outputs.items() if value not in choices}
        if not choices and session is not None:
            return Sections(stamped, session, choices, judged)

        # the floats that a choice is made from are judged too, like outputs
        floats = {name for call in calls for name in call.inputs if name is not None and program.types[name].is_float}
        judged |= {stamped.tensors[name]: name for name in floats - program.inputs.keys()}

        ends = {stamped.tensors[name] for name in choices} | program.inputs.keys()
        computed = [name for name in judged if name not in ends]
        submodel = stamped.extract(computed, ends.__contains__) if computed else None
        opened = under_test.open(submodel, prepack=session is not None) if submodel else None
        return Sections(stamped, opened, choices, judged)

    def run(self, feeds: Mapping[str, Array], choices: Mapping[str, Array]) -> dict[str, Array] | str:
        """Return the judged values as the file computes them, by tensor, or the reason why it computes none.

        `choices` are the reference's.
        """
        results = {**feeds, **{self.stamped.tensors[name]: choices[name] for name in self.choices}}
        if self.session is None:
            return {name: results[name] for name in self.judged}
        try:
            results |= self.session.run({x.name: results[x.name] for x in self.session.inputs})
        except SpecError as error:
            return f"cannot be computed: {error.diagnostics[0].message}"
        return {name: results[name] for name in self.judged}
