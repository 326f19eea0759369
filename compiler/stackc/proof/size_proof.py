"""Prove each dim up to its largest size: by whole passes as far as they go, and beyond them by components."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch

from stackc.components.custom.foreign_errors import RAISED, describe
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.value_range import ValueRange
from stackc.ir.program import Call, Program
from stackc.proof.advice import Advice
from stackc.proof.blame import component_errors
from stackc.proof.component_subgraph import ComponentSubgraph, ModelUnderTest
from stackc.proof.components import Reference
from stackc.proof.coverage import DimCoverage, SizeGap
from stackc.proof.eager import run_call, tensor_of
from stackc.proof.jitter import call_spread
from stackc.proof.points import Point, draw_feeds
from stackc.proof.probes import Probe, ProbeBudget, planned, probes_of
from stackc.proof.report import ComponentRow, Parity
from stackc.proof.sizes import Sizes, sizes_to_prove

_NO_MEMORY = re.compile(r"allocate|out of memory|bad_alloc|size calculation overflowed", re.IGNORECASE)


def prove_sizes(
    under_test: ModelUnderTest,
    reference: Reference,
    parity: Parity,
    ranges: Mapping[str, ValueRange],
    *,
    seed: int = 0,
    thorough: bool = False,
    first_failure: bool = False,
) -> Parity:
    """Return the parity with the rows of components at sizes that no whole pass has reached, and with its coverage.
    `first_failure` leaves out what comes after the first component that fails.

    Raises SpecError: P701 for each component that is too far off there, P705 for one that fails in PyTorch.
    """
    program = under_test.program
    largest = sizes_to_prove(program)
    whole = {name: max(row.point.sizes[name] for row in parity.rows) for name in program.contract}

    rows: list[ComponentRow] = []
    gaps: list[SizeGap] = []
    probes = probes_of(under_test.stamped, largest, whole)
    for probe, gap in planned(program, probes, ProbeBudget.of(thorough=thorough)):
        try:
            rows += _rows(under_test, reference, probe, ranges, seed) if probe else ()
        except _OutOfMemory:
            gap = probe.gap(probe.whole, f"at {probe.size:,} its memory ran out") if probe else None
        gaps += [gap] if gap else []
        if first_failure and any(row.verdict.problem for row in rows):
            break

    if failing := [row for row in rows if row.verdict.problem]:
        advice = Advice(program, ranges, under_test.provider)
        raise SpecError(*component_errors(_in_running_order(program, failing), advice))
    return replace(parity, probes=tuple(rows), coverage=tuple(_coverage(program, largest, whole, gaps)))


class _OutOfMemory(Exception):
    """A probe took more memory than there is."""


def _rows(
    under_test: ModelUnderTest, reference: Reference, probe: Probe, ranges: Mapping[str, ValueRange], seed: int
) -> list[ComponentRow]:
    """Run the call in both precisions and its nodes in the file, on drawn values, and judge each value by the rule.

    The float64 module goes first, and what it held is free when the others run. Raises SpecError (P705) if the module
    fails on inputs that the spec allows.
    """
    call, point = probe.call, Point("component", probe.sizes)
    subgraph = ComponentSubgraph.of(under_test, call)
    values = _drawn_values(under_test.program, call, subgraph, point, ranges, seed)
    try:
        truth = run_call(reference.double, call, values, torch.float64)
        single = run_call(reference.single, call, values, torch.float32)
    except RAISED as error:
        if _NO_MEMORY.search(str(error)) or isinstance(error, MemoryError):
            raise _OutOfMemory from error
        message = f"'{call.path}' ({call.component.op}) fails at {point}, in PyTorch: {describe(error)}"
        hint = "the contract allows this size: lower the `max` of the dim, or mend the component"
        raise SpecError(Diagnostic("P705", message, call.span, hint)) from error

    values |= zip(call.outputs, single, strict=True)
    spread = partial(call_spread, reference.double, call, values)
    verdicts = subgraph.verdicts(values, dict(zip(call.outputs, truth, strict=True)), spread)
    if any(verdict.problem and _NO_MEMORY.search(verdict.problem) for verdict in verdicts.values()):
        raise _OutOfMemory
    return [ComponentRow(call.path, call.component.op, v, point, verdict, call.span) for v, verdict in verdicts.items()]


def _drawn_values(
    program: Program,
    call: Call,
    subgraph: ComponentSubgraph,
    point: Point,
    ranges: Mapping[str, ValueRange],
    seed: int,
) -> dict[str, torch.Tensor]:
    """Draw the values that a call reads, in the module and in the file, as if they were inputs of the model.

    Values that are one tensor in the file, since components between them pass it on, are drawn as one. Indices are
    below the number of entries that they index; whole numbers of unknown range, as those of a mask that a component
    computes, are 0 or 1.
    """
    stamped = subgraph.stamped
    read = [stamped.values[x.name] for x in subgraph.session.inputs] if subgraph.session else []
    read += [stamped.values[tensor] for _, tensor in subgraph.outputs if tensor not in stamped.producers]
    names = dict.fromkeys([*(name for name in call.inputs if name is not None), *read])
    drawn = {name: stamped.values[stamped.tensors[name]] for name in names}
    types = {name: program.types[name] for name in drawn.values()}

    zeros_and_ones = {name: ValueRange.ids(2) for name, type_ in types.items() if not type_.is_float}
    indices = {drawn[name]: ValueRange.ids(bound) for name, bound in program.index_bounds(call).items()}
    feeds = draw_feeds(replace(program, inputs=types), {**zeros_and_ones, **indices, **ranges}, point, seed=seed)
    return {name: tensor_of(feeds[source]) for name, source in drawn.items()}


def _coverage(program: Program, largest: Sizes, whole: Sizes, gaps: Sequence[SizeGap]) -> Iterable[DimCoverage]:
    for name, limits in program.contract.items():
        own = tuple(gap for gap in gaps if gap.dim == name)
        components = min((gap.size for gap in own), default=max(whole[name], largest[name]))
        yield DimCoverage(name, limits.least, limits.maximum, whole[name], components, own)


def _in_running_order(program: Program, rows: Iterable[ComponentRow]) -> list[ComponentRow]:
    places = {call.path: place for place, call in enumerate(program.calls)}
    return sorted(rows, key=lambda row: places[row.path])
