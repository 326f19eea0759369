"""Require equal outputs of all candidates that run the same model with the same weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from stackc.benchmark.agreement import REDUCED_TOLERANCE, TOLERANCE, OutputDifference, compare_outputs
from stackc.benchmark.inputs import lead_of
from stackc.benchmark.job import MODULES
from stackc.benchmark.repetitions import OpenCandidate
from stackc.benchmark.targets import Target
from stackc.precision.formats import FLOAT32
from stackc.runtime import Array, read_npz

Compared = Mapping[str, OutputDifference | str]
"""How each candidate differs from the first of its model, or why it is not compared; that first one has no entry."""


def require_equal(opened: Sequence[OpenCandidate], targets: Sequence[Target], tolerance: float) -> Compared:
    """Compare the outputs of each candidate with those of the first that has the same model and weights.

    An ONNX file is assumed to be the lead's model. Raises SpecError (R433) if outputs differ by more than the
    tolerance.
    """
    lead = lead_of(targets)
    first_of_model: dict[object, OpenCandidate] = {}
    compared: dict[str, OutputDifference | str] = {}

    # the lead comes first, so that others are compared with it
    for each in sorted(opened, key=lambda each: targets[each.job.candidate.target] is not lead):
        target = targets[each.job.candidate.target]
        model = _identity(target if target.module else lead)
        if target.module and target.module.mismatch and each.job.candidate.engine in MODULES:
            compared[each.name] = target.module.mismatch
        elif model in first_of_model:
            first = first_of_model[model]
            allowed = _allowed(tolerance, each, first, targets)
            compared[each.name] = compare_outputs(each.name, _outputs(each), first.name, _outputs(first), allowed)
        else:
            first_of_model[model] = each
            if model != _identity(lead):
                compared[each.name] = f"{target.label} is another model"
    return compared


def _allowed(tolerance: float, one: OpenCandidate, other: OpenCandidate, targets: Sequence[Target]) -> float:
    """Return the tolerance that was asked for; without one, more of it if a file is not float32."""
    formats = {targets[each.job.candidate.target].precision for each in (one, other)}
    return REDUCED_TOLERANCE if tolerance == TOLERANCE and formats != {FLOAT32} else tolerance


def _identity(target: Target) -> object:
    return target.identity or target.label


def _outputs(candidate: OpenCandidate) -> dict[str, Array]:
    return read_npz(Path(candidate.job.task.outputs))


def equality_note(compared: Compared) -> str:
    """Describe the largest difference."""
    differences = [difference for difference in compared.values() if isinstance(difference, OutputDifference)]
    if not differences:
        return "nothing to compare"
    worst = max(differences, key=lambda difference: difference.share)
    return f"{worst.candidate} differs most from {worst.against}: {worst}" if worst.share else "all outputs are equal"
