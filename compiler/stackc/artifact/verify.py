"""Verify an artifact against its manifest, without PyTorch.

manifest    manifest.json is unchanged, byte for byte                     manifest.py
files       every file exists and has its hash; there are no other files  folder.py
model       the checker of onnx accepts it, with its shapes and types
vectors     the inputs recorded by the proof give the recorded outputs, with full and empty masks too
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stackc.artifact.folder import MASKED, VECTORS, Artifact, load_artifact, verify_files
from stackc.core.archives import zip_bomb_size
from stackc.core.diagnostics import Collector, Diagnostic, SpecError
from stackc.proof.tolerance import distance
from stackc.runtime import Array, Session, check_feeds, open_session, read_npz


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
    invalid ONNX model, A612 an output that differs from the recorded one, A613 recorded arrays of another model, A614 a
    pipe, a socket or a device.
    """
    artifact = load_artifact(path)
    verify_files(artifact)
    _require_valid(artifact)

    session = open_session(artifact.model, provider, threads=threads)
    distances: tuple[Distance, ...] = ()
    if vectors := recorded_vectors(artifact):
        distances = _compare_outputs(artifact, [(session.run(inputs), expected) for inputs, expected in vectors])

    size = sum((path / name).stat().st_size for name in artifact.manifest.files)
    return Verified(artifact, size, session.provider, distances)


def hold_to_recorded(artifact: Artifact, session: Session) -> None:
    """Hold a session that computes otherwise than the proven one, such as without denormals, to the recorded outputs.

    Raises SpecError R452 if there are none, A612 for each output that differs by more than the proof allows.
    """
    if VECTORS not in artifact.manifest.files:
        message = f"{artifact.folder} has recorded no outputs to hold a run without denormals to"
        raise SpecError(Diagnostic("R452", message, hint="build it without `--no-verify`, or run it with denormals"))
    vectors = recorded_vectors(artifact)
    _compare_outputs(artifact, [(session.run(inputs), expected) for inputs, expected in vectors])


def _require_valid(artifact: Artifact) -> None:
    import onnx

    from stackc.onnx_format.checker import require_valid

    try:
        require_valid(artifact.model, onnx.load(artifact.model, load_external_data=False))
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, UnicodeDecodeError) as error:
        message = f"{artifact.model} is not a valid ONNX model: {error}"
        raise SpecError(Diagnostic("A611", message, hint="build it again")) from error


def recorded_vectors(artifact: Artifact) -> list[tuple[dict[str, Array], dict[str, Array]]]:
    """Return the recorded inputs and outputs by name, once for each draw; none without a proof.

    Raises SpecError A613 if the names are not the manifest's, or an input holds what the manifest does not allow.
    """
    file, manifest = artifact.folder / VECTORS, artifact.manifest
    if VECTORS not in manifest.files:
        return []
    _refuse_bombs(file)
    arrays = read_npz(file)

    vectors = []
    for prefix in ("", *(f"{draw}." for draw in MASKED if any(name.startswith(f"{draw}.") for name in arrays))):
        inputs, outputs = (_with_prefix(arrays, f"{prefix}{kind}.") for kind in ("input", "output"))
        for kind, recorded, values in (("input", inputs, manifest.inputs), ("output", outputs, manifest.outputs)):
            if recorded.keys() != {value.name for value in values}:
                message = f"{file} does not have the {kind}s that the manifest lists"
                raise SpecError(Diagnostic("A613", message, hint="build it again"))
        _require_allowed(artifact, inputs)
        vectors.append((inputs, outputs))
    return vectors


def _with_prefix(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _require_allowed(artifact: Artifact, inputs: Mapping[str, Array]) -> None:
    """Raise SpecError A613 for recorded inputs that `stackc run` would refuse."""
    try:
        check_feeds(artifact.manifest.inputs, inputs, artifact.manifest.dims)
    except SpecError as error:
        first = error.diagnostics[0]
        message = f"{artifact.folder / VECTORS} does not fit the manifest: {first.message}"
        hint = f"{first.hint}; build it again" if first.hint else "build it again"
        raise SpecError(Diagnostic("A613", message, hint=hint)) from error


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
    artifact: Artifact, runs: Sequence[tuple[Mapping[str, Array], Mapping[str, Array]]]
) -> tuple[Distance, ...]:
    """Return the largest distance of each output from the recorded one, over all runs as (got, expected).

    Raises SpecError A612 for each beyond its tolerance.
    """
    distances = output_distances(artifact, runs)
    diagnostics = Collector()
    hint = "the model or the version of ONNX Runtime is not the one of the build"
    for each in distances:
        if not each.found <= each.allowed:  # also for NaN
            off = f"{each.found:.2e} from the recorded one; {each.allowed:.2e} is allowed"
            diagnostics.error("A612", f"the output '{each.output}' is {off}", hint=hint)
    diagnostics.raise_if_any()
    return distances


def output_distances(
    artifact: Artifact, runs: Sequence[tuple[Mapping[str, Array], Mapping[str, Array]]]
) -> tuple[Distance, ...]:
    """Return the largest distance of each output from the recorded one, over all runs as (got, expected)."""
    distances: dict[str, Distance] = {}
    for got, expected in runs:
        for name, array in expected.items():
            allowed = artifact.manifest.tolerances.get(name, 0.0)
            each = Distance(name, distance(got[name], array), allowed, *_counts(array))
            distances[name] = _together(distances[name], each) if name in distances else each
    return tuple(distances.values())


def _together(one: Distance, other: Distance) -> Distance:
    """Return the distance of one output in two runs: the larger one, NaN above all, and all its numbers."""
    found = max(one.found, other.found) if one.found == one.found and other.found == other.found else math.nan
    return replace(one, found=found, numbers=one.numbers + other.numbers, nonfinite=one.nonfinite + other.nonfinite)


def _counts(recorded: Array) -> tuple[int, int]:
    """Return how many numbers are finite, and how many are not."""
    finite = int(np.count_nonzero(np.isfinite(recorded)))
    return finite, recorded.size - finite
