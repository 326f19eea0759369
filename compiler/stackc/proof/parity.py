"""The proof: the eager module, in float32 and float64, against the ONNX file as it ships."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stackc.diagnostics import Diagnostic, SpecError
from stackc.graph.program import Program
from stackc.graph.ranges import ValueRange
from stackc.proof.points import Point, draws
from stackc.proof.tolerance import Verdict, judge
from stackc.runtime import Session

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Row:
    """One output at one point."""

    output: str
    point: Point
    verdict: Verdict
    place: str


@dataclass(frozen=True, slots=True)
class Parity:
    """What was proven, row by row, and the inputs and PyTorch's outputs at one point, to verify the file with later."""

    rows: tuple[Row, ...]
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows that do not pass, worst first."""
        failed = [row for row in self.rows if row.verdict.problem]
        return tuple(sorted(failed, key=lambda row: row.verdict.allowed - row.verdict.onnx))

    @property
    def worst(self) -> Row:
        """The row that comes closest to what is allowed, or is furthest beyond it."""
        return max(self.rows, key=lambda row: row.verdict.onnx / (row.verdict.allowed or 1.0))

    @property
    def tolerances(self) -> dict[str, float]:
        """How far from PyTorch's own each output may be wherever the file is run: the most that any point allowed."""
        most: dict[str, float] = {}
        for row in self.rows:
            most[row.output] = max(most.get(row.output, 0.0), row.verdict.allowed + row.verdict.torch)
        return most

    def summary(self) -> dict[str, Any]:
        """The proof as the manifest has it."""
        return {
            "rule": "max|onnx - truth| <= 2 max|torch - truth| + 8 ulp of max|truth|; truth is the module in float64",
            "rows": [
                {
                    "output": row.output,
                    "sizes": dict(row.point.sizes),
                    "draw": row.point.draw,
                    "torch": row.verdict.torch,
                    "onnx": row.verdict.onnx,
                    "allowed": row.verdict.allowed,
                    "source": row.place,
                }
                for row in self.rows
            ],
        }


def prove(
    program: Program, module: nn.Module, session: Session, ranges: Mapping[str, ValueRange], *, seed: int = 0
) -> Parity:
    """Run module and file at every point of the contract. Raises SpecError P701 where an output is too far off,
    P702 where the file has other outputs than the spec, P703 where the module changes its own state in eval mode."""
    _require_same_outputs(program, session)
    single = copy.deepcopy(module).eval()
    double = copy.deepcopy(module).eval().double()
    places = {call.path: str(call.span) for call in program.calls}
    rows: list[Row] = []
    vectors: tuple[Mapping[str, Array], Mapping[str, Array]] = ({}, {})
    for point, feeds in draws(program, ranges, seed=seed):
        p = run_eager(single, feeds, program, torch.float32)
        t = run_eager(double, feeds, program, torch.float64)
        o = session.run(feeds)
        vectors = (feeds, p) if point.name == "prime" or not vectors[0] else vectors
        rows += [
            Row(name, point, judge(o[name], p[name], t[name]), places.get(value.partition(":")[0], ""))
            for name, value in program.outputs.items()
        ]
    _require_unchanged(module, single)
    parity = Parity(tuple(rows), *vectors)
    _require_passed(parity)
    return parity


def run_eager(
    module: nn.Module, feeds: Mapping[str, Array], program: Program, precision: torch.dtype = torch.float32
) -> dict[str, Array]:
    """The outputs of the module by name; float inputs are taken to the precision of the module."""
    inputs = [torch.from_numpy(np.ascontiguousarray(feeds[name])) for name in program.inputs]
    inputs = [x.to(precision) if x.is_floating_point() else x for x in inputs]
    with torch.no_grad():
        made = module(*inputs)
    values: Sequence[torch.Tensor] = made if isinstance(made, tuple) else (made,)
    return {name: value.numpy() for name, value in zip(program.outputs, values, strict=True)}


def _require_same_outputs(program: Program, session: Session) -> None:
    names = [output.name for output in session.outputs]
    if names != list(program.outputs):
        message = f"the file gives {', '.join(names)}, and the spec {', '.join(program.outputs)}"
        raise SpecError(Diagnostic("P702", message))


def _require_unchanged(module: nn.Module, after: nn.Module) -> None:
    state = after.state_dict()
    for name, tensor in module.state_dict().items():
        if not torch.equal(tensor, state[name]):
            message = f"running the module in eval mode changes '{name}', which no ONNX file can do"
            raise SpecError(Diagnostic("P703", message))


def _require_passed(parity: Parity) -> None:
    diagnostics = []
    for row in parity.failures:
        message = f"the output '{row.output}' at {row.point} {row.verdict.problem}"
        diagnostics.append(Diagnostic("P701", message, hint=f"it is made by {row.place}" if row.place else None))
    if diagnostics:
        raise SpecError(*diagnostics)
