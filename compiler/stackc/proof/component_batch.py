"""Every component by itself in one run: the nodes of many components side by side in one model.

Each component has inputs of its own there, fed with the reference's values as in components.py, so that nothing is
computed or fused across components. One session takes the place of hundreds, whose opening is what a proof of every
component costs. Weights are mapped from the file, and not packed for the kernels: every session is run once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import onnx

from stackc.core.diagnostics import SpecError
from stackc.ir.program import Call
from stackc.onnx_format.nodes import renamed
from stackc.proof.component_subgraph import ComponentSubgraph, ModelUnderTest
from stackc.proof.components import Draw, PointValues, Reference, component_rows
from stackc.proof.eager import Values, array_of, run_eager
from stackc.proof.report import ComponentRow
from stackc.proof.stamped_model import Cut, StampedModel
from stackc.runtime import Array, ValueInfo

MOST_NODES = 2000
"""Nodes of one model: opening takes more than linear time, and a model that does not open is opened in parts."""


def cheap_draw(draws: Sequence[Draw]) -> Draw:
    """Return the draw at which every component is judged by itself: random masks at primes, which tell dims apart."""
    return next((draw for draw in draws if (draw[0].name, draw[0].draw) == ("prime", "random")), draws[0])


def prove_together(
    under_test: ModelUnderTest, reference: Reference, draw: Draw, calls: Sequence[Call], values: Values | None = None
) -> tuple[ComponentRow, ...]:
    """Return a row for every output of the calls at one point, in the order of the calls.

    The rows are those of `prove_components`. Components that cannot be opened or run in one model are run one by one.
    `values` are all values of the program in float32, computed here if they are not given.
    """
    point, feeds = draw
    program = under_test.program
    if values is None:
        values = run_eager(reference.single, feeds, program, keep=frozenset(program.types)).values

    at = [PointValues(point, values)]
    rows: list[ComponentRow] = []
    for members in _batches(under_test.stamped, calls):
        for call, subgraph in zip(members.calls, members.run(under_test, values), strict=True):
            rows += component_rows(subgraph, reference.double, call, at)
    return tuple(rows)


@dataclass(frozen=True, eq=False)
class _Member:
    """A call in a batch: the tensors that its nodes compute, and these nodes; no node if it passes a value on."""

    call: Call
    subgraph: ComponentSubgraph
    computed: tuple[str, ...]
    cut: Cut | None


@dataclass(frozen=True, eq=False)
class _FinishedRun:
    """The outputs of a component in the run of its batch, which needs no inputs any more."""

    results: dict[str, Array]
    inputs: tuple[ValueInfo, ...] = ()

    def run(self, _: object, /) -> dict[str, Array]:
        """Return the outputs by tensor."""
        return self.results


@dataclass(frozen=True, eq=False)
class _Batch:
    """Components whose nodes form one model."""

    members: Sequence[_Member]

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(member.call for member in self.members)

    def run(self, under_test: ModelUnderTest, values: Values) -> list[ComponentSubgraph]:
        """Return the subgraph of every call, run on these values; opened one by one if the batch does not run."""
        try:
            return self._run_together(under_test, values)
        except (SpecError, KeyError):
            return [ComponentSubgraph.of(under_test, call) for call in self.calls]

    def _run_together(self, under_test: ModelUnderTest, values: Values) -> list[ComponentSubgraph]:
        stamped = under_test.stamped
        running = {number: member for number, member in enumerate(self.members) if member.cut}
        if not running:
            return [member.subgraph for member in self.members]

        graph = onnx.GraphProto(name=stamped.model.graph.name)
        initializers: dict[str, None] = {}
        feeds: dict[str, Array] = {}
        for number, member in running.items():
            assert member.cut is not None
            _add(graph, stamped, member, number)
            initializers |= dict.fromkeys(member.cut.initializers)
            feeds |= {f"{number}/{name}": array_of(values[stamped.values[name]]) for name in member.cut.inputs}

        session = under_test.open(stamped.submodel(graph, initializers), prepack=False)
        results = session.run(feeds)
        declared = {output.name: output for output in session.outputs}
        return [
            _finished(member, number, results, declared) if member.cut else member.subgraph
            for number, member in enumerate(self.members)
        ]


def _batches(stamped: StampedModel, calls: Iterable[Call]) -> Iterator[_Batch]:
    """Cut the calls out of the file, and yield them in batches of at most `MOST_NODES` nodes."""
    members: list[_Member] = []
    nodes = 0
    for call in calls:
        subgraph, computed = ComponentSubgraph.outline(stamped, call)
        cut = stamped.cut(computed, stamped.values.__contains__) if computed else None
        size = len(cut.nodes) if cut else 0
        if members and nodes + size > MOST_NODES:
            yield _Batch(members)
            members, nodes = [], 0
        members.append(_Member(call, subgraph, computed, cut))
        nodes += size
    if members:
        yield _Batch(members)


def _add(graph: onnx.GraphProto, stamped: StampedModel, member: _Member, number: int) -> None:
    """Add the nodes of a component, every tensor but the initializers under the number of the component."""
    assert member.cut is not None

    def rename(name: str) -> str:
        return name if name in stamped.initializers else f"{number}/{name}"

    graph.node.extend(renamed(stamped.model.graph.node[index], rename) for index in member.cut.nodes)
    for side, names, shaped in ((graph.input, member.cut.inputs, True), (graph.output, member.computed, False)):
        for name in names:
            declared = side.add()
            declared.CopyFrom(stamped.declare(name, shaped=shaped))
            declared.name = rename(name)


def _finished(
    member: _Member, number: int, results: dict[str, Array], declared: dict[str, ValueInfo]
) -> ComponentSubgraph:
    """Return the subgraph of a component with its part of the results."""
    assert member.cut is not None
    names = {tensor: f"{number}/{tensor}" for tensor in member.computed}
    outputs = [ValueInfo(tensor, declared[name].dtype, declared[name].shape) for tensor, name in names.items()]
    run = _FinishedRun({tensor: results[name] for tensor, name in names.items()})
    return member.subgraph.opened(member.call, run, member.cut.inputs, outputs)
