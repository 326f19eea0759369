"""Typed graph → plan: block by block what comes out, what it computes, what weights and activations take, what fits."""

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
    """A node, or equal ones: `path` is that of the first, `needs` those of all. Rows inside have a higher `level`."""

    path: str
    op: str
    repeat: int
    level: int
    outputs: tuple[TensorType, ...]
    needs: Footprint


@dataclass(frozen=True)
class Plan:
    """A whole plan. The sizes left open are those of `contract` that the inputs have.

    `peaks` are at the least sizes and, where all of them have an end, at the largest. `fits` tells by precision what
    fits in `memory` bytes; it is empty where none was given.
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
    """The plan of a checked spec, with blocks and stacks opened down to `depth` as in its drawing."""
    root, graph = typed.root, typed.graph
    bill = FootprintCounter(cost_of(root))
    open_dims = {name for type_ in root.inputs for dim in type_.shape for name in dim.symbols()}
    contract = {name: limits for name, limits in graph.contract.items() if name in open_dims}
    total = bill.region(root)
    return Plan(
        name=graph.document.name,
        inputs=dict(zip(root.region.inputs, root.inputs, strict=True)),
        outputs=dict(zip(root.region.outputs, root.outputs, strict=True)),
        rows=tuple(_Rows(bill).region(root, fold_repeats(root), "", depth)),
        total=total,
        contract=contract,
        peaks=tuple(peak_at(root, sizes) for sizes in _corners(contract)),
        memory=memory,
        fits={} if memory is None else _fits(root, contract, total, memory),
    )


def _fits(root: TypedRegion, contract: DimContract, total: Footprint, memory: int) -> dict[str, tuple[Fit, ...]]:
    return {
        name: tuple(fits(root, contract, precision, memory - total.weights.bytes(precision)))
        for name, precision in PRECISIONS.items()
    }


def _corners(contract: DimContract) -> Iterator[Mapping[str, int]]:
    yield smallest_sizes(contract)
    largest = largest_sizes(contract)
    if contract and largest is not None:
        yield largest


Factor = tuple[int, int]
"""How many modules the model has of a region, and how often it calls them."""


@dataclass(frozen=True)
class _Rows:
    bill: FootprintCounter

    def region(
        self, typed: TypedRegion, runs: Iterable[Run], path: str, depth: int, level: int = 0, factor: Factor = (1, 1)
    ) -> Iterator[PlanRow]:
        """The rows of a region of which the model has as many modules, called as often, as `factor` says."""
        for run in _merged(runs):
            copies = tuple(node for repeat in run.repeats for node in repeat)
            node, here = copies[0], path + copies[0].id
            outputs = tuple(typed.type_of(ValueRef(node.id, number)) for number in range(_arity(typed, node)))
            needs = self.bill.of(typed, copies).times(*factor)
            yield PlanRow(here, node.op, len(copies) * factor[1], level, outputs, needs)
            body = typed.bodies.get(node.id)
            if body is not None and depth > 1 and opens(body, fold_repeats(body)):
                times = factor[0] * sum(not copy.same_as for copy in copies), factor[1] * len(copies)
                yield from self.inside(body, f"{here}.", depth, level + 1, times)

    def inside(self, body: TypedRegion, path: str, depth: int, level: int, factor: Factor) -> Iterator[PlanRow]:
        """The rows inside a node. A stack of equal members has those of one member, as its drawing has."""
        runs = fold_repeats(body)
        if len(runs) == 1 and body.region.kind == "stack" and (only := runs[0].only):
            members = [node for (node,) in runs[0].repeats]
            times = factor[0] * sum(not member.same_as for member in members), factor[1] * len(members)
            yield from self.inside(body.bodies[only.id], f"{path}{only.id}.", depth, level, times)
        else:
            yield from self.region(body, runs, path, depth - 1, level, factor)


def _merged(runs: Iterable[Run]) -> Iterator[Run]:
    """The runs of single nodes that a region consists of, those of a repeated stretch with all of its repeats."""
    for run in runs:
        start = 0
        for inner in run.inner:
            width = len(inner.repeats[0])
            places = range(start, start + width * len(inner.repeats), width)
            yield from _merged([Run(tuple(each[i : i + width] for each in run.repeats for i in places), inner.inner)])
            start = places.stop
        if not run.inner:
            yield run


def _arity(typed: TypedRegion, node: Node) -> int:
    return len(typed.bodies[node.id].outputs if node.id in typed.bodies else typed.signatures[node.id].outputs)
