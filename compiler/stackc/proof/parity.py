"""The proof: run the ONNX file against the eager module, in float32 and float64.

Requires a program, its reference and the file that was linked from the program; ensures that every output of the file
is within its tolerance at every point of the dims contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from stackc.components.custom.foreign_errors import RAISED
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.types import TensorType
from stackc.core.value_range import ValueRange
from stackc.export.link import LinkedGraph
from stackc.ir.program import Program
from stackc.proof.advice import RANDOM, Advice, changed_buffer, is_custom
from stackc.proof.blame import (
    eager_failure,
    failing_components,
    interface_failure,
    parity_failure,
    producer_span,
    tensor_errors,
    with_assumptions,
)
from stackc.proof.component_batch import cheap_draw, prove_together
from stackc.proof.component_subgraph import ModelUnderTest
from stackc.proof.components import Draw, Reference, prove_components
from stackc.proof.eager import ForwardPass, run_call, run_eager
from stackc.proof.file_tensors import FileTensors, compare_tensors
from stackc.proof.jitter import model_spread
from stackc.proof.jittered_parameters import JitteredModel, jitter_constants, jittered_point
from stackc.proof.points import draws, is_cheap
from stackc.proof.report import ComponentRow, Parity, ParityRow, Vectors
from stackc.proof.sections import Sections, choosing_calls
from stackc.proof.shapes import interface_problems, shape_problem
from stackc.proof.size_proof import prove_sizes
from stackc.proof.stamped_model import StampedModel
from stackc.proof.tolerance import CROWD, WORDS, Verdict, beyond_pytorch, judge, largest_finite
from stackc.proof.undefined import undefined_failures
from stackc.proof.value_draws import is_extreme
from stackc.runtime import Array, Session

BOUND = 8.0
"""How many times the largest distance of one jittered pass that of eight surely stays below, among many numbers."""


def prove(
    program: Program,
    reference: Reference,
    session: Session,
    model: Path,
    ranges: Mapping[str, ValueRange],
    *,
    linked: LinkedGraph | None = None,
    nonfinite: Mapping[str, Set[str]] | None = None,
    seed: int = 0,
    threads: int | None = None,
    per_component: bool = False,
    thorough: bool = False,
    first_failure: bool = False,
) -> Parity:
    """Run the reference and the file at every point of the contract; `session` is the file `model`, opened with
    `threads`, and `linked` what it was written from: without it the tensors of the file are not compared with those of
    the module. `nonfinite` has those of "nan", "inf" and "-inf" that each output is meant to hold. `first_failure`
    leaves out what comes after the first draw at which an output fails.

    Raises SpecError: P701 if an output, a component on its own, or a tensor of the file is too far off, at the line of
    the component at fault; P702 if the inputs or outputs of the file are not those of the spec, P704 if one of their
    dims has become a number; P703 if the module changes its own state in eval mode; P705 if the module fails in
    PyTorch; P706 if an output is not finite in float64, at the component where that begins.
    """
    under_test = ModelUnderTest(StampedModel.load(model, program), session.provider, threads)
    all_draws: list[Draw] = list(draws(program, ranges, seed=seed, thorough=thorough))
    _require_interface(under_test, reference, session, all_draws)
    advice = Advice(program, ranges, session.provider)

    sections = Sections.of(under_test, session)
    try:
        parity, all_draws = _prove_outputs(sections, reference, all_draws, nonfinite or {}, first_failure=first_failure)
        _require_unchanged(program, reference, cheap_draw(all_draws))

        tensors = compare_tensors(under_test.stamped, linked, reference.module) if linked else FileTensors(0, ())
        components = _prove_by_component(under_test, reference, all_draws, parity, per_component)
        parity = replace(
            parity,
            rows=(*parity.rows, *_choice_rows(sections, components)),
            components=components,
            tensors=tensors.compared,
        )
        _require_passed(under_test, reference, all_draws, parity, tensors, advice)

        if linked and (jittered := jitter_constants(under_test, reference, linked)):
            parity = _prove_jittered(jittered, cheap_draw(all_draws), parity, nonfinite or {}, advice)
        return prove_sizes(
            under_test, reference, parity, ranges, seed=seed, thorough=thorough, first_failure=first_failure
        )
    except SpecError as error:
        raise with_assumptions(error, ranges) from error


def _prove_jittered(
    model: JitteredModel, draw: Draw, parity: Parity, nonfinite: Mapping[str, Set[str]], advice: Advice
) -> Parity:
    """Judge the outputs, and the components with jittered parameters, at one point; return the parity with these rows.

    Numbers that PyTorch itself cannot compute there are left out. Raises SpecError (P701).
    """
    under_test, reference = model.under_test, model.reference
    draw = (jittered_point(draw[0]), draw[1])
    every_value = frozenset(under_test.program.types)
    try:
        single = run_eager(reference.single, draw[1], under_test.program, keep=every_value)
        components = prove_together(under_test, reference, draw, model.calls, single.values)
        rows, _ = _prove_point(Sections.of(under_test, None), reference, draw, nonfinite, single)
    except RAISED:
        return parity  # the module itself refuses such parameters

    rows = [row for row in rows if not beyond_pytorch(row.verdict)]
    components = tuple(row for row in components if not beyond_pytorch(row.verdict))
    differing = [row for row in rows if row.verdict.problem]
    failing = tuple(row for row in components if row.verdict.problem)
    if differing or failing:
        failing = failing or failing_components(under_test, reference, [draw], draw)
        raise parity_failure(advice, differing, failing, FileTensors(0, ()))
    return replace(parity, rows=(*parity.rows, *rows), components=(*parity.components, *components))


def _prove_by_component(
    under_test: ModelUnderTest, reference: Reference, all_draws: Sequence[Draw], parity: Parity, per_component: bool
) -> tuple[ComponentRow, ...]:
    """Judge by themselves the components that are asked for, and those that decide about the model."""
    program = under_test.program
    if per_component:
        return prove_components(under_test, reference, all_draws, calls=program.calls, inherited=True)

    # a discrete choice is proven in the component that makes it
    rows: tuple[ComponentRow, ...] = ()
    if calls := choosing_calls(program):
        rows = prove_components(under_test, reference, all_draws, calls=calls, inherited=False)

    # every other component is judged by itself at one point, and where float32 does not determine an output; if an
    # output is wrong already, it is looked for at the points that show it
    if parity.failures:
        return rows
    others = tuple(call for call in program.calls if call not in calls)
    undetermined = {str(row.point) for row in parity.rows if row.verdict.determined is not None}
    cheap = cheap_draw(all_draws)
    for draw in all_draws:
        if draw is cheap or str(draw[0]) in undetermined:
            rows += prove_together(under_test, reference, draw, others)
    return rows


def _require_passed(
    under_test: ModelUnderTest,
    reference: Reference,
    all_draws: Sequence[Draw],
    parity: Parity,
    tensors: FileTensors,
    advice: Advice,
) -> None:
    """Raise SpecError with P706 for outputs that are not finite in float64, and P701 for those that are too far off."""
    program, failures = under_test.program, parity.failures
    undefined = [row for row in failures if row.verdict.undefined]
    differing = [row for row in failures if not row.verdict.undefined]
    failing: Sequence[ComponentRow] = [row for row in parity.components if row.verdict.problem]

    diagnostics = undefined_failures(program, reference, undefined, all_draws) if undefined else []
    if differing or failing:
        failed_points = [str(row.point) for row in differing]
        failed = [(point, feeds) for point, feeds in all_draws if str(point) in failed_points]
        failing = failing or failing_components(under_test, reference, failed, cheap_draw(all_draws))
        diagnostics += parity_failure(advice, differing, failing, tensors).diagnostics
    elif tensors.problems:
        diagnostics += tensor_errors(tensors.problems)
    if diagnostics:
        raise SpecError(*diagnostics)


def _require_interface(
    under_test: ModelUnderTest, reference: Reference, session: Session, all_draws: Sequence[Draw]
) -> None:
    """Compare names, types and shapes. Raises SpecError (P702, P704)."""
    problems = list(interface_problems(under_test.program, session))
    if not problems:
        return
    frozen = any(problem.code == "P704" for problem in problems)
    failing = failing_components(under_test, reference, all_draws[:1], all_draws[0]) if frozen else ()
    raise interface_failure(under_test.program, problems, failing)


def _prove_outputs(
    sections: Sections,
    reference: Reference,
    all_draws: Sequence[Draw],
    nonfinite: Mapping[str, Set[str]],
    *,
    first_failure: bool,
) -> tuple[Parity, list[Draw]]:
    """Judge every output at every point, or up to the first failure; the draws at the primes give the test vectors.

    Returns the draws that were judged as well: all but extreme ones at which the module raises an exception.
    """
    rows: list[ParityRow] = []
    judged: list[Draw] = []
    vectors: dict[str, Vectors] = {}
    ordinary: dict[str, float] = {}
    for point, feeds in all_draws:
        try:
            point_rows, outputs = _prove_point(sections, reference, (point, feeds), nonfinite, ordinary=ordinary)
        except SpecError:
            if is_extreme(point.draw):
                continue  # no spec asked for these numbers
            raise
        judged.append((point, feeds))
        rows += point_rows
        if first_failure and any(row.verdict.problem for row in point_rows):
            vectors.setdefault(point.draw, (feeds, outputs))
            break
        if not is_extreme(point.draw):  # extreme draws come after all others
            ordinary |= {name: max(ordinary.get(name, 0.0), largest_finite(x)) for name, x in outputs.items()}
        if point.draw not in vectors or point.name == "prime":
            vectors[point.draw] = feeds, outputs

    # without masks, all draws of one kind are alike
    masked = {draw: vectors[draw] for draw in ("full", "empty") if "empty" in vectors}
    main = vectors["random"] if "random" in vectors else next(iter(vectors.values()))
    return Parity(tuple(rows), (), *main, masked=masked), judged


def _prove_point(
    sections: Sections,
    reference: Reference,
    draw: Draw,
    nonfinite: Mapping[str, Set[str]],
    single: ForwardPass | None = None,
    *,
    ordinary: Mapping[str, float] | None = None,
) -> tuple[list[ParityRow], Mapping[str, Array]]:
    """Return a row for each value that is judged at one point, and PyTorch's outputs there.

    `single` is the pass in float32 with every value, if there has been one. `ordinary` has the largest numbers of
    outputs at draws that are not extreme.
    """
    program, judged = sections.stamped.program, sections.judged
    point, feeds = draw
    keep = sections.choices.union(value for name, value in judged.items() if name not in program.outputs)
    try:
        single = single or run_eager(reference.single, feeds, program, keep=keep)
    except RAISED as error:
        raise eager_failure(program, reference.single, point, feeds, error) from error

    # the float64 module and the file both continue with the choices that the float32 module made
    choices = {name: single.values[name] for name in sections.choices}
    truth = run_eager(reference.double, feeds, program, torch.float64, keep=keep, substitutes=choices)
    results = sections.run(feeds, {name: choice.numpy() for name, choice in choices.items()})

    def verdicts(spreads: Mapping[str, Array]) -> dict[str, Verdict]:
        verdicts = {}
        for name, value in judged.items():
            meant = nonfinite.get(name, frozenset()) if name in program.outputs else frozenset(WORDS)
            arrays = single.named(name, value), truth.named(name, value)
            extreme = is_extreme(point.draw)
            scale = (ordinary or {}).get(name, 0.0) if extreme else 0.0
            verdicts[name] = _judge(
                results, name, *arrays, program.types[value], meant, spreads.get(name), extreme=extreme, ordinary=scale
            )
        return verdicts

    # the spread costs nine passes: it is measured where it may decide, and for the smallest sizes and the test vectors
    # if it is cheap, since other machines round differently
    judgement = verdicts({})
    always = (point.name, point.draw) in (("smallest", "full"), ("prime", "random")) and is_cheap(program, point)
    if always or any(verdict.too_far for verdict in judgement.values()):
        spread = partial(model_spread, reference.double, feeds, program, judged, choices)
        beyond = None if is_cheap(program, point) else _beyond_spread(verdicts, spread)
        judgement = beyond or verdicts(spread())

    rows = [ParityRow(name, point, v, str(producer_span(program, name) or "")) for name, v in judgement.items()]
    return rows, single.outputs


def _beyond_spread(
    verdicts: Callable[[Mapping[str, Array]], dict[str, Verdict]], spread: Callable[..., Mapping[str, Array]]
) -> dict[str, Verdict] | None:
    """Return the verdicts with an upper bound of the spread, from one jittered pass, if a value is too far off even so.

    None if more passes may explain the distances: large sizes would make a proof that fails wait for all of them.
    """
    bound = {name: BOUND * array for name, array in spread(passes=1).items()}
    judgement = verdicts(bound)
    hopeless = any(verdict.too_far and bound[name].size >= CROWD for name, verdict in judgement.items())
    return judgement if hopeless else None


def _judge(
    results: Mapping[str, Array] | str,
    name: str,
    single: Array,
    truth: Array,
    type: TensorType,
    meant: Set[str],
    spread: Array | None,
    *,
    extreme: bool,
    ordinary: float,
) -> Verdict:
    if isinstance(results, str):
        return Verdict.wrong(results)
    problem = shape_problem(results[name].shape, single.shape, type)
    if problem:
        return Verdict.wrong(problem)
    return judge(results[name], single, truth, meant, spread, extreme=extreme, ordinary=ordinary)


def _choice_rows(sections: Sections, components: Sequence[ComponentRow]) -> list[ParityRow]:
    """Return the rows of outputs that are choices, which the component that makes them has proven."""
    outputs = sections.stamped.program.outputs.items()
    return [
        ParityRow(name, row.point, row.verdict, str(row.span))
        for name, value in outputs
        for row in components
        if row.value == value and value in sections.choices
    ]


def _require_unchanged(program: Program, reference: Reference, draw: Draw) -> None:
    """Raise SpecError (P703) if the module has changed its buffers, or computes other numbers when it runs again."""
    state = dict(reference.single.named_buffers())
    owners = {name: call for call in program.calls for name in call.buffers.values()}
    for name, tensor in reference.module.named_buffers():
        if not torch.equal(tensor, state[name]) and not tensor.isnan().any():
            message = f"running the module in eval mode changes '{name}', which no ONNX file can do"
            owner = owners.get(name)
            raise SpecError(Diagnostic("P703", message, owner.span if owner else None, changed_buffer(owner)))

    # components of stackc are the same whenever they run
    custom = [call for call in program.calls if is_custom(call.component)]
    if not custom:
        return
    single, every_value = reference.single, frozenset(program.types)
    values = run_eager(single, draw[1], program, keep=every_value).values
    for call in custom:
        first, second = (run_call(single, call, values, torch.float32) for _ in range(2))
        if not all(torch.allclose(a, b, rtol=1e-3, equal_nan=True) for a, b in zip(first, second, strict=True)):
            message = (
                f"'{call.path}' ({call.component.op}) computes other numbers when it runs again on the same inputs"
            )
            raise SpecError(Diagnostic("P703", f"{message}, which no ONNX file can do", call.span, RANDOM))
