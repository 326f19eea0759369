"""One component of the file, cut out by its stamp, run on given values and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from stackc.core.diagnostics import SpecError
from stackc.ir.program import Call, Program
from stackc.proof.eager import Values
from stackc.proof.shapes import frozen_dims, shape_problem
from stackc.proof.stamped_model import StampedComponent, StampedModel, targets
from stackc.proof.tolerance import Verdict, judge
from stackc.runtime import Array, Session, open_session


@dataclass(frozen=True, eq=False)
class ModelUnderTest:
    """The file under proof: taken apart, and the provider and threads that it is run with, whole or in parts."""

    shipped: StampedModel
    provider: str
    threads: int | None

    @property
    def program(self) -> Program:
        """What it was linked from."""
        return self.shipped.program

    def open(self, part: StampedComponent) -> Session:
        """A part of it, open. SpecError R405 where ONNX Runtime refuses it."""
        return open_session(part.model, self.provider, threads=self.threads, tensors=part.weights)


@dataclass(frozen=True, eq=False)
class ComponentSubgraph:
    """What the file has for one call.

    `targets` are the values that it makes with their tensors. `session` is None where no node is needed: the component
    passes a value on, or is a constant. `fault` says why the piece is wrong whatever it is run on; `remark` what may
    explain it where it turns out wrong.
    """

    shipped: StampedModel
    targets: tuple[tuple[str, str], ...]
    session: Session | None = None
    fault: str | None = None
    remark: str | None = None

    @staticmethod
    def of(subject: ModelUnderTest, call: Call) -> ComponentSubgraph:
        """The nodes stamped with the call's path, back to the values of other components."""
        shipped = subject.shipped
        piece = ComponentSubgraph(shipped, tuple(targets(shipped, call)))
        lacking = [name for _, name in piece.targets if not shipped.has(name)]
        if lacking:
            return replace(piece, fault=f"has no node in the file that makes '{lacking[0]}'")
        own = [name for _, name in piece.targets if shipped.maker(name) == call.path]
        if not own:
            return piece
        part = shipped.part(own, shipped.values.__contains__)
        try:
            session = subject.open(part)
        except SpecError as error:
            return replace(piece, fault=f"does not open: {error.diagnostics[0].message}")
        return replace(piece, session=session, fault=_frozen(piece, session), remark=_misread(shipped, call, part))

    def verdicts(self, values: Values, truth: Values) -> dict[str, Verdict]:
        """The verdict on each value that the call makes, when the piece is run on the reference's values.

        `values` has what the module makes in float32, of the call itself as well, `truth` what its double makes of
        the very same inputs.
        """
        made = self.fault or self._run(values)
        found: dict[str, Verdict] = {}
        for value, tensor in self.targets:
            verdict = self._verdict(made, value, tensor, values, truth)
            if verdict.problem and self.remark:
                verdict = replace(verdict, problem=f"{verdict.problem}; {self.remark}")
            found[value] = max(found.get(value, verdict), verdict, key=lambda verdict: verdict.used)
        return found

    def _verdict(
        self, made: Mapping[str, Array] | str, value: str, tensor: str, values: Values, truth: Values
    ) -> Verdict:
        if isinstance(made, str):
            return Verdict.wrong(made)
        single = values[value].numpy()
        problem = shape_problem(made[tensor].shape, single.shape, self.shipped.program.types[value])
        return Verdict.wrong(problem) if problem else judge(made[tensor], single, truth[value].numpy())

    def _run(self, values: Values) -> dict[str, Array] | str:
        """What the file makes, by tensor; in words why it makes nothing."""
        made: dict[str, Array] = {}
        if self.session:
            feeds = {x.name: values[self.shipped.values[x.name]].numpy() for x in self.session.inputs}
            try:
                made = self.session.run(feeds)
            except SpecError as error:
                return f"does not run: {error.diagnostics[0].message}"
        for _, name in self.targets:
            if name not in made:
                constant = self.shipped.initializer(name)
                made[name] = values[self.shipped.values[name]].numpy() if constant is None else constant
        return made


def _frozen(piece: ComponentSubgraph, session: Session) -> str | None:
    """The dims that ONNX Runtime infers to be constants, in words."""
    value_of = {tensor: value for value, tensor in piece.targets}
    for output in session.outputs:
        if frozen := frozen_dims(output, piece.shipped.program.types[value_of[output.name]]):
            return f"has {frozen}"
    return None


def _misread(shipped: StampedModel, call: Call, part: StampedComponent) -> str | None:
    """What it reads that the spec does not wire to it, in words."""
    wired = {shipped.tensors[value] for value in call.inputs if value is not None}
    foreign = [shipped.values.get(name, name) for name in part.inputs if name not in wired]
    return f"in the file it reads '{foreign[0]}', which the spec does not wire to it" if foreign else None
