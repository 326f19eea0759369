"""A proof that failed, told by where the error is introduced: the component, by the line of the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from stackc.components.custom.foreign_errors import RAISED
from stackc.components.custom.foreign_errors import describe as told_of
from stackc.core.diagnostics import Diagnostic, Note, Span, SpecError
from stackc.ir.program import Program
from stackc.proof.component_subgraph import ModelUnderTest
from stackc.proof.components import Draw, Reference, prove_components
from stackc.proof.eager import run_call
from stackc.proof.points import Point
from stackc.proof.report import ComponentRow, ParityRow
from stackc.runtime import Array

MOST_LINES = 12


def failing_components(
    subject: ModelUnderTest, reference: Reference, draws: Iterable[Draw]
) -> tuple[ComponentRow, ...]:
    """The rows of the components that are wrong by themselves, at the first of the draws that shows any."""
    for draw in draws:
        rows = prove_components(subject, reference, [draw], calls=subject.program.calls, inherited=False)
        if wrong := tuple(row for row in rows if row.verdict.problem):
            return wrong
    return ()


def parity_failure(program: Program, failed: Sequence[ParityRow], failing: Sequence[ComponentRow]) -> SpecError:
    """P701 for every line of the spec whose components are at fault; where none is by itself, for every output."""
    shown = tuple(Note(f"it shows in {describe(row)}", span) for row in _once(failed)
                  if (span := maker_of(program, row.output)))  # fmt: skip
    if failing:
        return SpecError(*component_errors(failing, shown))
    hint = (
        "by itself every component is as exact as it has to be: ONNX Runtime joins nodes across them, or errors add up"
    )
    return SpecError(*(Diagnostic("P701", describe(row), maker_of(program, row.output), hint) for row in _once(failed)))


def interface_failure(problems: Sequence[Diagnostic], failing: Sequence[ComponentRow]) -> SpecError:
    """P702 as it is, and P704 at the components that freeze the dims, if any does by itself."""
    frozen = [problem for problem in problems if problem.code == "P704"]
    if not frozen or not failing:
        return SpecError(*problems)
    rest = [problem for problem in problems if problem.code != "P704"]
    said = "; ".join(problem.message for problem in frozen)
    first = {row.span: row for row in reversed(failing)}
    return SpecError(
        *rest, *(Diagnostic("P704", f"{said}, by '{row.path}' ({row.op})", row.span) for row in first.values())
    )


def eager_failure(
    program: Program, module: nn.Module, point: Point, feeds: Mapping[str, Array], error: BaseException
) -> SpecError:
    """P705 at the component that cannot be run on these inputs, where the module was run and has raised `error`."""
    values = {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in feeds.items()}
    for call in program.calls:
        try:
            values |= zip(call.outputs, run_call(module, call, values, torch.float32), strict=True)
        except RAISED as cause:
            message = f"'{call.path}' ({call.component.op}) fails at {point}, in PyTorch: {told_of(cause)}"
            hint = "inputs are drawn as the spec declares them: `below` and `values` say what whole numbers may be"
            return SpecError(Diagnostic("P705", message, call.span, hint))
    return SpecError(Diagnostic("P705", f"the module fails at {point}, in PyTorch: {told_of(error)}"))


def component_errors(failing: Iterable[ComponentRow], notes: tuple[Note, ...]) -> list[Diagnostic]:
    """A diagnostic for every line of the spec, in running order, with the first component that it makes wrong."""
    lines: dict[Span, dict[str, ComponentRow]] = {}
    for row in failing:
        lines.setdefault(row.span, {}).setdefault(row.path, row)
    found = []
    for span, rows in list(lines.items())[:MOST_LINES]:
        first = next(iter(rows.values()))
        message = (
            f"'{first.path}' ({first.op}) is not what PyTorch makes of it: at {first.point} it {first.verdict.problem}"
        )
        others = [path for path in rows if path != first.path]
        hint = f"the same is true of {_listed(others)}" if others else None
        found.append(Diagnostic("P701", message, span, hint, notes))
    return found


def describe(row: ParityRow) -> str:
    """What is wrong with an output, in words."""
    return f"the output '{row.output}', which at {row.point} {row.verdict.problem}"


def maker_of(program: Program, output: str) -> Span | None:
    """The place in the spec of the component that makes an output; None for an input that is passed on."""
    value = program.outputs.get(output, output)
    return next((call.span for call in program.calls if value in call.outputs), None)


def _once(rows: Iterable[ParityRow]) -> list[ParityRow]:
    """The first row of every output."""
    first: dict[str, ParityRow] = {}
    for row in rows:
        first.setdefault(row.output, row)
    return list(first.values())


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more
