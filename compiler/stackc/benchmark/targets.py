"""A target of `stackc bench`: a spec, an artifact or any ONNX file, read as far as it takes to draw its inputs."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from stackc.artifact.atomic import MANIFEST
from stackc.artifact.folder import Artifact, load_artifact, sha256
from stackc.artifact.packaging import value_infos
from stackc.benchmark.candidates import is_model_file
from stackc.core.diagnostics import Diagnostic, SpecError, did_you_mean
from stackc.core.types import DimContract
from stackc.core.versions import tool_versions
from stackc.frontend import Checked, Overrides, check_spec
from stackc.onnx_format.files import declared_inputs, read_model
from stackc.pipeline import Options as BuildOptions
from stackc.pipeline import build
from stackc.runtime import ValueInfo
from stackc.spec.source import LOCK
from stackc.weights.files import open_weights
from stackc.weights.match import match_weights


@dataclass(frozen=True)
class Module:
    """Where the PyTorch module of a target comes from: a spec, and a file of weights or else a seed.

    `told` says what the weights are; `other` says why they are not those of the ONNX file, None where they are.
    `trust` names the Python modules whose code may run, which may lie `beside` the spec.
    """

    checked: Checked
    spec: Path
    trust: tuple[str, ...]
    beside: Path
    weights: Path | None
    seed: int
    told: str
    other: str | None = None


@dataclass(frozen=True)
class Target:
    """What is timed. `module` is None for an ONNX file alone, `model` for a spec that is yet to be built.

    Two targets of the same `identity`, which is a text, calculate the same; None is the same as nothing.
    """

    label: str
    inputs: tuple[ValueInfo, ...]
    dims: DimContract
    model: Path | None
    module: Module | None
    identity: str | None = None


def read_target(label: str, path: Path, overrides: Overrides, weights: Path | None, seed: int) -> Target:
    """Read a target and check it. Raises SpecError: for a spec those of `check_spec`, for an artifact of
    `load_artifact`, for an ONNX file A605, A610, R405; and those of weights."""
    if is_model_file(path):
        return _file(label, path)
    if not is_spec_target(path):
        return _artifact(label, load_artifact(path), overrides.trust, weights, seed)
    checked = check_spec(path, overrides)
    told = _told(weights or _declared(checked), seed)
    beside = Path(checked.source.file).absolute().parent
    module = Module(checked, path, overrides.trust, beside, weights or _declared(checked), seed, told)
    return Target(label, value_infos(checked.program.inputs, checked.ranges), checked.program.contract, None, module)


def is_spec_target(path: Path) -> bool:
    """Whether a target is neither an ONNX file nor an artifact."""
    return not is_model_file(path) and not os.path.lexists(path / MANIFEST)


def _file(label: str, path: Path) -> Target:
    if not os.path.isfile(path):
        others = [str(other) for other in path.parent.glob("*.onnx")]
        raise SpecError(Diagnostic("R405", f"there is no model file {path}", hint=did_you_mean(str(path), others)))
    return Target(label, declared_inputs(read_model(path)), {}, path, None)


def _artifact(label: str, artifact: Artifact, trust: tuple[str, ...], weights: Path | None, seed: int) -> Target:
    manifest, spec = artifact.manifest, artifact.folder / LOCK
    checked = check_spec(artifact.folder, Overrides(trust=trust))
    if manifest.seed is not None:
        seed = manifest.seed
    if weights is not None:
        match_weights(open_weights(weights), checked.program.tensors(), checked.document.weights, weights.name)
    beside = artifact.folder.absolute()
    module = Module(checked, spec, trust, beside, weights, seed, _told(weights, seed), _otherwise(artifact, weights))
    return Target(label, manifest.inputs, manifest.dims, artifact.model, module, _identity(artifact))


def _identity(artifact: Artifact) -> str | None:
    """The resolved spec, and the weights as far as they are known."""
    manifest = artifact.manifest
    weights = manifest.seed if manifest.weights is None else sorted(manifest.weights.values())
    return None if weights is None else f"{sha256(artifact.folder / LOCK)} {weights}"


def _told(weights: Path | None, seed: int) -> str:
    return f"random weights, seed {seed}" if weights is None else f"the weights of {weights.name}"


def _otherwise(artifact: Artifact, weights: Path | None) -> str | None:
    """Why the weights of the module are not those of the artifact; None where they are."""
    built = artifact.manifest
    if built.weights is not None:
        files = ", ".join(built.weights)
        if weights is None:
            return f"the artifact has those of {files}, which --weights does not name"
        given = [sha256(path) for path in open_weights(weights).paths]
        return None if sorted(given) == sorted(built.weights.values()) else f"the artifact has those of another {files}"
    if weights is not None:
        return "the artifact has random ones"
    if built.versions.get("torch") != tool_versions().get("torch"):
        return f"the artifact has those that torch {built.versions.get('torch', 'of some version')} draws"
    return None if built.seed is not None else "the artifact does not say of which seed it is"


def _declared(checked: Checked) -> Path | None:
    """The file of weights that a spec names."""
    decl = checked.document.weights
    return Path(checked.source.file).parent / str(decl.file.data) if decl and decl.file else None


def built(target: Target, path: Path, overrides: Overrides, out: Path) -> Target:
    """A spec with its ONNX file, built without a proof; any other target as it is."""
    if target.model is not None or target.module is None:
        return target
    module = target.module
    options = BuildOptions(overrides, module.weights, out, module.seed, verify=False, measure=False)
    made = build(path, options, lambda stage, found: None)
    artifact = load_artifact(made.folder)
    module = replace(module, spec=made.folder / LOCK)
    return replace(target, model=artifact.model, module=module, identity=_identity(artifact))
