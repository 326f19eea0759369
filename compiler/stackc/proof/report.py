"""What a proof found, as data: rows of outputs and of components, each at one point."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from stackc.core.diagnostics import Span
from stackc.core.plurals import counted
from stackc.proof.coverage import DimCoverage, coverage_text
from stackc.proof.points import JITTERED, Point
from stackc.proof.tolerance import RULE, Verdict
from stackc.proof.value_draws import is_extreme
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
class ReferenceRow:
    """One recorded value of one recording, and how far the module is from it."""

    case: str
    output: str
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """Return the names, the distance, the allowance and the count of numbers."""
        verdict = self.verdict
        return {
            "case": self.case, "output": self.output, "distance": verdict.onnx, "allowed": verdict.allowed,
            "numbers": verdict.numbers, "problem": verdict.problem,
        }  # fmt: skip


Vectors = tuple[Mapping[str, Array], Mapping[str, Array]]
"""The inputs of a forward pass and PyTorch's outputs, by name."""


@dataclass(frozen=True, slots=True)
class Parity:
    """The rows of a proof, and the inputs and PyTorch's outputs at one point, to verify the file with later.

    `probes` are components at sizes that no whole pass reaches; `coverage` is up to which size each dim is proven.
    `masked` has more such inputs and outputs, by draw: with every mask full, and with every mask empty.
    `tensors` is how many tensors of the file were compared with the parameters that they come from. `reference` are the
    values recorded from the original that the module was held to.
    """

    rows: tuple[ParityRow, ...]
    components: tuple[ComponentRow, ...]
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    probes: tuple[ComponentRow, ...] = ()
    coverage: tuple[DimCoverage, ...] = ()
    masked: Mapping[str, Vectors] = field(default_factory=dict)
    tensors: int = 0
    reference: tuple[ReferenceRow, ...] = ()

    @property
    def failures(self) -> tuple[ParityRow, ...]:
        """The rows that do not pass, worst first."""
        return tuple(row for row in worst_first(self.rows) if row.verdict.problem)

    @property
    def worst(self) -> ParityRow:
        """The row that uses up most of its tolerance, or exceeds it most."""
        return worst_first(self.rows)[0]

    @property
    def declared(self) -> tuple[ParityRow, ...]:
        """The rows at draws within what the spec declares: all but the extreme ones."""
        return tuple(row for row in self.rows if not is_extreme(row.point.draw))

    @property
    def numbers(self) -> int:
        """How many numbers of the outputs were compared."""
        return sum(row.verdict.numbers for row in self.rows)

    @property
    def uncompared(self) -> tuple[str, ...]:
        """The outputs of which no number was compared but at extreme draws: nothing is proven of them."""
        compared = {row.output for row in self.declared if row.verdict.numbers}
        return tuple(dict.fromkeys(row.output for row in self.rows if row.output not in compared))

    @property
    def tolerances(self) -> dict[str, float]:
        """The distance from PyTorch's own that each output may have wherever the file is run: the most of any point.

        Extreme draws do not count: outputs are larger there, and what is recorded are others.
        """
        most: dict[str, float] = {}
        for row in self.declared:
            if row.output in self.outputs and row.point.name != JITTERED:
                distance = min(row.verdict.allowed + row.verdict.torch, sys.float_info.max)  # JSON has no infinity
                most[row.output] = max(most.get(row.output, 0.0), distance)
        return most

    def by_component(self) -> tuple[ComponentRow, ...]:
        """Return the worst row of every component with the weights of the file, worst component first."""
        worst: dict[str, ComponentRow] = {}
        for row in worst_first(self.components):
            if row.point.name != JITTERED:
                worst.setdefault(row.path, row)
        return tuple(worst.values())

    def describe(self, *, random_weights: bool) -> str:
        """Say how far the file is from the truth at most, what was not compared, and whether weights are random."""
        weights = ", with random weights" if random_weights else ""
        if self.uncompared:
            names = ", ".join(f"'{name}'" for name in self.uncompared)
            return f"nothing is proven of {names}: no finite number to compare{weights}"

        comparisons = counted(len(self.rows), "comparison")
        apart = counted(len({row.path for row in self.components}), "component")
        undetermined = [row for row in self.declared if row.verdict.determined is not None]
        if undetermined:
            worst = max(undetermined, key=lambda row: row.verdict.determined or 0.0)
            determined = determined_text(worst.verdict.determined or 0.0)
            return f"{comparisons}, '{worst.output}' is {determined}: {apart} by themselves decide{weights}"

        ratio = max(row.verdict.ratio for row in self.rows if row.verdict.numbers)
        distance = "as exact as PyTorch" if ratio <= 1 else f"at most {ratio:.1f}× as far from the truth as PyTorch"
        return f"{comparisons} and {apart} alone, ONNX Runtime {distance}{self._at_extremes()}{weights}"

    def _at_extremes(self) -> str:
        """Say that float32 leaves outputs open at extreme draws, if it does."""
        open_rows = [row for row in self.rows if row.verdict.determined is not None and is_extreme(row.point.draw)]
        if not open_rows:
            return ""
        worst = max(open_rows, key=lambda row: row.verdict.determined or 0.0)
        return f", at inputs {worst.point.draw} {determined_text(worst.verdict.determined or 0.0)}"

    def summary(self) -> dict[str, Any]:
        """Return the rule, how much was compared, up to which sizes, and the rows of outputs and of recorded values."""
        counts = {"numbers": self.numbers, "tensors": self.tensors, "components": len(self.by_component())}
        rows = [row.to_json() for row in self.rows]
        return {"rule": RULE, **counts, "rows": rows, **self._coverage_json(), **self._reference_json()}

    def to_json(self) -> dict[str, Any]:
        """Return the content of parity.json: `rule` as text, `outputs` in their order, `components` worst first.

        Every row has `sizes` (of the dims) and `draw` (of the inputs), `torch` and `onnx` (the largest distances from
        the truth), `allowed`, `problem` (null if it passes) and `source`, which leads back to a line of the spec.
        `numbers` counts the numbers that were compared, `nonfinite` those that are NaN or Inf on each side.
        `spread` is null if it was not needed; `determined` says so if float32 leaves more than 1e-3 of an output open.
        `probes` are rows of components at sizes that no whole pass reaches; `proven` says up to which size each dim is
        proven, and `sizes` has it as data. At the point `jittered`, parameters that start constant hold other numbers.
        `tensors` counts the tensors of the file that equal the parameters they come from. `reference` has the values
        that were recorded from the original, each with its distance and what it may be.
        """
        components = [row.to_json() for row in worst_first(self.components)]
        rows = {"outputs": [row.to_json() for row in self.rows], "components": components}
        probes = [row.to_json() for row in self.probes]
        facts = {"rule": RULE, "tensors": self.tensors, **rows, "probes": probes}
        return facts | self._coverage_json() | self._reference_json()

    def _reference_json(self) -> dict[str, Any]:
        return {"reference": [row.to_json() for row in self.reference]}

    def _coverage_json(self) -> dict[str, Any]:
        return {"proven": coverage_text(self.coverage), "sizes": [dim.to_json() for dim in self.coverage]}


R = TypeVar("R", ParityRow, ComponentRow)


def worst_first(rows: Iterable[R]) -> tuple[R, ...]:
    """Sort rows by how much of their tolerance they use up; problems that no tolerance allows come first."""
    return tuple(sorted(rows, key=lambda row: -row.verdict.used))


def _point_keys(point: Point) -> dict[str, Any]:
    return {"point": point.name, "sizes": dict(point.sizes), "draw": point.draw}


def _distances(verdict: Verdict) -> dict[str, Any]:
    distances = {"torch": verdict.torch, "onnx": verdict.onnx, "allowed": verdict.allowed, "spread": verdict.spread}
    counts = {"numbers": verdict.numbers, "nonfinite": dataclasses.asdict(verdict.nonfinite)}
    counts["determined"] = None if verdict.determined is None else determined_text(verdict.determined)
    return {name: _finite(number) for name, number in distances.items()} | {"problem": verdict.problem, **counts}


def numbers_text(verdict: Verdict) -> str:
    """Return how many numbers were compared, and how many are not finite on which side."""
    counts = verdict.nonfinite
    sides = {"truth": counts.truth, "PyTorch": counts.torch, "ONNX": counts.onnx}
    if not any(sides.values()):
        return f"{verdict.numbers:,}" if verdict.numbers else "0: nothing compared"
    listed = ", ".join(f"{side} {count:,}" for side, count in sides.items())
    return f"{verdict.numbers:,}{'' if verdict.numbers else ': nothing compared'} (not finite: {listed})"


def determined_text(share: float) -> str:
    """Return `determined to 5e-03 only`: the share of the output's largest number that is allowed."""
    return f"determined to {share:.0e} only" if math.isfinite(share) else "not determined in float32"


def _finite(number: float | None) -> float | None:
    """Return the number, or None if it is NaN or infinite: JSON has neither."""
    return number if number is not None and math.isfinite(number) else None
