"""The errors and the speed of one candidate, beside those of the float32 file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stackc.core.diagnostics import SpecError
from stackc.ir.budget import Budget
from stackc.precision.assignment import Assignment
from stackc.precision.budget_proof import BudgetRow, ExpectedOutputs, FileRunner, held_rows, output_rows, worst_row
from stackc.precision.figures import OutputError
from stackc.precision.quantize import ReducibleFile
from stackc.precision.tuned import Speed, TunedCandidate
from stackc.runtime import Feeds, Session
from stackc.runtime.openvino import Request
from stackc.timing import Candidate, measure, session_candidate
from stackc.timing.statistics import OPENING_SPREAD
from stackc.tuning.kept_results import KeptResults
from stackc.tuning.task_budget import TaskBudget, figures_of


@dataclass(frozen=True, eq=False)
class Measurer:
    """What every candidate is measured with: the inputs with what PyTorch makes of them, the float32 session."""

    file: ReducibleFile
    expected: Sequence[ExpectedOutputs]
    plain: Session
    feeds: Feeds
    budget: Budget
    tasks: Sequence[TaskBudget]
    plain_figures: Mapping[str, float]
    seconds: float
    results: KeptResults

    def of_assignment(self, name: str, assignment: Assignment, calibration: Sequence[Feeds] = ()) -> TunedCandidate:
        """Make the file, run it and time it; a candidate that cannot be made says why."""

        def compute() -> dict[str, Any]:
            try:
                model = self.file.reduce(assignment, calibration)
                session = self.file.open(model)
            except SpecError as error:
                return {"failed": error.diagnostics[0].message}
            return self._facts(session, session_candidate(session, self.feeds)) | {"bytes": model.ByteSize()}

        facts, kept = self.results.get(f"{name} {sorted(assignment.items())}", compute)
        return self._judged(TunedCandidate(name, assignment, kept=kept), facts)

    def of_engine(self, name: str, engine: str, start: Callable[[], Request]) -> TunedCandidate:
        """Run the float32 file in another engine and time it there."""

        def compute() -> dict[str, Any]:
            try:
                request = start()
            except RuntimeError as error:  # what OpenVINO raises for a model that it does not take
                return {"failed": " ".join(str(error).split())}
            return self._facts(request, request)

        facts, kept = self.results.get(name, compute)
        return self._judged(TunedCandidate(name, {}, engine, kept=kept), facts)

    def of_setting(self, name: str, assignment: Assignment, session: Session, plain: Session) -> TunedCandidate:
        """Time a file that is opened in another way, beside the same file as it is opened by default."""
        facts, kept = self.results.get(
            f"{name} {sorted(assignment.items())}",
            lambda: self._facts(session, session_candidate(session, self.feeds), plain),
        )
        return self._judged(TunedCandidate(name, assignment, "onnx", kept=kept), facts)

    def _facts(self, runner: FileRunner, candidate: Candidate, plain: Session | None = None) -> dict[str, Any]:
        """Return the worst errors, the figures of a task and the speed, as JSON."""
        rows = output_rows(runner, self.expected)
        figures = figures_of(self.tasks, runner)
        beside = session_candidate(plain or self.plain, self.feeds)
        comparison = measure(
            {"float32": beside, "candidate": candidate}, seconds=self.seconds, rounds=(5, 1000), window=2,
            opening_spread=OPENING_SPREAD,
        )  # fmt: skip
        (ratio,) = comparison.ratios
        speed = [comparison.timings["candidate"].median * 1e3, ratio.value, ratio.low, ratio.high]
        return {"rows": [_row_facts(row) for row in rows], "figures": dict(figures), "speed": speed}

    def _judged(self, candidate: TunedCandidate, facts: Mapping[str, Any]) -> TunedCandidate:
        """Return the candidate with its results, and why it is beyond the budget, if it is."""
        if "failed" in facts:
            return replace(candidate, reason=facts["failed"])

        rows = [_row_of(each, self.expected) for each in facts["rows"]]
        problems = [
            problem
            for task in self.tasks
            if (problem := task.problem(facts["figures"][task.name], self.plain_figures[task.name]))
        ]
        worst, rows = worst_row(rows, self.budget), held_rows(rows, self.budget)
        if worst.breaks(self.budget):
            problems.insert(0, f"'{worst.output}' {worst.error} at {worst.point}: beyond {self.budget}")

        return replace(
            candidate,
            speed=Speed(*facts["speed"]),
            max_error=max(row.error.max_error for row in rows),
            cosine=min(row.error.cosine for row in rows),
            relative=max(row.error.relative for row in rows),
            figures=facts["figures"],
            bytes=facts.get("bytes"),
            within=not problems,
            reason="; ".join(problems),
        )


def _row_facts(row: BudgetRow) -> list[Any]:
    error = row.error
    return [row.output, str(row.point), error.max_error, error.cosine, error.relative, error.numbers]


def _row_of(facts: Sequence[Any], expected: Sequence[ExpectedOutputs]) -> BudgetRow:
    output, place, *figures = facts
    point = next(each.point for each in expected if str(each.point) == place)
    return BudgetRow(output, point, OutputError(*figures))
