"""`stackc verify`: an artifact held to everything it says of itself, without PyTorch.

intact      manifest.json is, byte for byte, what was written     manifest.py
files       every file is there, has its hash, and no other is    artifact.py
model       the checker of onnx accepts it, shapes and types too
vectors     the inputs recorded by the proof give the outputs recorded with them
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
    """How far an output was from the recorded one, and how far it may be.

    `numbers` is how many numbers were compared; the recorded one has `nonfinite` more, NaN and Inf at the same places.
    """

    output: str
    found: float
    allowed: float
    numbers: int = 0
    nonfinite: int = 0


@dataclass(frozen=True, slots=True)
class Verified:
    """A sound artifact: its size in bytes, and the outputs that were held to the recorded ones.

    `distances` is empty where the artifact was built without a proof, and so has no recorded outputs.
    """

    artifact: Artifact
    bytes: int
    provider: str
    distances: tuple[Distance, ...]


def verify(path: Path, provider: str = "auto", *, threads: int | None = None) -> Verified:
    """Raises SpecError: what `load_artifact` and sessions raise, A606 a changed file, A609 a file too many, A611 a
    model that is no valid ONNX, A612 an output that is not the recorded one, A613 recorded arrays of another model."""
    artifact = load_artifact(path)
    verify_files(artifact)
    _require_valid(artifact)
    session = open_session(artifact.model, provider, threads=threads)
    distances: tuple[Distance, ...] = ()
    if VECTORS in artifact.manifest.files:
        inputs, expected = _vectors(artifact)
        distances = _compared(artifact, session.run(inputs), expected)
    size = sum((path / name).stat().st_size for name in artifact.manifest.files)
    return Verified(artifact, size, session.provider, distances)


def _require_valid(artifact: Artifact) -> None:
    import onnx

    from stackc.onnx_format.checker import require_valid

    try:
        require_valid(artifact.model, onnx.load(artifact.model, load_external_data=False))
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, UnicodeDecodeError) as error:
        message = f"{artifact.model} is no valid ONNX model: {error}"
        raise SpecError(Diagnostic("A611", message, hint="build it again")) from error


def _vectors(artifact: Artifact) -> tuple[dict[str, Array], dict[str, Array]]:
    """The recorded inputs and outputs by name."""
    _refuse_bombs(artifact.folder / VECTORS)
    arrays = read_npz(artifact.folder / VECTORS)
    recorded = {
        kind: {name.removeprefix(f"{kind}."): array for name, array in arrays.items() if name.startswith(f"{kind}.")}
        for kind in ("input", "output")
    }
    manifest = artifact.manifest
    for kind, values in (("input", manifest.inputs), ("output", manifest.outputs)):
        if recorded[kind].keys() != {value.name for value in values}:
            message = f"{artifact.folder / VECTORS} has not the {kind}s that the manifest names"
            raise SpecError(Diagnostic("A613", message, hint="build it again"))
    return recorded["input"], recorded["output"]


def _refuse_bombs(path: Path) -> None:
    """A small archive can unpack to gigabytes; what a build records is never packed."""
    try:
        unpacked = zip_bomb_size(path)
    except (zipfile.BadZipFile, OSError, ValueError):
        return  # read_npz says what it is
    if unpacked is not None:
        message = f"{path} unpacks to {unpacked:,} bytes, and what a build records is not packed"
        raise SpecError(Diagnostic("A613", message, hint="build it again"))


def _compared(artifact: Artifact, got: Mapping[str, Array], expected: Mapping[str, Array]) -> tuple[Distance, ...]:
    allowed = artifact.manifest.tolerances
    distances = tuple(
        Distance(name, distance(got[name], array), allowed.get(name, 0.0), *_counts(array))
        for name, array in expected.items()
    )
    found = Collector()
    for d in distances:
        if not d.found <= d.allowed:
            message = f"the output '{d.output}' is {d.found:.2e} from the recorded one; {d.allowed:.2e} is allowed"
            found.error(
                "A612", message, hint="the model, or the ONNX Runtime that runs it, is not the one that was built"
            )
    found.raise_if_any()
    return distances


def _counts(recorded: Array) -> tuple[int, int]:
    """Return how many numbers are finite, and how many are not."""
    finite = int(np.count_nonzero(np.isfinite(recorded)))
    return finite, recorded.size - finite
