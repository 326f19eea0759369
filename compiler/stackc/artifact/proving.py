"""Prove and time the file of a build, where it lies in its folder, with what is recorded beside it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stackc.artifact.build_options import Options
from stackc.artifact.folder import MODEL, PARITY, VECTORS, named_vectors
from stackc.core.progress import Progress
from stackc.frontend import Checked
from stackc.onnx_format.files import STEP
from stackc.runtime import Session, open_session, write_npz

if TYPE_CHECKING:
    from torch import nn

    from stackc.export import LinkedProgram
    from stackc.proof.components import Reference
    from stackc.proof.points import Point
    from stackc.proof.report import Parity
    from stackc.proof.step_proof import StepParity
    from stackc.timing import Comparison
    from stackc.timing.component_times import ComponentTimes


def prove_file(
    checked: Checked,
    reference: Reference,
    session: Session,
    linked: LinkedProgram,
    folder: Path,
    options: Options,
    progress: Progress,
    *,
    random_weights: bool,
) -> Parity:
    """Prove the file in `folder`, and write the parity report and the test vectors beside it."""
    from stackc.proof.parity import prove
    from stackc.proof.reference_vectors import hold_to_original

    held = hold_to_original(checked, reference, options.reference, progress, random_weights=random_weights)
    parity = prove(
        checked.program, reference, session, folder / MODEL, checked.ranges, linked=linked.graph,
        nonfinite={output.name: frozenset(output.nonfinite) for output in checked.document.body.outputs},
        seed=options.seed, threads=options.threads, per_component=options.per_component, thorough=options.thorough,
        first_failure=options.first_failure,
    )  # fmt: skip

    parity = replace(parity, reference=held)
    (folder / PARITY).write_text(json.dumps(parity.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    vectors = named_vectors(parity.inputs, parity.outputs)
    for draw, (inputs, outputs) in parity.masked.items():
        vectors |= named_vectors(inputs, outputs, f"{draw}.")
    write_npz(folder / VECTORS, vectors)
    return parity


def prove_step_file(
    checked: Checked, reference: Reference, folder: Path, options: Options, progress: Progress
) -> StepParity | None:
    """Prove that the decoding step in `folder`, run in pieces, is the whole model; None if there is no step."""
    from stackc.proof.step_proof import prove_step

    if checked.decoding is None:
        return None
    session = open_session(folder / STEP, options.provider, threads=options.threads)
    parity = prove_step(
        checked.program, checked.decoding, reference, session, folder / STEP, checked.ranges,
        seed=options.seed, threads=options.threads,
    )  # fmt: skip
    progress("prove", f"decoding step: {parity.describe()}")
    return parity


def time_file(checked: Checked, module: nn.Module, folder: Path, options: Options) -> tuple[Comparison, Point]:
    """Time the module and a session of the file in `folder` in turns."""
    from stackc.timing.beside_eager import measure_beside_eager

    settings = options.provider, options.threads or os.cpu_count() or 1, options.seed
    return measure_beside_eager(checked.program, checked.ranges, module, folder / MODEL, *settings)


def profile_file(
    checked: Checked, point: Point, session: Session, folder: Path, options: Options
) -> ComponentTimes | None:
    """Measure where the time of a run goes, at the point that was timed; None if it is not run on the CPU."""
    from stackc.timing.component_times import profile_at

    if session.provider != "cpu":
        return None
    return profile_at(checked.program, checked.ranges, folder / MODEL, point, options.threads, options.seed)
