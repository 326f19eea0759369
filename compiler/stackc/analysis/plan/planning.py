"""Make the plan of a typed graph: outputs, FLOPs and memory block by block, peaks, and the sizes that fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from stackc.analysis.plan.fit import Fit, Peak, fits, largest_sizes, peak_at, smallest_sizes
from stackc.analysis.plan.footprint import PRECISIONS, Footprint, FootprintCounter
from stackc.core.types import DimContract, TensorType
from stackc.ir.model import Node, ValueRef
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.typecheck.cost import cost_of
from stackc.view.folding import Run, fold_repeats, opens


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A node or several equal ones: `path` is that of the first, `footprint` that of all together.

    The rows inside an opened node follow it, at a higher `level`.
    """

    path: str
    op: str
    repeat: int
    level: int
    outputs: tuple[TensorType, ...]
    footprint: Footprint


@dataclass(frozen=True)
class Plan:
    """The plan of a model. `contract` has the dims that its inputs leave open.

    `peaks` are at the smallest sizes and, if every dim is bounded, at the largest. `fits` has, by precision, the sizes
    that fit in `memory` bytes; it is empty if no memory was requested.
    """

    name: str
    inputs: Mapping[str, TensorType]
    outputs: Mapping[str, TensorType]
    rows: tuple[PlanRow, ...]
    total: Footprint
    contract: DimContract
    peaks: tuple[Peak, ...]
    memory: int | None
    fits: Mapping[str, tuple[Fit, ...]]


def make_plan(typed: TypedGraph, depth: int = 1, memory: int | None = None) -> Plan:
    """Return the plan of a checked spec, with blocks and stacks opened down to `depth` as in its drawing."""
    root, graph = typed.root, typed.graph
    counter = FootprintCounter(cost_of(root))
    total = counter.region(root)

    open_dims = {name for type_ in root.inputs for dim in type_.shape for name in dim.symbols()}
    contract = {name: limits for name, limits in graph.contract.items() if name in open_dims}

    return Plan(
        name=graph.document.name,
        inputs=dict(zip(root.region.inputs, root.inputs, strict=True)),
        outputs=dict(zip(root.region.outputs, root.outputs, strict=True)),
        rows=tuple(_Rows(counter).region(root, fold_repeats(root), "", depth)),
        total=total,
        contract=contract,
        peaks=tuple(peak_at(root, sizes) for sizes in _corners(contract)),
        memory=memory,
        fits={} if memory is None else _fits(root, contract, total, memory),
    )


def _fits(root: TypedRegion, contract: DimContract, total: Footprint, memory: int) -> dict[str, tuple[Fit, ...]]:
    """Return the sizes that fit beside the weights, by precision."""
    return {
        name: tuple(fits(root, contract, precision, memory - total.weights.bytes(precision)))
        for name, precision in PRECISIONS.items()
    }


def _corners(contract: DimContract) -> Iterator[Mapping[str, int]]:
    """Yield the smallest sizes and, if every dim is bounded, the largest."""
    yield smallest_sizes(contract)
    largest = largest_sizes(contract)
    if contract and largest is not None:
        yield largest


Multiplicity = tuple[int, int]
"""How many modules the model has of a region, and how many calls of it."""


@dataclass(frozen=True)
class _Rows:
    counter: FootprintCounter

    def region(
        self,
        typed: TypedRegion,
        runs: Iterable[Run],
        path: str,
        depth: int,
        level: int = 0,
        multiplicity: Multiplicity = (1, 1),
    ) -> Iterator[PlanRow]:
        """Yield the rows of a region, with those inside each node that `depth` opens."""
        modules, calls = multiplicity
        for run in _single_node_runs(runs):
            copies = tuple(node for repeat in run.repeats for node in repeat)
            node, here = copies[0], path + copies[0].id
            outputs = tuple(typed.type_of(ValueRef(node.id, number)) for number in range(_output_count(typed, node)))
            footprint = self.counter.nodes(typed, copies).times(modules, calls)
            yield PlanRow(here, node.op, len(copies) * calls, level, outputs, footprint)

            body = typed.bodies.get(node.id)
            if body is not None and depth > 1 and opens(body, fold_repeats(body)):
                inner = modules * sum(not copy.same_as for copy in copies), calls * len(copies)
                yield from self.inside(body, f"{here}.", depth, level + 1, inner)

    def inside(
        self, body: TypedRegion, path: str, depth: int, level: int, multiplicity: Multiplicity
    ) -> Iterator[PlanRow]:
        """Yield the rows inside a node. A stack of equal members has those of one member, as its drawing has."""
        runs = fold_repeats(body)
        if len(runs) == 1 and body.region.kind == "stack" and (only := runs[0].only):
            members = [node for (node,) in runs[0].repeats]
            modules, calls = multiplicity
            inner = modules * sum(not member.same_as for member in members), calls * len(members)
            yield from self.inside(body.bodies[only.id], f"{path}{only.id}.", depth, level, inner)
        else:
            yield from self.region(body, runs, path, depth - 1, level, multiplicity)


def _single_node_runs(runs: Iterable[Run]) -> Iterator[Run]:
    """Yield runs of single nodes; those of a repeated sequence come with the copies of all its repeats."""
    for run in runs:
        start = 0
        for inner in run.inner:
            width = len(inner.repeats[0])
            starts = range(start, start + width * len(inner.repeats), width)
            copies = tuple(each[i : i + width] for each in run.repeats for i in starts)
            yield from _single_node_runs([Run(copies, inner.inner)])
            start = starts.stop

        if not run.inner:
            yield run


def _output_count(typed: TypedRegion, node: Node) -> int:
    return len(typed.bodies[node.id].outputs if node.id in typed.bodies else typed.signatures[node.id].outputs)
