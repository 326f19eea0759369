"""Every component by itself: cut out of the file as it ships, and fed with the reference's values.

What a component reads in the file is one thing, what the spec wires to it another: the file gets the reference's value
of whatever tensor it reads, the module those that the spec names. So two inputs that were swapped show, and an error
shows where it is introduced, not where it arrives.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from stackc.core.diagnostics import SpecError
from stackc.ir.program import Call
from stackc.proof.component_subgraph import ComponentSubgraph, ModelUnderTest
from stackc.proof.eager import Values, in_double, run_call, run_eager
from stackc.proof.points import Point
from stackc.proof.report import ComponentRow
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
        """What a module is proven by: the copy in its own precision has the parameters of the module."""
        shared: dict[int, Any] = {id(parameter): parameter for parameter in module.parameters()}
        return Reference(module, copy.deepcopy(module, shared).eval(), in_double(module).eval())


@dataclass(frozen=True, eq=False)
class PointValues:
    """All values of the program at one point: the reference's, and for inherited errors the truth and the file's."""

    point: Point
    values: Values
    truth: Values | None
    file: Values | None


def prove_components(
    subject: ModelUnderTest, reference: Reference, draws: Iterable[Draw], *, calls: Sequence[Call], inherited: bool
) -> tuple[ComponentRow, ...]:
    """A row for every output of the calls at every point. Nothing is raised: what is wrong stands in the rows."""
    scenes = [_scene(subject, reference, draw, inherited) for draw in draws]
    return tuple(row for call in calls for row in _rows(subject, reference, call, scenes))


def _scene(subject: ModelUnderTest, reference: Reference, draw: Draw, inherited: bool) -> PointValues:
    point, feeds = draw
    program = subject.program
    every = frozenset(program.types)
    values = run_eager(reference.single, feeds, program, keep=every).values
    if not inherited:
        return PointValues(point, values, None, None)
    truth = run_eager(reference.double, feeds, program, torch.float64, keep=every).values
    return PointValues(point, values, truth, _file_values(subject, feeds, values))


def _file_values(subject: ModelUnderTest, feeds: Mapping[str, Array], values: Values) -> Values | None:
    """What the file makes of every value of the program; whole numbers are the reference's. None where it fails."""
    shipped = subject.shipped
    tensors = [tensor for tensor in shipped.values if tensor in shipped.makers]
    part = shipped.part(tensors, lambda name: name in subject.program.inputs)
    try:
        made = subject.open(part).run({name: feeds[name] for name in part.inputs})
    except SpecError:
        return None
    found = dict(values)
    for value, tensor in shipped.tensors.items():
        if tensor in made and values[value].is_floating_point():
            found[value] = torch.from_numpy(made[tensor])
    return found


def _rows(
    subject: ModelUnderTest, reference: Reference, call: Call, scenes: Sequence[PointValues]
) -> Iterator[ComponentRow]:
    piece = ComponentSubgraph.of(subject, call)
    for scene in scenes:
        truth = run_call(reference.double, call, scene.values, torch.float64)
        verdicts = piece.verdicts(scene.values, dict(zip(call.outputs, truth, strict=True)))
        drift = _inherited(reference.double, call, scene)
        for value, verdict in verdicts.items():
            yield ComponentRow(call.path, call.component.op, value, scene.point, verdict, call.span, drift.get(value))


def _inherited(double: nn.Module, call: Call, scene: PointValues) -> dict[str, float]:
    """How far the exact component is from the truth on the file's own values, by the value it makes."""
    if scene.truth is None or scene.file is None:
        return {}
    made = run_call(double, call, scene.file, torch.float64)
    return {
        value: _distance(x.numpy(), scene.truth[value].numpy()) for value, x in zip(call.outputs, made, strict=True)
    }


def _distance(one: Array, other: Array) -> float:
    if not np.issubdtype(one.dtype, np.floating):
        return float(np.count_nonzero(one != other))
    both = np.isfinite(one) & np.isfinite(other)
    return float(np.abs(one[both] - other[both]).max(initial=0.0))
