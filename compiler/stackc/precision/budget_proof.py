"""A file of lower precision against its PyTorch module: every output at every point of the contract, and on the user's
data; every component that was changed on the module's values, which says where an error comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from stackc.components.custom.foreign_errors import RAISED
from stackc.core.diagnostics import Diagnostic, Span, SpecError, did_you_mean
from stackc.ir.budget import Budget
from stackc.ir.program import Call, Program
from stackc.precision.figures import OutputError, output_error
from stackc.proof.blame import eager_failure
from stackc.proof.component_batch import cheap_draw
from stackc.proof.component_subgraph import ComponentSubgraph, ModelUnderTest
from stackc.proof.components import Draw, Reference
from stackc.proof.eager import Values, run_eager
from stackc.proof.points import Point
from stackc.proof.value_draws import is_extreme
from stackc.runtime import Array


@dataclass(frozen=True, eq=False)
class ExpectedOutputs:
    """What the module computes from one draw of inputs, in float32."""

    point: Point
    feeds: Mapping[str, Array]
    outputs: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """How far one output of the file is off at one point."""

    output: str
    point: Point
    error: OutputError

    def breaks(self, budget: Budget) -> bool:
        """Return whether the output is further off than the budget allows, if the budget is for it."""
        return budget.holds(self.output) and self.error.breaks(budget)

    def to_json(self) -> dict[str, Any]:
        """Return the output, the point and the figures."""
        at = {"point": self.point.name, "sizes": dict(self.point.sizes), "draw": self.point.draw}
        return {"output": self.output, **at, **self.error.to_json()}


@dataclass(frozen=True, slots=True)
class ComponentError:
    """How far a component that was changed is off on the module's values: the error that it introduces."""

    path: str
    op: str
    span: Span
    formats: tuple[str, ...]
    error: OutputError

    def to_json(self) -> dict[str, Any]:
        """Return the component, its line, its formats and the figures."""
        named = {"path": self.path, "op": self.op, "source": str(self.span), "formats": list(self.formats)}
        return {**named, **self.error.to_json()}


class FileRunner(Protocol):
    """What runs a file: a session, or another engine."""

    def run(self, feeds: Mapping[str, Array], /) -> Mapping[str, Array]:
        """Return the outputs by name. Raises SpecError if the run fails."""


def expect_outputs(reference: Reference, program: Program, draws: Iterable[Draw]) -> tuple[ExpectedOutputs, ...]:
    """Run the module in float32 on every draw but those beyond what the spec declares.

    Raises SpecError P705 if the module fails, as it can on the user's data alone.
    """
    expected = []
    for point, feeds in draws:
        if is_extreme(point.draw):
            continue
        try:
            outputs = run_eager(reference.single, feeds, program).outputs
        except RAISED as error:
            raise eager_failure(program, reference.single, point, feeds, error) from error
        expected.append(ExpectedOutputs(point, feeds, outputs))
    return tuple(expected)


def output_rows(session: FileRunner, expected: Iterable[ExpectedOutputs]) -> tuple[BudgetRow, ...]:
    """Run the file on the same inputs. Raises SpecError (R406) if it does not run."""
    return tuple(row for each in expected for row in _rows_at(session, each))


def _rows_at(session: FileRunner, expected: ExpectedOutputs) -> list[BudgetRow]:
    outputs = session.run(expected.feeds)
    return [BudgetRow(name, expected.point, output_error(outputs[name], x)) for name, x in expected.outputs.items()]


def stays_within(session: FileRunner, expected: Iterable[ExpectedOutputs], budget: Budget) -> bool:
    """Return whether every output stays within the budget; stops at the first that does not."""
    return not any(row.breaks(budget) for each in expected for row in _rows_at(session, each))


def require_outputs_of(budget: Budget, program: Program) -> None:
    """Raise SpecError P736 for an output of a budget that the model does not have."""
    unknown = [name for name in budget.outputs if name not in program.outputs]
    if unknown:
        hint = did_you_mean(unknown[0], program.outputs) or f"the outputs are {', '.join(program.outputs)}"
        message = f"the budget is for '{unknown[0]}', which is no output of the model"
        raise SpecError(Diagnostic("P736", message, budget.span, hint))


def held_rows(rows: Sequence[BudgetRow], budget: Budget) -> list[BudgetRow]:
    """Return the rows of outputs that the budget is for."""
    return [row for row in rows if budget.holds(row.output)]


def worst_row(rows: Sequence[BudgetRow], budget: Budget) -> BudgetRow:
    """Return the row that uses most of the budget."""
    return max(held_rows(rows, budget), key=lambda row: row.error.used(budget))


def component_errors_of(
    under_test: ModelUnderTest, reference: Reference, feeds: Mapping[str, Array], formats: Mapping[str, Sequence[str]]
) -> tuple[ComponentError, ...]:
    """Return the error of every component in `formats`, by path, on the module's values; the largest error first."""
    program = under_test.program
    values = run_eager(reference.single, feeds, program, keep=frozenset(program.types)).values
    errors = [
        ComponentError(call.path, call.component.op, call.span, tuple(formats[call.path]), error)
        for call in program.calls
        if call.path in formats and (error := _component_error(under_test, call, values)) is not None
    ]
    return tuple(sorted(errors, key=lambda each: -each.error.relative))


def _component_error(under_test: ModelUnderTest, call: Call, values: Values) -> OutputError | None:
    """Return the largest error of any output of the call; None if it returns nothing of its own."""
    subgraph = ComponentSubgraph.of(under_test, call)
    results = subgraph.fault or subgraph.run(values)
    if isinstance(results, str):
        raise AssertionError(f"'{call.path}' of the reduced file {results}")
    errors = [output_error(results[tensor], values[value].numpy()) for value, tensor in subgraph.outputs]
    return max(errors, key=lambda error: error.relative, default=None)


def first_draw(draws: Sequence[Draw], data: Sequence[Draw]) -> Draw:
    """Return the draw that components are judged at: the user's first batch, or else random values at primes."""
    return data[0] if data else cheap_draw(draws)
