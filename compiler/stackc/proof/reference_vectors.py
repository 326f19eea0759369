"""Hold a module to numbers that were recorded from the original model.

The proof says that the ONNX file computes what the spec says; only recorded numbers say that the spec computes what the
original does. A file of them is an .npz with `input.NAME` for every input and `output.NAME` for outputs, or for values
inside the model by their paths (`output.encoder.0`); several recordings have labels, `first/input.x`. What was recorded
is judged as an output of ONNX Runtime is (tolerance.py): as float32 leaves it open, with the module as the truth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from stackc.core.diagnostics import Collector, Diagnostic, Span, SpecError, did_you_mean
from stackc.core.plurals import counted
from stackc.core.progress import Progress
from stackc.frontend import Checked
from stackc.ir.program import Program
from stackc.proof.blame import producer_span
from stackc.proof.components import Reference
from stackc.proof.eager import run_eager
from stackc.proof.jitter import model_spread
from stackc.proof.report import ReferenceRow
from stackc.proof.tolerance import WORDS, Verdict, judge, largest_difference
from stackc.runtime import Array, ValueInfo, check_feeds, read_npz
from stackc.spec.document import Document

_KEY = re.compile(r"(?:(?P<case>[^/]+)/)?(?P<side>input|output)\.(?P<name>.+)")
_HALF = ("float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class ReferenceFile:
    """A file of recorded numbers; `budget` is the share of an output's largest number by which it may differ, None for
    the rule of the proof. `span` names it in the spec."""

    path: Path
    budget: float | None = None
    span: Span | None = None

    @staticmethod
    def of(document: Document, override: Path | None) -> ReferenceFile | None:
        """Return the file of the command line, or else the spec's, which is relative to the spec."""
        if override is not None:
            return ReferenceFile(override)
        decl = document.weights.reference if document.weights else None
        if decl is None:
            return None
        return ReferenceFile(Path(document.file).parent / str(decl.file.data), decl.budget, decl.span)


@dataclass(frozen=True, slots=True)
class _Recording:
    """The inputs and outputs of one forward pass of the original."""

    case: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


def hold_to_original(
    checked: Checked, reference: Reference, override: Path | None, progress: Progress, *, random_weights: bool
) -> tuple[ReferenceRow, ...]:
    """Hold the module to the file of the command line, or else of the spec, and report it; no rows without any.

    A file that only the spec names is left alone if the weights are random. Raises SpecError as `hold_to_reference`.
    """
    file = ReferenceFile.of(checked.document, override)
    if file is None:
        return ()
    if random_weights and override is None:
        progress("original", f"not held to {file.path.name}: the weights are random")
        return ()

    inputs = [
        ValueInfo(name, type_.dtype, tuple(str(dim) if dim.constant is None else dim.constant for dim in type_.shape))
        for name, type_ in checked.program.inputs.items()
    ]
    nonfinite = {output.name: frozenset(output.nonfinite) for output in checked.document.body.outputs}
    rows = hold_to_reference(checked.program, reference, file, inputs, nonfinite)
    progress("original", describe_rows(rows, file))
    return rows


def hold_to_reference(
    program: Program,
    reference: Reference,
    file: ReferenceFile,
    inputs: Sequence[ValueInfo],
    nonfinite: Mapping[str, Set[str]],
) -> tuple[ReferenceRow, ...]:
    """Compare the module with every recording of a file, in running order.

    Raises SpecError: W809 if the file does not fit the spec, P710 if the module computes other numbers; R421 and R422
    if the file cannot be read.
    """
    recordings = _read_recordings(file, program, inputs)
    rows = tuple(
        row for recording in recordings for row in _compare(program, reference, recording, file.budget, nonfinite)
    )
    failing = [row for row in rows if row.verdict.problem]
    if failing:
        raise SpecError(*_failures(program, failing, file))
    return rows


def describe_rows(rows: Sequence[ReferenceRow], file: ReferenceFile) -> str:
    """Say how many recorded values the module was held to, and how much of what is allowed was used at most."""
    used = max(row.verdict.used for row in rows)
    recorded = counted(len(rows), "recorded value")
    return f"the module computes the {recorded} of {file.path.name}, within {used:.0%} of what is allowed"


# -- the file


def _read_recordings(file: ReferenceFile, program: Program, inputs: Sequence[ValueInfo]) -> list[_Recording]:
    """Read the file, and check that it fits. Raises SpecError (W809, R421, R422)."""
    diagnostics, sides = Collector(), dict[str, tuple[dict[str, Array], dict[str, Array]]]()
    for key, array in read_npz(file.path).items():
        case, side, name = _split_key(key, program)
        known = program.inputs if side == "input" else [*program.outputs, *program.types]
        if not side or name not in known:
            names = [*program.inputs, *program.outputs]
            hint = did_you_mean(name, [*names, *program.types]) or "name arrays `input.NAME` and `output.NAME`"
            diagnostics.error("W809", f"{file.path.name} has '{key}', which is no input or output", file.span, hint)
        elif array.dtype.name in _HALF and side == "output" and file.budget is None:
            hint = "record it in float32, or write `reference: {file: …, budget: 0.01}`: 1 % of the largest number"
            message = f"'{key}' in {file.path.name} is {array.dtype}, which the rule of the proof does not hold to"
            diagnostics.error("W809", message, file.span, hint)
        else:
            sides.setdefault(case, ({}, {}))[side == "output"][name] = array
    diagnostics.raise_if_any()

    recordings = [_Recording(case, _converted(fed, inputs), outputs) for case, (fed, outputs) in sides.items()]
    for recording in recordings:
        _require_complete(recording, file, inputs, diagnostics)
    if not recordings:
        diagnostics.error("W809", f"{file.path.name} holds nothing", file.span)
    diagnostics.raise_if_any()
    return recordings


def _split_key(key: str, program: Program) -> tuple[str, str, str]:
    """Return the label, "input" or "output", and the name; a bare name is what only one side has."""
    if match := _KEY.fullmatch(key):
        return match["case"] or "", match["side"], match["name"]
    if key in program.inputs and key not in program.outputs:
        return "", "input", key
    return "", "output" if key in program.outputs and key not in program.inputs else "", key


def _converted(arrays: Mapping[str, Array], inputs: Iterable[ValueInfo]) -> dict[str, Array]:
    """Return inputs in the types of the spec: other floats and other whole numbers are converted."""
    dtypes = {value.name: np.dtype(value.dtype) for value in inputs}
    return {
        name: array.astype(dtypes[name]) if array.dtype.kind == dtypes[name].kind else array
        for name, array in arrays.items()
    }


def _require_complete(
    recording: _Recording, file: ReferenceFile, inputs: Sequence[ValueInfo], diagnostics: Collector
) -> None:
    """Report W809 for inputs that do not fit the spec, and for a recording without outputs."""
    label = f"{file.path.name}, {recording.case}" if recording.case else file.path.name
    try:
        check_feeds(inputs, recording.inputs)
    except SpecError as error:
        for problem in error.diagnostics:
            diagnostics.error("W809", f"{label}: {problem.message}", file.span, problem.hint)
    if not recording.outputs:
        diagnostics.error("W809", f"{label} has no output", file.span, "name arrays `input.NAME` and `output.NAME`")


# -- the comparison


def _compare(
    program: Program,
    reference: Reference,
    recording: _Recording,
    budget: float | None,
    nonfinite: Mapping[str, Set[str]],
) -> list[ReferenceRow]:
    """Return a row for each recorded value, in running order."""
    values = {name: program.outputs.get(name, name) for name in recording.outputs}
    keep = frozenset(values.values())
    single = run_eager(reference.single, recording.inputs, program, keep=keep)
    truth = run_eager(reference.double, recording.inputs, program, torch.float64, keep=keep)
    spreads = model_spread(reference.double, recording.inputs, program, values, {}) if budget is None else {}

    order = {value: number for number, value in enumerate(program.types)}
    rows = []
    for name in sorted(values, key=lambda name: order.get(values[name], len(order))):
        recorded, exact, ours = (
            recording.outputs[name],
            truth.named(name, values[name]),
            single.named(name, values[name]),
        )
        if recorded.shape != exact.shape:
            problem = f"has shape {list(recorded.shape)} there, and {list(exact.shape)} here"
            rows.append(ReferenceRow(recording.case, name, Verdict.wrong(problem)))
        elif budget is not None and exact.dtype.kind == "f":
            rows.append(ReferenceRow(recording.case, name, _within_budget(recorded, exact, budget)))
        else:
            meant = nonfinite.get(name, frozenset()) if name in program.outputs else frozenset(WORDS)
            verdict = judge(recorded.astype(ours.dtype), ours, exact, meant, spreads.get(name))
            rows.append(ReferenceRow(recording.case, name, _held(verdict)))
    return rows


def _within_budget(recorded: Array, exact: Array, budget: float) -> Verdict:
    """Judge by a share of the largest number."""
    allowed = budget * float(np.abs(exact).max(initial=0.0))
    distance = largest_difference(recorded, exact)
    within = distance <= allowed  # not so for NaN
    problem = None if within else f"is {distance:.2e} from what was recorded; {allowed:.2e} is allowed"
    return Verdict(0.0, distance, allowed, problem, numbers=recorded.size)


def _held(verdict: Verdict) -> Verdict:
    """Return the verdict, which fails where float32 leaves so much open that nothing would be held."""
    if verdict.problem or verdict.determined is None:
        return verdict
    share = f"{verdict.determined:.0e}"
    return Verdict.wrong(f"is determined to {share} only in float32, which holds nothing: record a value before it")


def _failures(program: Program, failing: Sequence[ReferenceRow], file: ReferenceFile) -> list[Diagnostic]:
    """Return a P710 for each failing value, the first one of each name."""
    diagnostics = []
    for row in {row.output: row for row in reversed(failing)}.values():
        label = f"{file.path.name}, {row.case}" if row.case else file.path.name
        problem = str(row.verdict.problem).replace("from the truth", "from what was recorded")
        message = f"'{row.output}' is not what the original computes: by {label} it {problem}"
        diagnostics.append(Diagnostic("P710", message, producer_span(program, row.output) or file.span, _HINT))
    return diagnostics[::-1]


_HINT = (
    "the spec or the map of its weights differs from the original; recorded values inside the model, as "
    "`output.encoder.0`, say from where on"
)
