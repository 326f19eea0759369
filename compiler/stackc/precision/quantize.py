"""The stage `quantize` of a build: the proven float32 file is replaced by one whose weights have another format, which
is held to the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import onnx

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.plurals import counted
from stackc.frontend import Checked
from stackc.ir.budget import DEFAULT, Budget
from stackc.ir.program import Program
from stackc.onnx_format.files import MODEL
from stackc.precision.assignment import Assignment, assign_format
from stackc.precision.blame import budget_failure
from stackc.precision.budget_proof import (
    BudgetRow,
    ComponentError,
    ExpectedOutputs,
    component_errors_of,
    expect_outputs,
    first_draw,
    output_rows,
    require_outputs_of,
    stays_within,
    worst_row,
)
from stackc.precision.formats import FLOAT32, Format
from stackc.precision.reduce_file import reduce_model, with_matmuls, write_reduced
from stackc.precision.request import Quantization
from stackc.precision.tuned import Tuned
from stackc.precision.user_data import read_user_data, user_draws
from stackc.precision.weighted_nodes import WeightedNode, weighted_nodes
from stackc.proof.component_subgraph import ModelUnderTest
from stackc.proof.components import Reference
from stackc.proof.points import draws
from stackc.proof.stamped_model import StampedModel
from stackc.runtime import Feeds, Session, ValueInfo, open_session


@dataclass(frozen=True)
class ReducedPrecision:
    """The precision of a file, and how far it is off; no rows if it was not run.

    `formats` has the format of each weight that is not float32, by the name of its initializer. `figures` are those of
    a task, of the float32 file and of this one; `tuned` is the search that ended here, if there was one.
    """

    format: str = FLOAT32
    formats: Assignment = field(default_factory=dict)
    budget: Budget | None = None
    rows: tuple[BudgetRow, ...] = ()
    components: tuple[ComponentError, ...] = ()
    figures: Mapping[str, Sequence[float]] = field(default_factory=dict)
    tuned: Tuned | None = None

    def describe(self) -> str:
        """Say what has which format, and how much of the budget the worst output uses."""
        if not self.formats:
            return "all weights in float32"
        changed = f"{counted(len(self.formats), 'weight')} in {self.format}"
        if not self.rows or self.budget is None:
            return f"{changed}, not held to a budget"
        worst = worst_row(self.rows, self.budget)
        return f"{changed}, '{worst.output}' {worst.error} in {counted(len(self.rows), 'comparison')}: {self.budget}"

    def tolerances(self, proven: Mapping[str, float]) -> dict[str, float]:
        """Return how far each output may be from the recorded one: what is allowed, or twice what was seen.

        `proven` are the tolerances of the float32 file. Choices may be any once one of them was seen to differ.
        """
        allowed = dict(proven)
        for row in self.rows:
            if row.output not in proven:
                continue
            bound = self.budget.max_error if self.budget and self.budget.holds(row.output) else None
            most = bound if bound is not None else 2.0 * row.error.max_error
            allowed[row.output] = max(allowed[row.output], proven[row.output] + most)
        return allowed

    def to_json(self) -> dict[str, Any]:
        """Return the content of the manifest's `precision`; components with the largest error come first."""
        return {
            "format": self.format,
            "formats": dict(sorted(self.formats.items())),
            "budget": self.budget.to_json() if self.budget and self.rows else None,
            "outputs": [row.to_json() for row in self.rows],
            "figures": {name: list(pair) for name, pair in self.figures.items()},
            "components": [component.to_json() for component in self.components],
            "tuning": self.tuned.to_json() if self.tuned else None,
        }


@dataclass(frozen=True, eq=False)
class ReducibleFile:
    """A proven float32 file with its weights in memory, and what a reduced one is run with."""

    model: onnx.ModelProto
    nodes: tuple[WeightedNode, ...]
    program: Program
    provider: str
    threads: int | None

    @staticmethod
    def load(path: Path, program: Program, provider: str, threads: int | None) -> ReducibleFile:
        """Read the file and the weights beside it."""
        model = with_matmuls(onnx.load(path))
        nodes = weighted_nodes(StampedModel(model, path.parent, program))
        return ReducibleFile(model, nodes, program, provider, threads)

    def reduce(self, assignment: Assignment, calibration: Sequence[Feeds] = ()) -> onnx.ModelProto:
        """Return the model with weights in other formats. Raises SpecError P735."""
        return reduce_model(self.model, self.nodes, assignment, calibration)

    def open(self, model: onnx.ModelProto) -> Session:
        """Open a model that was made of it. Raises SpecError R405."""
        return open_session(model.SerializeToString(), self.provider, threads=self.threads)

    def formats_by_path(self, assignment: Assignment) -> dict[str, list[str]]:
        """Return the formats in every component that has a weight in the assignment, by its path."""
        by_path: dict[str, list[str]] = {}
        for node in self.nodes:
            if (format := assignment.get(node.initializer)) is not None and format not in by_path.get(node.path, ()):
                by_path.setdefault(node.path, []).append(format)
        return by_path

    def without(self, assignment: Assignment, paths: Sequence[str]) -> dict[str, Format]:
        """Return an assignment that keeps everything in these components in float32."""
        kept = {node.initializer for node in self.nodes if node.path in paths}
        return {name: format for name, format in assignment.items() if name not in kept}


def quantize_file(
    folder: Path,
    checked: Checked,
    inputs: Sequence[ValueInfo],
    wanted: Quantization,
    reference: Reference | None,
    *,
    provider: str,
    threads: int | None,
    seed: int,
) -> tuple[ReducedPrecision, tuple[Path, ...]]:
    """Replace the file in the folder by one of the wanted format; without a reference it is not held to the budget.

    Returns its precision and its files. Raises SpecError: P731 if it is beyond the budget, P732 without the data that
    ranges are measured on, P733 to P735, and those of the user's data.
    """
    _require_data(wanted)
    program, budget = checked.program, wanted.budget or checked.budget or DEFAULT
    require_outputs_of(budget, program)
    batches = read_user_data(wanted.data, inputs, program.contract) if wanted.data else ()
    file = ReducibleFile.load(folder / MODEL, program, provider, threads)
    assignment = assignment_of(file, wanted)
    reduced = file.reduce(assignment, batches)
    files = write_reduced(reduced, folder)
    if reference is None:
        return ReducedPrecision(wanted.format, assignment), files

    data = user_draws(wanted.data, batches, program) if wanted.data else []
    all_draws = [*draws(program, checked.ranges, seed=seed), *data]
    expected = expect_outputs(reference, program, all_draws)
    under_test = ModelUnderTest(StampedModel.load(folder / MODEL, program), provider, threads)
    rows = output_rows(open_session(folder / MODEL, provider, threads=threads), expected)
    at = first_draw(all_draws, data)
    components = component_errors_of(under_test, reference, at[1], file.formats_by_path(assignment))
    precision = ReducedPrecision(wanted.format, assignment, budget, rows, components)
    if any(row.breaks(budget) for row in rows):
        raise _failure(file, precision, budget, batches, expected)
    return precision, files


def assignment_of(file: ReducibleFile, wanted: Quantization) -> Assignment:
    """Return the format of each weight that changes. Raises SpecError P733 and P734."""
    if wanted.formats is not None:
        return wanted.formats
    return assign_format(file.nodes, cast(Format, wanted.format), wanted.kept)


def _require_data(wanted: Quantization) -> None:
    if wanted.format == "int8-static" and wanted.data is None:
        message = "int8-static needs data: it measures on it which range the numbers of every product have"
        hint = "name typical inputs with `--data FILE.npz`, or choose `--quantize int8`, which needs none"
        raise SpecError(Diagnostic("P732", message, hint=hint))


def _failure(
    file: ReducibleFile,
    precision: ReducedPrecision,
    budget: Budget,
    batches: Sequence[Feeds],
    expected: Sequence[ExpectedOutputs],
) -> SpecError:
    """Return the diagnostics of a file that is beyond its budget."""
    broken = {str(row.point) for row in precision.rows if row.breaks(budget)}
    first = sorted(expected, key=lambda each: str(each.point) not in broken)  # these decide soonest

    def holds(paths: Sequence[str]) -> bool:
        session = file.open(file.reduce(file.without(precision.formats, paths), batches))
        return stays_within(session, first, budget)

    return budget_failure(precision.format, budget, precision.rows, precision.components, holds)
