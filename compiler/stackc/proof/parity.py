"""The proof: run the ONNX file against the eager module, in float32 and float64.

Requires a program, its reference and the file that was linked from the program; ensures that every output of the file
is within its tolerance at every point of the dims contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from stackc.components.custom.foreign_errors import RAISED
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.types import TensorType, ValueRange
from stackc.ir.program import Program
from stackc.proof.blame import eager_failure, failing_components, interface_failure, parity_failure, producer_span
from stackc.proof.component_subgraph import ModelUnderTest
from stackc.proof.components import Draw, Reference, prove_components
from stackc.proof.eager import run_eager
from stackc.proof.points import draws
from stackc.proof.report import ComponentRow, Parity, ParityRow
from stackc.proof.sections import Sections, choosing_calls
from stackc.proof.shapes import interface_problems, shape_problem
from stackc.proof.stamped_model import StampedModel
from stackc.proof.tolerance import Verdict, judge
from stackc.runtime import Array, Session


def prove(
    program: Program,
    reference: Reference,
    session: Session,
    model: Path,
    ranges: Mapping[str, ValueRange],
    *,
    seed: int = 0,
    threads: int | None = None,
    per_component: bool = False,
) -> Parity:
    """Run the reference and the file at every point of the contract; `session` is the file `model`, opened with
    `threads`.

    Raises SpecError: P701 if an output, or a component on its own, is too far off, at the line of the component at
    fault; P702 if the inputs or outputs of the file are not those of the spec, P704 if one of their dims has become a
    number; P703 if the module changes its own state in eval mode; P705 if the module fails in PyTorch.
    """
    under_test = ModelUnderTest(StampedModel.load(model, program), session.provider, threads)
    all_draws = list(draws(program, ranges, seed=seed))
    _require_interface(under_test, reference, session, all_draws)

    sections = Sections.of(under_test, session)
    parity = _prove_outputs(sections, reference, all_draws)
    _require_unchanged(reference)

    # a discrete choice is proven in the component that makes it, whether or not all components are asked for
    calls = program.calls if per_component else choosing_calls(program)
    components = (
        prove_components(under_test, reference, all_draws, calls=calls, inherited=per_component) if calls else ()
    )
    parity = replace(parity, rows=(*parity.rows, *_choice_rows(sections, components)), components=components)

    failing = [row for row in components if row.verdict.problem]
    if parity.failures or failing:
        failed_points = [str(row.point) for row in parity.failures]
        failed = [(point, feeds) for point, feeds in all_draws if str(point) in failed_points]
        raise parity_failure(program, parity.failures, failing or failing_components(under_test, reference, failed))
    return parity


def _require_interface(
    under_test: ModelUnderTest, reference: Reference, session: Session, all_draws: Sequence[Draw]
) -> None:
    """Compare names, types and shapes. Raises SpecError (P702, P704)."""
    problems = list(interface_problems(under_test.program, session))
    if not problems:
        return
    frozen = any(problem.code == "P704" for problem in problems)
    failing = failing_components(under_test, reference, all_draws[:1]) if frozen else ()
    raise interface_failure(problems, failing)


def _prove_outputs(sections: Sections, reference: Reference, all_draws: Sequence[Draw]) -> Parity:
    """Judge every output at every point; the random draw at the primes gives the test vectors."""
    rows: list[ParityRow] = []
    vectors: tuple[Mapping[str, Array], Mapping[str, Array]] | None = None
    for point, feeds in all_draws:
        point_rows, outputs = _prove_point(sections, reference, (point, feeds))
        rows += point_rows
        if vectors is None or (point.name, point.draw) == ("prime", "random"):
            vectors = feeds, outputs

    assert vectors is not None, "every contract has a point"
    return Parity(tuple(rows), (), *vectors)


def _prove_point(sections: Sections, reference: Reference, draw: Draw) -> tuple[list[ParityRow], Mapping[str, Array]]:
    """Return a row for each value that is judged at one point, and PyTorch's outputs there."""
    program, judged = sections.stamped.program, sections.judged
    point, feeds = draw
    keep = sections.choices.union(value for name, value in judged.items() if name not in program.outputs)
    try:
        single = run_eager(reference.single, feeds, program, keep=keep)
    except RAISED as error:
        raise eager_failure(program, reference.single, point, feeds, error) from error

    # the float64 module and the file both continue with the choices that the float32 module made
    choices = {name: single.values[name] for name in sections.choices}
    truth = run_eager(reference.double, feeds, program, torch.float64, keep=keep, substitutes=choices)
    results = sections.run(feeds, {name: choice.numpy() for name, choice in choices.items()})

    rows = []
    for name, value in judged.items():
        verdict = _judge(results, name, single.named(name, value), truth.named(name, value), program.types[value])
        rows.append(ParityRow(name, point, verdict, str(producer_span(program, name) or "")))
    return rows, single.outputs


def _judge(results: Mapping[str, Array] | str, name: str, single: Array, truth: Array, type: TensorType) -> Verdict:
    if isinstance(results, str):
        return Verdict.wrong(results)
    problem = shape_problem(results[name].shape, single.shape, type)
    return Verdict.wrong(problem) if problem else judge(results[name], single, truth)


def _choice_rows(sections: Sections, components: Sequence[ComponentRow]) -> list[ParityRow]:
    """Return the rows of outputs that are choices, which the component that makes them has proven."""
    outputs = sections.stamped.program.outputs.items()
    return [
        ParityRow(name, row.point, row.verdict, str(row.span))
        for name, value in outputs
        for row in components
        if row.value == value and value in sections.choices
    ]


def _require_unchanged(reference: Reference) -> None:
    """Compare the buffers of the copy that was run with those of the module. Raises SpecError (P703)."""
    state = dict(reference.single.named_buffers())
    for name, tensor in reference.module.named_buffers():
        if not torch.equal(tensor, state[name]) and not tensor.isnan().any():
            message = f"running the module in eval mode changes '{name}', which no ONNX file can do"
            raise SpecError(Diagnostic("P703", message))
