"""Report a failed proof at the component that introduces the error, by its line of the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

import torch
from torch import nn

from stackc.components.custom.foreign_errors import RAISED
from stackc.components.custom.foreign_errors import describe as describe_error
from stackc.core.diagnostics import Diagnostic, Note, Span, SpecError
from stackc.core.value_range import ValueRange
from stackc.ir.program import Program
from stackc.proof.advice import REPORT, Advice, failing_module, frozen_dim
from stackc.proof.component_batch import prove_together
from stackc.proof.component_subgraph import ModelUnderTest
from stackc.proof.components import Draw, Reference, prove_components
from stackc.proof.eager import run_call, tensor_of
from stackc.proof.failing_inputs import remedy
from stackc.proof.file_tensors import FileTensors, TensorProblem
from stackc.proof.points import Point
from stackc.proof.report import ComponentRow, ParityRow
from stackc.proof.value_draws import is_extreme
from stackc.runtime import Array

MOST_LINES = 12
"""Lines of the spec that are reported at most: the errors of a large model repeat each other."""


def failing_components(
    under_test: ModelUnderTest, reference: Reference, draws: Iterable[Draw], ordinary: Draw
) -> tuple[ComponentRow, ...]:
    """Return the rows of the components that fail on their own, at the first draw that has any.

    At an extreme draw, an output counts as large as it is at the `ordinary` one.
    """
    calls, tried = under_test.program.calls, list(draws)
    together = (prove_together(under_test, reference, draw, calls) for draw in tried if not is_extreme(draw[0].draw))
    one_by_one = (
        prove_components(
            under_test,
            reference,
            [ordinary, draw] if is_extreme(draw[0].draw) else [draw],
            calls=calls,
            inherited=False,
        )
        for draw in tried
    )
    for rows in chain(together, one_by_one):
        if failing := tuple(row for row in rows if row.verdict.problem):
            return failing
    return ()


def parity_failure(
    advice: Advice, failed: Sequence[ParityRow], failing: Sequence[ComponentRow], tensors: FileTensors
) -> SpecError:
    """Return a P701 for each line of the spec with a failing component, and each wrong tensor of other components; or
    for each output if no component fails alone."""
    program, first_rows = advice.program, _first_of_each_output(failed)
    notes = tuple(
        Note(f"it shows in the output '{row.output}': at {row.point} it {row.verdict.problem}", span)
        for row in first_rows
        if (span := producer_span(program, row.output))
    )
    explained = {problem.tensor for row in failing for problem in tensors.of_component(row.path)}
    others = [problem for problem in tensors.problems if problem.tensor not in explained]
    if failing or others:
        errors = component_errors([_with_tensors(row, tensors) for row in failing], advice, notes)
        return SpecError(*errors, *tensor_errors(others, () if failing else notes))

    hint = advice.of_outputs()
    return SpecError(
        *(Diagnostic("P701", _output_problem(row), producer_span(program, row.output), hint) for row in first_rows)
    )


def _with_tensors(row: ComponentRow, tensors: FileTensors) -> ComponentRow:
    """Return the row of a failing component with the first of its tensors that is wrong in its problem."""
    problems = tensors.of_component(row.path)
    if not problems:
        return row
    return replace(row, verdict=replace(row.verdict, problem=f"{row.verdict.problem}; {problems[0].remark}"))


def tensor_errors(problems: Sequence[TensorProblem], notes: tuple[Note, ...] = ()) -> list[Diagnostic]:
    """Return a P701 for each wrong tensor of the file, at most `MOST_LINES`."""
    return [problem.diagnostic(notes) for problem in problems[:MOST_LINES]]


def interface_failure(program: Program, problems: Sequence[Diagnostic], failing: Sequence[ComponentRow]) -> SpecError:
    """Return each P702 unchanged, and each P704 at the components that freeze the dims, if any does so on its own."""
    components = {call.path: call.component for call in program.calls}
    frozen = [problem for problem in problems if problem.code == "P704"]
    if not frozen or not failing:
        return SpecError(*problems)

    rest = [problem for problem in problems if problem.code != "P704"]
    dims = "; ".join(problem.message for problem in frozen)
    first_of_line = {row.span: row for row in reversed(failing)}
    return SpecError(
        *rest,
        *(
            Diagnostic("P704", f"{dims}, by '{row.path}' ({row.op})", row.span, frozen_dim(components[row.path]))
            for row in first_of_line.values()
        ),
    )


def eager_failure(
    program: Program, module: nn.Module, point: Point, feeds: Mapping[str, Array], error: BaseException
) -> SpecError:
    """Return a P705 at the component that fails on these inputs, after the whole module has raised `error` on them."""
    values = {name: tensor_of(x) for name, x in feeds.items()}
    for call in program.calls:
        try:
            values |= zip(call.outputs, run_call(module, call, values, torch.float32), strict=True)
        except RAISED as cause:
            message = f"'{call.path}' ({call.component.op}) fails at {point}, in PyTorch: {describe_error(cause)}"
            hint = remedy(program, module, point.sizes, feeds) or failing_module(call.component)
            return SpecError(Diagnostic("P705", message, call.span, hint))

    # every component ran on its own: nothing but the whole module fails
    message = f"the module fails at {point}, in PyTorch: {describe_error(error)}"
    return SpecError(Diagnostic("P705", message, hint=REPORT))


def with_assumptions(error: SpecError, ranges: Mapping[str, ValueRange]) -> SpecError:
    """Add what was assumed of inputs to the help of every P705 and P706: a range may be all that is missing."""
    assumptions = [allowed.assumption for allowed in ranges.values() if allowed.assumption]
    if not assumptions:
        return error
    return SpecError(
        *(
            replace(each, hint="; ".join([*assumptions, *([each.hint] if each.hint else [])]))
            if each.code in ("P705", "P706")
            else each
            for each in error.diagnostics
        )
    )


def component_errors(failing: Iterable[ComponentRow], advice: Advice, notes: tuple[Note, ...] = ()) -> list[Diagnostic]:
    """Return a P701 for each line of the spec, in running order, that names the first component of the line to fail."""
    rows_of_line: dict[Span, dict[str, ComponentRow]] = {}
    for row in failing:
        rows_of_line.setdefault(row.span, {}).setdefault(row.path, row)

    diagnostics = []
    for span, rows in list(rows_of_line.items())[:MOST_LINES]:
        first = next(iter(rows.values()))
        message = f"'{first.path}' ({first.op}) differs from PyTorch: at {first.point} it {first.verdict.problem}"
        others = [path for path in rows if path != first.path]
        so_do = f"so {'does' if len(others) == 1 else 'do'} {_listed(others)}; " if others else ""
        hint = f"{so_do}{advice.of_component(first)}"
        diagnostics.append(Diagnostic("P701", message, span, hint, notes))
    return diagnostics


def producer_span(program: Program, output: str) -> Span | None:
    """Return the span of the component that computes an output; None for an input that is passed on."""
    value = program.outputs.get(output, output)
    return next((call.span for call in program.calls if value in call.outputs), None)


def _output_problem(row: ParityRow) -> str:
    return f"the output '{row.output}' differs from PyTorch: at {row.point} it {row.verdict.problem}"


def _first_of_each_output(rows: Iterable[ParityRow]) -> list[ParityRow]:
    first: dict[str, ParityRow] = {}
    for row in rows:
        first.setdefault(row.output, row)
    return list(first.values())


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more
