"""Verify an artifact against its manifest, without PyTorch.

manifest    manifest.json is unchanged, byte for byte                     manifest.py
files       every file exists and has its hash; there are no other files  folder.py
model       the checker of onnx accepts it, with its shapes and types
vectors     the inputs recorded by the proof give the recorded outputs
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stackc.artifact.folder import VECTORS, Artifact, load_artifact, verify_files
from stackc.core.archives import zip_bomb_size
from stackc.core.diagnostics import Collector, Diagnostic, SpecError
from stackc.proof.tolerance import distance
from stackc.runtime import Array, open_session, read_npz


@dataclass(frozen=True, slots=True)
class Distance:
    """The distance of an output from the recorded one, and the largest allowed distance.

    `numbers` is how many numbers were compared; `nonfinite` more are NaN or Inf, at the same places as recorded.
    """

    output: str
    found: float
    allowed: float
    numbers: int = 0
    nonfinite: int = 0


@dataclass(frozen=True, slots=True)
class Verified:
    """A valid artifact: its size in bytes, and the distances of its outputs from the recorded ones.

    `distances` is empty if the artifact was built without a proof, and so has no recorded outputs.
    """

    artifact: Artifact
    bytes: int
    provider: str
    distances: tuple[Distance, ...]


def verify(path: Path, provider: str = "auto", *, threads: int | None = None) -> Verified:
    """Verify an artifact.

    Raises SpecError: what `load_artifact` and sessions raise, A606 a changed file, A609 an unlisted file, A611 an
    invalid ONNX model, A612 an output that differs from the recorded one, A613 recorded arrays of another model.
    """
    artifact = load_artifact(path)
    verify_files(artifact)
    _require_valid(artifact)

    session = open_session(artifact.model, provider, threads=threads)
    distances: tuple[Distance, ...] = ()
    if VECTORS in artifact.manifest.files:
        inputs, expected = _read_vectors(artifact)
        distances = _compare_outputs(artifact, session.run(inputs), expected)

    size = sum((path / name).stat().st_size for name in artifact.manifest.files)
    return Verified(artifact, size, session.provider, distances)


def _require_valid(artifact: Artifact) -> None:
    import onnx

    from stackc.onnx_format.checker import require_valid

    try:
        require_valid(artifact.model, onnx.load(artifact.model, load_external_data=False))
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, UnicodeDecodeError) as error:
        message = f"{artifact.model} is not a valid ONNX model: {error}"
        raise SpecError(Diagnostic("A611", message, hint="build it again")) from error


def _read_vectors(artifact: Artifact) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the recorded inputs and outputs by name. Raises SpecError A613 if the names are not the manifest's."""
    _refuse_bombs(artifact.folder / VECTORS)
    arrays = read_npz(artifact.folder / VECTORS)
    recorded = {
        kind: {name.removeprefix(f"{kind}."): array for name, array in arrays.items() if name.startswith(f"{kind}.")}
        for kind in ("input", "output")
    }

    manifest = artifact.manifest
    for kind, values in (("input", manifest.inputs), ("output", manifest.outputs)):
        if recorded[kind].keys() != {value.name for value in values}:
            message = f"{artifact.folder / VECTORS} does not have the {kind}s that the manifest lists"
            raise SpecError(Diagnostic("A613", message, hint="build it again"))
    return recorded["input"], recorded["output"]


def _refuse_bombs(path: Path) -> None:
    """Raise A613 for a small archive that unpacks to gigabytes; a build never compresses what it records."""
    try:
        unpacked = zip_bomb_size(path)
    except (zipfile.BadZipFile, OSError, ValueError):
        return  # read_npz reports it
    if unpacked is not None:
        message = f"{path} unpacks to {unpacked:,} bytes, but a build never compresses it"
        raise SpecError(Diagnostic("A613", message, hint="build it again"))


def _compare_outputs(
    artifact: Artifact, got: Mapping[str, Array], expected: Mapping[str, Array]
) -> tuple[Distance, ...]:
    """Return the distance of each output from the recorded one. Raises SpecError A612 for each beyond its tolerance."""
    allowed = artifact.manifest.tolerances
    distances = tuple(
        Distance(name, distance(got[name], array), allowed.get(name, 0.0), *_counts(array))
        for name, array in expected.items()
    )

    diagnostics = Collector()
    hint = "the model or the version of ONNX Runtime is not the one of the build"
    for each in distances:
        if not each.found <= each.allowed:  # also for NaN
            off = f"{each.found:.2e} from the recorded one; {each.allowed:.2e} is allowed"
            diagnostics.error("A612", f"the output '{each.output}' is {off}", hint=hint)
    diagnostics.raise_if_any()
    return distances


def _counts(recorded: Array) -> tuple[int, int]:
    """Return how many numbers are finite, and how many are not."""
    finite = int(np.count_nonzero(np.isfinite(recorded)))
    return finite, recorded.size - finite
