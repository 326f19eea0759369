"""The proof: the eager module, in float32 and float64, against the ONNX file as it ships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from stackc.components.custom.foreign_errors import RAISED
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.types import TensorType, ValueRange
from stackc.ir.program import Program
from stackc.proof.blame import eager_failure, failing_components, interface_failure, maker_of, parity_failure
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
    """Run the reference and the file at every point of the contract; `session` is the file `model`, open with
    `threads`.

    Raises SpecError: P701 where an output, or a component by itself, is too far off, by the line of the component at
    fault; P702 where the file takes or gives other things than the spec says, P704 where a dim of them has become a
    number; P703 where the module changes its own state in eval mode.
    """
    subject = ModelUnderTest(StampedModel.load(model, program), session.provider, threads)
    scenes = list(draws(program, ranges, seed=seed))
    if problems := list(interface_problems(program, session)):
        frozen = any(problem.code == "P704" for problem in problems)
        raise interface_failure(problems, failing_components(subject, reference, scenes[:1]) if frozen else ())
    sections = Sections.of(subject, session)
    parity = _outputs(sections, reference, scenes)
    _require_unchanged(reference)
    calls = program.calls if per_component else choosing_calls(program)
    components = prove_components(subject, reference, scenes, calls=calls, inherited=per_component) if calls else ()
    parity = replace(parity, rows=(*parity.rows, *_choices(sections, components)), components=components)
    failing = [row for row in components if row.verdict.problem]
    if parity.failures or failing:
        wrong = [str(row.point) for row in parity.failures]
        failed = [draw for draw in scenes if str(draw[0]) in wrong]
        raise parity_failure(program, parity.failures, failing or failing_components(subject, reference, failed))
    return parity


def _outputs(sections: Sections, reference: Reference, scenes: Sequence[Draw]) -> Parity:
    """A row for all that is judged, point by point; the first draw at the primes gives the test vectors."""
    program, judged = sections.shipped.program, sections.judged
    rows: list[ParityRow] = []
    vectors: tuple[Mapping[str, Array], Mapping[str, Array]] | None = None
    keep = sections.choices.union(value for name, value in judged.items() if name not in program.outputs)
    for point, feeds in scenes:
        try:
            single = run_eager(reference.single, feeds, program, keep=keep)
        except RAISED as error:
            raise eager_failure(program, reference.single, point, feeds, error) from error
        chosen = {name: single.values[name] for name in sections.choices}
        truth = run_eager(reference.double, feeds, program, torch.float64, keep=keep, given=chosen)
        made = sections.run(feeds, {name: choice.numpy() for name, choice in chosen.items()})
        for name, value in judged.items():
            verdict = _verdict(made, name, single.named(name, value), truth.named(name, value), program.types[value])
            rows.append(ParityRow(name, point, verdict, str(maker_of(program, name) or "")))
        if vectors is None or (point.name, point.draw) == ("prime", "random"):
            vectors = feeds, single.outputs
    assert vectors is not None, "every contract has a point"
    return Parity(tuple(rows), (), *vectors)


def _verdict(made: Mapping[str, Array] | str, name: str, single: Array, truth: Array, type: TensorType) -> Verdict:
    if isinstance(made, str):
        return Verdict.wrong(made)
    problem = shape_problem(made[name].shape, single.shape, type)
    return Verdict.wrong(problem) if problem else judge(made[name], single, truth)


def _choices(sections: Sections, components: Sequence[ComponentRow]) -> list[ParityRow]:
    """The outputs that are choices: proven where they are made."""
    outputs = sections.shipped.program.outputs.items()
    return [
        ParityRow(name, row.point, row.verdict, str(row.span))
        for name, value in outputs
        for row in components
        if row.value == value and value in sections.choices
    ]


def _require_unchanged(reference: Reference) -> None:
    state = dict(reference.single.named_buffers())
    for name, tensor in reference.module.named_buffers():
        if not torch.equal(tensor, state[name]) and not tensor.isnan().any():
            message = f"running the module in eval mode changes '{name}', which no ONNX file can do"
            raise SpecError(Diagnostic("P703", message))
