"""Package the results of all stages as an artifact with its manifest: the last stage of a build.

Requires a folder that holds the model and the files of the proof; ensures that the folder is a sealed artifact.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackc.artifact.folder import DRAWING, LOCK, PAGE, REPORT, TEXT_FILES, seal, sha256
from stackc.artifact.lock import write_lock
from stackc.artifact.manifest import Manifest
from stackc.artifact.report_page import Findings, write_report
from stackc.components.custom.module import CustomModule
from stackc.core.types import TensorType
from stackc.core.value_range import ValueRange
from stackc.core.versions import tool_versions
from stackc.frontend import Checked
from stackc.ir.decoding import Decoding
from stackc.ir.program import Program
from stackc.precision.formats import FLOAT32
from stackc.runtime import Session, ValueInfo
from stackc.view.svg import draw_svg
from stackc.weights.sources import Weights

if TYPE_CHECKING:
    from stackc.export import ExportedModel


@dataclass(frozen=True)
class BuildFacts:
    """The facts of a build that its artifact records.

    `weight_hashes` is None for random weights, `session` if nothing was proven; `weight_privacy` has what private
    training says of the weights.
    """

    checked: Checked
    exported: ExportedModel
    weight_hashes: Mapping[str, str] | None
    weight_privacy: Mapping[str, Any]
    seed: int
    opset: int
    target: str
    session: Session | None
    findings: Findings
    step_parity: Mapping[str, object] | None = None


def package(facts: BuildFacts, folder: Path) -> None:
    """Write the lock, the drawing, the reports and the manifest, and seal the folder."""
    checked, findings = facts.checked, facts.findings
    (folder / LOCK).write_text(write_lock(checked), encoding="utf-8")
    if checked.decoding is not None:
        _copy_text_files(Path(checked.source.file).parent, folder)
    (folder / DRAWING).write_text(draw_svg(checked.typed), encoding="utf-8")
    if findings.speed:
        timings = findings.speed.to_json() | ({"profile": findings.components.to_json()} if findings.components else {})
        (folder / REPORT).write_text(json.dumps(timings, indent=2) + "\n", encoding="utf-8")

    manifest = make_manifest(facts)
    (folder / PAGE).write_text(write_report(checked, manifest, findings, folder), encoding="utf-8")
    seal(folder, manifest, facts.exported.files)


def _copy_text_files(source: Path, folder: Path) -> None:
    """Take the tokenizer along that lies beside the spec, and what ends a text."""
    for name in TEXT_FILES:
        if (source / name).is_file():
            (folder / name).write_bytes((source / name).read_bytes())


def make_manifest(facts: BuildFacts) -> Manifest:
    """Return the manifest of a build, without the hashes of its files."""
    checked, session, parity, precision = facts.checked, facts.session, facts.findings.parity, facts.findings.precision
    program = checked.program
    outputs = {name: program.types[value] for name, value in program.outputs.items()}

    return Manifest(
        name=checked.document.name,
        versions=tool_versions(),
        spec=_spec_hashes(checked),
        code=_code_hashes(program),
        weights=facts.weight_hashes,
        seed=facts.seed if facts.weight_hashes is None else None,
        dims=program.contract,
        inputs=value_infos(program.inputs, checked.ranges),
        outputs=value_infos(outputs, {}),
        opset=facts.opset,
        target=facts.target,
        runs_on=f"onnxruntime >= {facts.exported.linked_program.runs_on}",
        provider=session.provider if session else None,
        reason=session.reason if session else "not opened: built without its proof",
        parity=parity.summary() if parity else None,
        tolerances=_tolerances(facts.findings),
        precision=precision.to_json() if precision else {"format": FLOAT32},
        assumptions=checked.assumptions,
        privacy=facts.weight_privacy,
        asserted=tuple(asserted.to_json() for asserted in facts.findings.asserted),
        decoding=_decoding(checked.decoding, facts.step_parity) if checked.decoding else None,
    )


def _tolerances(findings: Findings) -> dict[str, float]:
    """Return how far each output may be from the recorded one wherever the file is run."""
    proven = findings.parity.tolerances if findings.parity else {}
    return findings.precision.tolerances(proven) if findings.precision else proven


def _decoding(decoding: Decoding, parity: Mapping[str, object] | None) -> dict[str, object]:
    """Return what the manifest says of the decoding step; `parity` is that of its proof."""
    settings, program = decoding.settings, decoding.program
    types = {name: program.types[value] for name, value in program.outputs.items()}
    return {
        "along": settings.along,
        "past": decoding.past,
        "longest": decoding.lengths.maximum,
        "new": [*settings.inputs],
        "whole": [*settings.whole],
        "states": {state.past: state.present for state in decoding.states},
        "inputs": [_shape_json(value) for value in value_infos(program.inputs, {})],
        "outputs": [_shape_json(value) for value in value_infos(types, {})],
        "parity": parity,
    }


def _shape_json(value: ValueInfo) -> dict[str, object]:
    return {"name": value.name, "dtype": value.dtype, "shape": [*value.shape]}


def value_infos(types: Mapping[str, TensorType], ranges: Mapping[str, ValueRange]) -> tuple[ValueInfo, ...]:
    """Return names, element types and shapes as the manifest has them: each size a number or the name of a dim.

    `ranges` has what inputs may hold; what is only assumed is left out.
    """
    binding = {name: allowed.binding for name, allowed in ranges.items()}
    return tuple(
        ValueInfo(
            name,
            type_.dtype,
            tuple(str(dim) if dim.constant is None else dim.constant for dim in type_.shape),
            binding.get(name),
        )
        for name, type_ in types.items()
    )


def weight_hashes(weights: Weights | None) -> dict[str, str] | None:
    """Return the SHA-256 of every file that weights come from, by name; None for random weights.

    Files of one name have the names of their folders before it, as many as tell them apart.
    """
    if weights is None:
        return None
    paths, depth = [path.absolute() for path in weights.file.paths], 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return {"/".join(path.parts[-depth:]): sha256(path) for path in paths}


def _spec_hashes(checked: Checked) -> dict[str, str]:
    """Hash the texts of the spec and of its includes as they were read, by their paths relative to the spec."""
    folder = os.path.dirname(checked.source.file)
    return {
        Path(os.path.relpath(source.file, folder or ".")).as_posix(): hashlib.sha256(source.text.encode()).hexdigest()
        for source in (checked.source, *checked.graph.includes)
    }


def _code_hashes(program: Program) -> dict[str, str]:
    """Hash the Python modules of `op: torch`, except PyTorch's own: its version is among the versions."""
    classes = (call.component.make for call in program.calls if isinstance(call.component, CustomModule))
    names = sorted({make.__module__ for make in classes} - {"__main__"})
    custom = [name for name in names if not name.startswith("torch.")]
    files = {name: inspect.getsourcefile(sys.modules[name]) for name in custom}
    return {name: sha256(Path(file)) for name, file in files.items() if file}
