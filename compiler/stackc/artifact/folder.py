"""The artifact folder exported/NAME/: names of its files; seal, load, check and run it, without PyTorch."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stackc.artifact.atomic import MANIFEST as MANIFEST
from stackc.artifact.atomic import recover
from stackc.artifact.manifest import Manifest, ManifestError, parse_manifest, write_manifest
from stackc.core.diagnostics import Collector, Diagnostic, SpecError
from stackc.core.special_files import special_kind
from stackc.onnx_format.files import MODEL as MODEL
from stackc.onnx_format.files import leads_out, read_model
from stackc.runtime import Array, Feeds, Session, check_feeds, open_session, require_placed
from stackc.spec.source import LOCK as LOCK

# The files of an artifact, with MANIFEST, LOCK, and MODEL, whose external data lies beside it.
VECTORS = "testvectors.npz"
"""The inputs of the proof, and what PyTorch computes from them: `input.NAME`, `output.NAME`, `full.input.NAME`, …"""
MASKED = ("full", "empty")
"""The draws of masks that are recorded besides the random one."""
DRAWING = "graph.svg"
PARITY = "parity.json"
REPORT = "report.json"
"""The timings."""
PAGE = "report.html"
TOKENIZER, GENERATION = "tokenizer.json", "generation_config.json"
TEXT_FILES = (TOKENIZER, "tokenizer_config.json", GENERATION)
"""The files that a build takes along from the folder of a spec that decodes."""

LARGEST_MANIFEST = 64_000_000  # bytes; the manifest of a model with a thousand outputs has less than one million


@dataclass(frozen=True, slots=True)
class Artifact:
    """A loaded artifact: its manifest is valid and its files exist."""

    folder: Path
    manifest: Manifest

    @property
    def model(self) -> Path:
        """The path of the ONNX model; external data lies beside it."""
        return self.folder / MODEL


def named_vectors(inputs: Feeds, outputs: Feeds, prefix: str = "") -> dict[str, Array]:
    """Return recorded inputs and outputs by the names that they have in VECTORS."""
    named = {f"{prefix}input.{name}": array for name, array in inputs.items()}
    return named | {f"{prefix}output.{name}": array for name, array in outputs.items()}


def sha256(path: Path) -> str:
    """Return the SHA-256 hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(folder: Path, manifest: Manifest, hashes: Mapping[Path, str] | None = None) -> Manifest:
    """Write the manifest, with the hash of every file, to a folder that is otherwise complete.

    `hashes` has those that were computed while the files were written. Raises SpecError A614 if the folder holds what
    is not a file.
    """
    require_plain_files(folder)
    hashes = hashes or {}
    files = {path.relative_to(folder).as_posix(): hashes.get(path) or sha256(path) for path in _files(folder)}
    sealed = dataclasses.replace(manifest, files=files)
    (folder / MANIFEST).write_text(write_manifest(sealed), encoding="utf-8")
    return sealed


def _files(folder: Path) -> list[Path]:
    """List every file but the manifest."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)


def require_plain_files(folder: Path) -> None:
    """Refuse a folder with a pipe, a socket or a device anywhere in it, unopened. Raises SpecError A614."""
    diagnostics = Collector()
    for path in sorted(folder.rglob("*")):
        _refuse_special(folder, path.relative_to(folder).as_posix(), diagnostics)
    diagnostics.raise_if_any()


def _refuse_special(folder: Path, name: str, diagnostics: Collector) -> bool:
    """Report A614 for a name that is a pipe, a socket or a device, and return whether it is."""
    kind = special_kind(folder / name)
    if kind:
        diagnostics.error("A614", f"{folder}: '{name}' is {kind}, not a file", hint="remove it, or build it again")
    return kind is not None


def load_artifact(path: Path) -> Artifact:
    """Load an artifact, restoring it first if a build was killed while replacing it.

    Raises SpecError: A601 the folder does not exist, A602 it is not an artifact, A603 its manifest is broken, A604 a
    file is missing, A605 a file or the model's data lies outside the folder, A610 the model cannot be read, A614 a file
    is a pipe, a socket or a device.
    `verify_files` checks that the files are the ones that were built.
    """
    recover(path)
    if not os.path.isdir(path):
        hint = "pass the folder, exported/NAME" if os.path.lexists(path) else "build one with `stackc build SPEC`"
        raise SpecError(Diagnostic("A601", f"there is no artifact at {path}", hint=hint))
    artifact = Artifact(path, _read_manifest(path))

    diagnostics = Collector()
    for name in (MODEL, *artifact.manifest.files):
        if leads_out(path, name):
            diagnostics.error("A605", f"{path}: '{name}' lies outside the artifact")
        elif _refuse_special(path, name, diagnostics):
            continue
        elif not os.path.isfile(path / name):  # also False for a name that no file can have
            diagnostics.error("A604", f"{path}: '{name}' is missing", hint="build it again")
    diagnostics.raise_if_any()

    read_model(artifact.model, hint="build it again")
    return artifact


def _read_manifest(path: Path) -> Manifest:
    """Read the manifest of a folder. Raises SpecError A602 if there is none, A603 if it is broken, A614 if no file."""
    diagnostics = Collector()
    _refuse_special(path, MANIFEST, diagnostics)
    diagnostics.raise_if_any()
    try:
        if (path / MANIFEST).stat().st_size > LARGEST_MANIFEST:
            raise ManifestError(f"it is larger than {LARGEST_MANIFEST:,} bytes")
        return parse_manifest((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = "`stackc build` writes an artifact to exported/NAME"
        raise SpecError(Diagnostic("A602", f"{path} is not an artifact: it has no {MANIFEST}", hint=hint)) from error
    except (ManifestError, UnicodeDecodeError, OSError) as error:
        raise SpecError(Diagnostic("A603", f"{path / MANIFEST} is broken: {error}", hint="build it again")) from error


def verify_files(artifact: Artifact) -> None:
    """Check every file against the manifest.

    Raises SpecError A606 for a changed file, A609 for an unlisted one, A614 for a pipe, a socket or a device.
    """
    require_plain_files(artifact.folder)
    diagnostics = Collector()
    hashes = artifact.manifest.files
    for path in _files(artifact.folder):
        name = path.relative_to(artifact.folder).as_posix()
        if name not in hashes:
            diagnostics.error("A609", f"{artifact.folder}: '{name}' is not in the manifest")
        elif sha256(path) != hashes[name]:
            diagnostics.error("A606", f"{path} has changed since it was built", hint="build it again")
    diagnostics.raise_if_any()


def run_artifact(
    path: Path,
    feeds: Feeds,
    provider: str = "auto",
    *,
    threads: int | None = None,
    require_provider: bool = False,
    prove: Callable[[Artifact, Session], None] | None = None,
) -> dict[str, Array]:
    """Run the model without PyTorch and return its outputs by name.

    With `prove`, the session takes denormals for zero and has to pass it first. Raises what `load_artifact`,
    `check_feeds`, sessions and `prove` raise, and with `require_provider` R407.
    """
    artifact = load_artifact(path)
    check_feeds(artifact.manifest.inputs, feeds, artifact.manifest.dims)
    session = open_session(artifact.model, provider, threads=threads, flush_denormals=prove is not None)
    if prove is not None:
        prove(artifact, session)
    if require_provider:
        require_placed(session)
    return session.run(feeds)
