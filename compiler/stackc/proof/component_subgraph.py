"""The nodes of one component, cut out of the file by their stamp, run on values of the reference and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from stackc.core.diagnostics import SpecError
from stackc.ir.program import Call, Program
from stackc.proof.eager import Values, array_of
from stackc.proof.shapes import frozen_dims, shape_problem
from stackc.proof.stamped_model import StampedModel, Submodel, output_tensors
from stackc.proof.tolerance import WORDS, Verdict, judge
from stackc.runtime import Array, Session, ValueInfo, open_session


@dataclass(frozen=True, eq=False)
class ModelUnderTest:
    """The file to prove, taken apart, and the provider and threads to run it with, whole or in parts."""

    stamped: StampedModel
    provider: str
    threads: int | None

    @property
    def program(self) -> Program:
        """The program that it was linked from."""
        return self.stamped.program

    def open(self, submodel: Submodel, *, prepack: bool = True) -> Session:
        """Open a part of it, without `prepack` to run it once. Raises SpecError (R405) if ONNX Runtime refuses it."""
        return open_session(
            submodel.model, self.provider, threads=self.threads, tensors=submodel.weights, prepack=prepack
        )


class Runnable(Protocol):
    """What runs a subgraph: a session, or the finished run of a batch that it was part of."""

    @property
    def inputs(self) -> tuple[ValueInfo, ...]:
        """The inputs to feed, named by tensor."""

    def run(self, feeds: Mapping[str, Array], /) -> dict[str, Array]:
        """Return the outputs by tensor. Raises SpecError if the run fails."""


@dataclass(frozen=True, eq=False)
class ComponentSubgraph:
    """The part of the file that implements one call.

    `outputs` are the values that it computes, each with its tensor. `session` is None if there is no node to run: the
    component passes a value on, or is a constant. `fault` says why the subgraph is wrong whatever its inputs; `remark`
    may explain why its outputs are wrong.
    """

    stamped: StampedModel
    outputs: tuple[tuple[str, str], ...]
    session: Runnable | None = None
    fault: str | None = None
    remark: str | None = None

    @staticmethod
    def of(under_test: ModelUnderTest, call: Call) -> ComponentSubgraph:
        """Cut out the nodes stamped with the call's path, back to the values of other components, and open them."""
        stamped = under_test.stamped
        subgraph, computed = ComponentSubgraph.outline(stamped, call)
        if not computed:
            return subgraph

        submodel = stamped.extract(computed, stamped.values.__contains__)
        try:
            session = under_test.open(submodel)
        except SpecError as error:
            return replace(subgraph, fault=f"does not open: {error.diagnostics[0].message}")
        return subgraph.opened(call, session, submodel.inputs, session.outputs)

    @staticmethod
    def outline(stamped: StampedModel, call: Call) -> tuple[ComponentSubgraph, tuple[str, ...]]:
        """Return the subgraph of a call without what runs it, and the tensors that its nodes compute."""
        subgraph = ComponentSubgraph(stamped, tuple(output_tensors(stamped, call)))
        missing = [tensor for _, tensor in subgraph.outputs if not stamped.has(tensor)]
        if missing:
            return replace(subgraph, fault=f"has no node in the file that computes '{missing[0]}'"), ()

        # a tensor that is not passed on from an earlier value is computed by nodes of the call, or by none
        own = [tensor for value, tensor in subgraph.outputs if stamped.values.get(tensor) == value]
        makers = {tensor: stamped.producer(tensor) for tensor in own}
        if foreign := [tensor for tensor, maker in makers.items() if maker not in (None, call.path)]:
            fault = f"does not compute '{foreign[0]}' in the file: '{makers[foreign[0]]}' does"
            return replace(subgraph, fault=fault), ()

        computed = [tensor for _, tensor in subgraph.outputs if stamped.producer(tensor) == call.path]
        return subgraph, tuple(dict.fromkeys(computed))

    def opened(
        self, call: Call, session: Runnable, inputs: Sequence[str], outputs: Sequence[ValueInfo]
    ) -> ComponentSubgraph:
        """Return the subgraph with what runs it; `inputs` are its tensors, `outputs` as ONNX Runtime declares them."""
        unknown = [name for name in inputs if name not in self.stamped.values]
        fault = f"reads '{unknown[0]}', which is inside of another component" if unknown else None
        remark = _foreign_input(self.stamped, call, inputs)
        return replace(self, session=session, fault=fault or self._frozen_problem(outputs), remark=remark)

    def verdicts(
        self,
        values: Values,
        truth: Values,
        spread: Callable[[], Mapping[str, Array]],
        ordinary: Mapping[str, float] | None = None,
    ) -> dict[str, Verdict]:
        """Run the subgraph on the reference's values and judge each value that the call computes.

        `values` has what the module computes in float32, the outputs of the call included; `truth` has the outputs of
        its float64 copy on the very same inputs. `spread` measures how far those move, and is called if it may decide.
        At an extreme draw `ordinary` has the largest number of each value at others, as for `judge`; choices among
        numbers that are equal or not finite are not judged then.
        """
        results = self.fault or self.run(values)

        def judged(spreads: Mapping[str, Array]) -> list[Verdict]:
            return [
                self._judge(results, value, tensor, values, truth, spreads.get(value), ordinary)
                for value, tensor in self.outputs
            ]

        judgement = judged({})
        if any(verdict.too_far for verdict in judgement):
            judgement = judged(spread())

        verdicts: dict[str, Verdict] = {}
        for (value, _), verdict in zip(self.outputs, judgement, strict=True):
            if verdict.problem and self.remark:
                verdict = replace(verdict, problem=f"{verdict.problem}; {self.remark}")
            # an output of the model may be a copy of the value: the worse of the two counts
            verdicts[value] = max(verdicts.get(value, verdict), verdict, key=lambda verdict: verdict.used)
        return verdicts

    def _judge(
        self,
        results: Mapping[str, Array] | str,
        value: str,
        tensor: str,
        values: Values,
        truth: Values,
        spread: Array | None,
        ordinary: Mapping[str, float] | None,
    ) -> Verdict:
        if isinstance(results, str):
            return Verdict.wrong(results)

        # among equal numbers any choice is right
        single, extreme = values[value].numpy(), ordinary is not None
        if extreme and not values[value].is_floating_point() and not self._settles_choices(values):
            return Verdict(0.0, 0.0, 0.0)

        type_ = self.stamped.program.types[value]
        if problem := shape_problem(results[tensor].shape, single.shape, type_):
            return Verdict.wrong(problem)

        # inside of a model any number may be infinite, a mask for instance: what comes of it is judged at the outputs
        scale = (ordinary or {}).get(value, 0.0)
        exact, words = truth[value].numpy(), frozenset(WORDS)
        return judge(results[tensor], single, exact, words, spread, extreme=extreme, ordinary=scale)

    def _settles_choices(self, values: Values) -> bool:
        """Return whether all inputs are finite and no two numbers of one are equal: which of them wins is left open."""
        inputs = [values[self.stamped.values[x.name]] for x in self.session.inputs] if self.session else []
        floats = [x for x in inputs if x.is_floating_point()]
        return all(bool(x.isfinite().all()) and x.unique().numel() == x.numel() for x in floats)

    def _frozen_problem(self, outputs: Sequence[ValueInfo]) -> str | None:
        """Describe the dims that ONNX Runtime infers to be constants."""
        value_of = {tensor: value for value, tensor in self.outputs}
        for output in outputs:
            if frozen := frozen_dims(output, self.stamped.program.types[value_of[output.name]]):
                return f"has {frozen}"
        return None

    def run(self, values: Values) -> dict[str, Array] | str:
        """Return what the file computes, by tensor, or the reason why it computes nothing."""
        results: dict[str, Array] = {}
        if self.session:
            feeds = {x.name: array_of(values[self.stamped.values[x.name]]) for x in self.session.inputs}
            try:
                results = self.session.run(feeds)
            except SpecError as error:
                return f"does not run: {error.diagnostics[0].message}"

        # no node computes the others: they are constants, or values that are passed on
        for _, tensor in self.outputs:
            if tensor not in results:
                constant = self.stamped.initializer(tensor)
                results[tensor] = array_of(values[self.stamped.values[tensor]]) if constant is None else constant
        return results


def _foreign_input(stamped: StampedModel, call: Call, inputs: Sequence[str]) -> str | None:
    """Name an input of the nodes that the spec does not connect to the component."""
    operands = {stamped.tensors[value] for value in call.inputs if value is not None}
    foreign = [stamped.values.get(name, name) for name in inputs if name not in operands]
    return f"in the file it reads '{foreign[0]}', which the spec does not connect to it" if foreign else None
