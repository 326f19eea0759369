"""What a proof has found, as data: a row an output and point, and on demand a row a component and point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from stackc.core.diagnostics import Span
from stackc.proof.points import Point
from stackc.proof.tolerance import RULE, Verdict
from stackc.runtime import Array


@dataclass(frozen=True, slots=True)
class ParityRow:
    """One output at one point; `place` is the line of the spec that makes it, "" for an input that is passed on."""

    output: str
    point: Point
    verdict: Verdict
    place: str

    def to_json(self) -> dict[str, Any]:
        """`output`, `source` (file:line), where and how far off."""
        return {"output": self.output, "source": self.place, **_where(self.point), **_distances(self.verdict)}


@dataclass(frozen=True, slots=True)
class ComponentRow:
    """One component by itself, on the reference's inputs, at one point.

    The verdict is about the error that it *introduces*. `inherited` is what comes of the errors of the components
    before it: what the exact component makes of the file's own values, from the truth; None where that was not asked.
    """

    path: str
    op: str
    value: str
    point: Point
    verdict: Verdict
    span: Span
    inherited: float | None = None

    def to_json(self) -> dict[str, Any]:
        """`path`, `op`, `value` (it differs from the path for a second output), `source`, distances, `inherited`."""
        named = {"path": self.path, "op": self.op, "value": self.value, "source": str(self.span)}
        return {**named, **_where(self.point), **_distances(self.verdict), "inherited": _finite(self.inherited)}


@dataclass(frozen=True, slots=True)
class Parity:
    """What was proven, row by row, and the inputs and PyTorch's outputs at one point, to verify the file with later."""

    rows: tuple[ParityRow, ...]
    components: tuple[ComponentRow, ...]
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]

    @property
    def failures(self) -> tuple[ParityRow, ...]:
        """The rows that do not pass, worst first."""
        return tuple(row for row in worst_first(self.rows) if row.verdict.problem)

    @property
    def worst(self) -> ParityRow:
        """The row that comes closest to what is allowed, or is furthest beyond it."""
        return worst_first(self.rows)[0]

    @property
    def tolerances(self) -> dict[str, float]:
        """How far from PyTorch's own each output may be wherever the file is run: the most that any point allowed."""
        most: dict[str, float] = {}
        for row in self.rows:
            if row.output in self.outputs:
                most[row.output] = max(most.get(row.output, 0.0), row.verdict.allowed + row.verdict.torch)
        return most

    def by_component(self) -> tuple[ComponentRow, ...]:
        """The worst row of every component, worst component first."""
        worst: dict[str, ComponentRow] = {}
        for row in worst_first(self.components):
            worst.setdefault(row.path, row)
        return tuple(worst.values())

    def summary(self) -> dict[str, Any]:
        """The outputs, as the manifest has them."""
        return {"rule": RULE, "rows": [row.to_json() for row in self.rows]}

    def to_json(self) -> dict[str, Any]:
        """All of it, as parity.json has it: `rule` in words, `outputs` in their order, `components` worst first.

        Every row has `sizes` (of the dims) and `draw` (of the inputs), `torch` and `onnx` (the largest distances from
        the truth), `allowed`, `problem` (null where it passes) and `source`, which leads back to a line of the spec.
        `components` is empty unless it was asked for.
        """
        components = [row.to_json() for row in worst_first(self.components)]
        return {"rule": RULE, "outputs": [row.to_json() for row in self.rows], "components": components}


R = TypeVar("R", ParityRow, ComponentRow)


def worst_first(rows: Iterable[R]) -> tuple[R, ...]:
    """Rows by how much of what is allowed they use up; what no tolerance forgives comes first."""
    return tuple(sorted(rows, key=lambda row: -row.verdict.used))


def _where(point: Point) -> dict[str, Any]:
    return {"point": point.name, "sizes": dict(point.sizes), "draw": point.draw}


def _distances(verdict: Verdict) -> dict[str, Any]:
    numbers = {"torch": verdict.torch, "onnx": verdict.onnx, "allowed": verdict.allowed}
    return {name: _finite(number) for name, number in numbers.items()} | {"problem": verdict.problem}


def _finite(number: float | None) -> float | None:
    """The number, for JSON, which has no NaN."""
    return number if number is not None and math.isfinite(number) else None
