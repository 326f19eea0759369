"""What a proof found, as data: a row for each output and point, and on demand one for each component and point."""

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
    """One output at one point; `place` is the location in the spec of the component that computes it, as file:line.

    It is "" for an input that is passed on.
    """

    output: str
    point: Point
    verdict: Verdict
    place: str

    def to_json(self) -> dict[str, Any]:
        """Return `output`, `source` (file:line), the point and the distances."""
        return {"output": self.output, "source": self.place, **_point_keys(self.point), **_distances(self.verdict)}


@dataclass(frozen=True, slots=True)
class ComponentRow:
    """One component on its own, on the reference's inputs, at one point.

    The verdict is about the error that it *introduces*. `inherited` is the error that the components before it cause:
    the distance from the truth of the exact component on the file's own values; None if that was not asked for.
    """

    path: str
    op: str
    value: str
    point: Point
    verdict: Verdict
    span: Span
    inherited: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return `path`, `op`, `value` (not the path for a second output), `source`, point, distances, `inherited`."""
        named = {"path": self.path, "op": self.op, "value": self.value, "source": str(self.span)}
        return {**named, **_point_keys(self.point), **_distances(self.verdict), "inherited": _finite(self.inherited)}


@dataclass(frozen=True, slots=True)
class Parity:
    """The rows of a proof, and the inputs and PyTorch's outputs at one point, to verify the file with later."""

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
        """The row that uses up most of its tolerance, or exceeds it most."""
        return worst_first(self.rows)[0]

    @property
    def tolerances(self) -> dict[str, float]:
        """The distance from PyTorch's own that each output may have wherever the file is run: the most of any point."""
        most: dict[str, float] = {}
        for row in self.rows:
            if row.output in self.outputs:
                most[row.output] = max(most.get(row.output, 0.0), row.verdict.allowed + row.verdict.torch)
        return most

    def by_component(self) -> tuple[ComponentRow, ...]:
        """Return the worst row of every component, worst component first."""
        worst: dict[str, ComponentRow] = {}
        for row in worst_first(self.components):
            worst.setdefault(row.path, row)
        return tuple(worst.values())

    def summary(self) -> dict[str, Any]:
        """Return the rule and the rows of the outputs, for the manifest."""
        return {"rule": RULE, "rows": [row.to_json() for row in self.rows]}

    def to_json(self) -> dict[str, Any]:
        """Return the content of parity.json: `rule` as text, `outputs` in their order, `components` worst first.

        Every row has `sizes` (of the dims) and `draw` (of the inputs), `torch` and `onnx` (the largest distances from
        the truth), `allowed`, `problem` (null if it passes) and `source`, which leads back to a line of the spec.
        `components` is empty unless it was asked for.
        """
        components = [row.to_json() for row in worst_first(self.components)]
        return {"rule": RULE, "outputs": [row.to_json() for row in self.rows], "components": components}


R = TypeVar("R", ParityRow, ComponentRow)


def worst_first(rows: Iterable[R]) -> tuple[R, ...]:
    """Sort rows by how much of their tolerance they use up; problems that no tolerance allows come first."""
    return tuple(sorted(rows, key=lambda row: -row.verdict.used))


def _point_keys(point: Point) -> dict[str, Any]:
    return {"point": point.name, "sizes": dict(point.sizes), "draw": point.draw}


def _distances(verdict: Verdict) -> dict[str, Any]:
    numbers = {"torch": verdict.torch, "onnx": verdict.onnx, "allowed": verdict.allowed}
    return {name: _finite(number) for name, number in numbers.items()} | {"problem": verdict.problem}


def _finite(number: float | None) -> float | None:
    """Return the number, or None if it is NaN or infinite: JSON has neither."""
    return number if number is not None and math.isfinite(number) else None
