"""Which candidates have to give the same outputs, and whether they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from stackc.benchmark.agreement import OutputDifference, agree
from stackc.benchmark.inputs import lead_of
from stackc.benchmark.job import MODULES
from stackc.benchmark.repetitions import Open
from stackc.benchmark.targets import Target
from stackc.runtime import Array, read_npz

Compared = Mapping[str, OutputDifference | str]
"""By name, how a candidate differs from the first of its model, or why it is not compared; of that first, nothing."""


def require_equal(opened: Sequence[Open], targets: Sequence[Target], tolerance: float) -> Compared:
    """Compare the outputs of each candidate with those of the first that has the same model and weights.

    An ONNX file is taken for one of the lead's model. Raises SpecError R433 where outputs differ by more than the
    tolerance.
    """
    lead = lead_of(targets)
    first: dict[object, Open] = {}
    compared: dict[str, OutputDifference | str] = {}
    for one in sorted(opened, key=lambda one: targets[one.job.candidate.target] is not lead):
        target = targets[one.job.candidate.target]
        model = _model(target if target.module else lead)
        if target.module and target.module.other and one.job.candidate.engine in MODULES:
            compared[one.name] = target.module.other
        elif model in first:
            reference = first[model]
            compared[one.name] = agree(one.name, _outputs(one), reference.name, _outputs(reference), tolerance)
        else:
            first[model] = one
            if model != _model(lead):
                compared[one.name] = f"{target.label} is a model of its own"
    return compared


def _model(target: Target) -> object:
    return target.identity or target.label


def _outputs(one: Open) -> dict[str, Array]:
    return read_npz(Path(one.job.job.outputs))


def equality_note(compared: Compared) -> str:
    """The largest difference, in words."""
    found = [difference for difference in compared.values() if isinstance(difference, OutputDifference)]
    if not found:
        return "nothing to compare"
    worst = max(found, key=lambda difference: difference.share)
    return f"{worst.candidate} differs most from {worst.against}: {worst}" if worst.share else "all give the same"
