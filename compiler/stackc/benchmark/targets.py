"""A target of `stackc bench`: a spec, an artifact or any ONNX file, read as far as its inputs require, and built."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from stackc.artifact.atomic import MANIFEST
from stackc.artifact.folder import Artifact, load_artifact, sha256
from stackc.artifact.packaging import value_infos
from stackc.artifact.stored_weights import gather_part_weights, open_all_weights
from stackc.core.diagnostics import Diagnostic, SpecError, did_you_mean
from stackc.core.types import DimContract
from stackc.core.versions import tool_versions
from stackc.frontend import Checked, Overrides, check_spec
from stackc.onnx_format.files import declared_inputs, read_model
from stackc.pipeline import Options as BuildOptions
from stackc.pipeline import build
from stackc.precision.formats import FLOAT32
from stackc.runtime import ValueInfo
from stackc.spec.binary_kinds import is_model_file
from stackc.spec.source import LOCK
from stackc.weights.files import Paths, describe_paths
from stackc.weights.match import match_program, weights_path


@dataclass(frozen=True)
class TargetModule:
    """The source of a target's PyTorch module: a spec, and a file of weights or a seed.

    `weights_note` describes the weights; `mismatch` says why they are not those of the ONNX file, None if they are.
    `trust` names the Python modules whose code may run; they may be in the folder `beside`.
    """

    checked: Checked
    spec: Path
    trust: tuple[str, ...]
    beside: Path
    weights: Paths | None
    seed: int
    weights_note: str
    mismatch: str | None = None


@dataclass(frozen=True)
class Target:
    """What is timed. `module` is None for an ONNX file alone, `model` for a spec that is not built yet.

    Two targets of the same `identity`, a text, compute the same; None equals nothing. `precision` is the format of the
    weights of the model; those of the module are float32.
    """

    label: str
    inputs: tuple[ValueInfo, ...]
    dims: DimContract
    model: Path | None
    module: TargetModule | None
    identity: str | None = None
    precision: str = FLOAT32


def read_target(label: str, path: Path, overrides: Overrides, weights: Paths | None, seed: int) -> Target:
    """Read a target and check it.

    Raises SpecError: for a spec those of `check_spec`, for an artifact those of `load_artifact`, for an ONNX file A605,
    A610 and R405; and those of weights.
    """
    if is_model_file(path):
        return _read_file(label, path)
    if not is_spec_target(path):
        return _read_artifact(label, load_artifact(path), overrides.trust, weights, seed)

    checked = check_spec(path, overrides)
    file, _ = weights_path(checked.document, weights)
    beside = Path(checked.source.file).absolute().parent
    module = TargetModule(checked, path, overrides.trust, beside, file, seed, _weights_note(file, seed))
    return Target(label, value_infos(checked.program.inputs, checked.ranges), checked.program.contract, None, module)


def is_spec_target(path: Path) -> bool:
    """Return whether a target is neither an ONNX file nor an artifact."""
    return not is_model_file(path) and not os.path.lexists(path / MANIFEST)


def _read_file(label: str, path: Path) -> Target:
    if not os.path.isfile(path):
        others = [str(other) for other in path.parent.glob("*.onnx")]
        raise SpecError(Diagnostic("R405", f"there is no model file {path}", hint=did_you_mean(str(path), others)))
    return Target(label, declared_inputs(read_model(path)), {}, path, None)


def _read_artifact(label: str, artifact: Artifact, trust: tuple[str, ...], weights: Paths | None, seed: int) -> Target:
    """Read an artifact: its module has the weights given, or else those of its seed."""
    manifest = artifact.manifest
    checked = check_spec(artifact.folder, Overrides(trust=trust))
    if manifest.seed is not None:
        seed = manifest.seed
    if weights is not None:
        decl = checked.document.weights
        match_program(open_all_weights(weights), checked.program, decl, checked.graph.params, describe_paths(weights))

    module = TargetModule(
        checked,
        spec=artifact.folder / LOCK,
        trust=trust,
        beside=artifact.folder.absolute(),
        weights=weights,
        seed=seed,
        weights_note=_weights_note(weights, seed),
        mismatch=_weights_mismatch(artifact, weights),
    )
    identity = _identity(artifact)
    return Target(label, manifest.inputs, manifest.dims, artifact.model, module, identity, manifest.format)


def _identity(artifact: Artifact) -> str | None:
    """Return the hash of the resolved spec and those of the weights, or the seed; None if neither is known."""
    manifest = artifact.manifest
    weights = manifest.seed if manifest.weights is None else sorted(manifest.weights.values())
    return None if weights is None else f"{sha256(artifact.folder / LOCK)} {weights}"


def _weights_note(weights: Paths | None, seed: int) -> str:
    return f"random weights, seed {seed}" if weights is None else f"the weights of {describe_paths(weights)}"


def _weights_mismatch(artifact: Artifact, weights: Paths | None) -> str | None:
    """Say why the weights of the module are not those of the artifact; None if they are."""
    manifest = artifact.manifest
    if manifest.weights is not None:
        files = ", ".join(manifest.weights)
        if weights is None:
            return f"the artifact has the weights of {files}, which --weights does not name"
        hashes = sorted(sha256(path) for path in open_all_weights(weights).paths)
        same = hashes == sorted(manifest.weights.values())
        return None if same else f"the artifact has the weights of another {files}"

    if weights is not None:
        return "the artifact has random weights"
    if manifest.versions.get("torch") != tool_versions().get("torch"):  # which draws other numbers
        return f"the artifact has random weights of torch {manifest.versions.get('torch', 'of unknown version')}"
    return None if manifest.seed is not None else "the artifact does not record its seed"


def build_target(target: Target, path: Path, overrides: Overrides, out: Path) -> Target:
    """Build the ONNX file of a spec, without a proof; other targets are returned unchanged."""
    if target.model is not None or target.module is None:
        return target
    module = target.module
    if module.weights is None and module.checked.program.parts:  # the lock of the artifact does not name their files
        module = replace(module, weights=gather_part_weights(module.checked, module.seed, out))
    options = BuildOptions(overrides, module.weights, out, module.seed, verify=False, measure=False)
    folder = build(path, options).folder

    artifact = load_artifact(folder)
    module = replace(module, spec=folder / LOCK)
    return replace(target, model=artifact.model, module=module, identity=_identity(artifact))
