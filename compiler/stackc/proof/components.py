"""Prove every component on its own: cut out of the finished file, and fed with the reference's values.

A component of the file gets the reference's values of the tensors that it reads, the component of the module those of
the tensors that the spec names. So two swapped inputs show, and an error shows where it is introduced, not where it
arrives.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from stackc.components.custom.foreign_errors import RAISED
from stackc.core.diagnostics import SpecError
from stackc.ir.program import Call
from stackc.proof.component_subgraph import ComponentSubgraph, ModelUnderTest
from stackc.proof.eager import Values, in_double, run_call, run_eager
from stackc.proof.jitter import call_spread
from stackc.proof.points import Point
from stackc.proof.report import ComponentRow
from stackc.proof.tolerance import largest_difference, largest_finite
from stackc.proof.value_draws import is_extreme
from stackc.runtime import Array

Draw = tuple[Point, Mapping[str, Array]]


@dataclass(frozen=True, eq=False)
class Reference:
    """Copies of a module in both precisions, in eval mode; the module itself is never run."""

    module: nn.Module
    single: nn.Module
    double: nn.Module

    @staticmethod
    def of(module: nn.Module) -> Reference:
        """Copy a module; the copy in its own precision shares the parameters of the module."""
        shared: dict[int, Any] = {id(parameter): parameter for parameter in module.parameters()}
        return Reference(module, copy.deepcopy(module, shared).eval(), in_double(module).eval())


@dataclass(frozen=True, eq=False)
class PointValues:
    """All values of the program at one point: the reference's in float32, and for inherited errors the truth and the
    file's."""

    point: Point
    values: Values
    truth: Values | None = None
    file: Values | None = None


def prove_components(
    under_test: ModelUnderTest, reference: Reference, draws: Iterable[Draw], *, calls: Sequence[Call], inherited: bool
) -> tuple[ComponentRow, ...]:
    """Return a row for every output of the calls at every point. Problems are in the rows: nothing is raised."""
    points = [_point_values(under_test, reference, draw, inherited) for draw in draws]
    return tuple(
        row
        for call in calls
        for row in component_rows(ComponentSubgraph.of(under_test, call), reference.double, call, points)
    )


def _point_values(under_test: ModelUnderTest, reference: Reference, draw: Draw, inherited: bool) -> PointValues:
    point, feeds = draw
    program = under_test.program
    every_value = frozenset(program.types)
    values = run_eager(reference.single, feeds, program, keep=every_value).values
    if not inherited:
        return PointValues(point, values)

    truth = run_eager(reference.double, feeds, program, torch.float64, keep=every_value).values
    return PointValues(point, values, truth, _file_values(under_test, feeds, values))


def _file_values(under_test: ModelUnderTest, feeds: Mapping[str, Array], values: Values) -> Values | None:
    """Return every value of the program as the file computes it, with the reference's whole numbers.

    Returns None if the file fails.
    """
    stamped = under_test.stamped
    tensors = [tensor for tensor in stamped.values if tensor in stamped.producers]
    results: Mapping[str, Array] = {}
    if tensors:  # a model may only pass values on
        submodel = stamped.extract(tensors, lambda name: name in under_test.program.inputs)
        try:
            results = under_test.open(submodel).run({name: feeds[name] for name in submodel.inputs})
        except SpecError:
            return None

    file_values = dict(values)
    for value, tensor in stamped.tensors.items():
        if tensor in results and values[value].is_floating_point():
            file_values[value] = torch.from_numpy(results[tensor])
    return file_values


def component_rows(
    subgraph: ComponentSubgraph, double: nn.Module, call: Call, points: Iterable[PointValues]
) -> Iterator[ComponentRow]:
    """Yield a row for every output of a call at every point."""
    ordinary: dict[str, float] = {}
    for at in points:
        truth = dict(zip(call.outputs, run_call(double, call, at.values, torch.float64), strict=True))
        spread = partial(call_spread, double, call, at.values)
        scales = ordinary if is_extreme(at.point.draw) else None
        verdicts = subgraph.verdicts(at.values, truth, spread, scales)
        if scales is None:  # extreme draws come after all others
            ordinary |= {name: max(ordinary.get(name, 0.0), largest_finite(x.numpy())) for name, x in truth.items()}
        inherited = _inherited_errors(double, call, at)
        for value, verdict in verdicts.items():
            yield ComponentRow(call.path, call.component.op, value, at.point, verdict, call.span, inherited.get(value))


def _inherited_errors(double: nn.Module, call: Call, at: PointValues) -> dict[str, float]:
    """Return how far the exact component is from the truth on the file's own values, by the value it computes.

    Infinite where the file's own values have a shape that the component does not take.
    """
    if at.truth is None or at.file is None:
        return {}
    try:
        results = run_call(double, call, at.file, torch.float64)
    except RAISED:
        return dict.fromkeys(call.outputs, math.inf)
    return {value: _error(x.numpy(), at.truth[value].numpy()) for value, x in zip(call.outputs, results, strict=True)}


def _error(value: Array, truth: Array) -> float:
    """Return the largest difference where both are finite; for whole numbers, how many differ; infinite for shapes."""
    if value.shape != truth.shape:
        return math.inf
    if not np.issubdtype(value.dtype, np.floating):
        return float(np.count_nonzero(value != truth))
    finite = np.isfinite(value) & np.isfinite(truth)
    return largest_difference(value[finite], truth[finite])
