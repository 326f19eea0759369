"""The artifact, exported/NAME/: sealed, opened again with all that can be wrong with it, and run without PyTorch."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stackc.artifact.atomic import MARK, recover
from stackc.artifact.manifest import Manifest, ManifestError, parse_manifest, write_manifest
from stackc.core.diagnostics import Collector, Diagnostic, SpecError
from stackc.onnx_format.files import leads_out, read_model
from stackc.runtime import Array, Feeds, check_feeds, open_session, require_placed

MODEL, VECTORS = "model.onnx", "testvectors.npz"
LARGEST_MANIFEST = 64_000_000  # bytes; one of a thousand outputs has less than one of them


@dataclass(frozen=True, slots=True)
class Artifact:
    """A folder that was opened: its manifest could be read and its files are there."""

    folder: Path
    manifest: Manifest

    @property
    def model(self) -> Path:
        """The ONNX model; its external data, if any, lies beside it."""
        return self.folder / MODEL


def sha256(path: Path) -> str:
    """The hash of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(folder: Path, manifest: Manifest, known: Mapping[Path, str] | None = None) -> Manifest:
    """Write the manifest to a folder that is otherwise complete, with the hash of every file in it.

    `known` are hashes that whoever wrote the files has taken already.
    """
    known = known or {}
    files = {path.relative_to(folder).as_posix(): known.get(path) or sha256(path) for path in _files(folder)}
    sealed = dataclasses.replace(manifest, files=files)
    (folder / MARK).write_text(write_manifest(sealed), encoding="utf-8")
    return sealed


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MARK)


def load_artifact(path: Path) -> Artifact:
    """Open an artifact, putting it in its place first where a build was killed in the middle of that.

    Raises SpecError: A601 there is no such folder, A602 it is no artifact, A603 its manifest is broken, A604 a file is
    missing, A605 a file or the model's data lies outside the folder, A610 the model cannot be read. Whether the files
    are the ones that were built, `verify_files` tells.
    """
    recover(path)
    if not os.path.isdir(path):
        there = os.path.lexists(path)
        hint = "it has to be the folder, exported/NAME" if there else "`stackc build SPEC` makes one"
        raise SpecError(Diagnostic("A601", f"there is no artifact at {path}", hint=hint))
    artifact = Artifact(path, _manifest(path))
    diagnostics = Collector()
    for name in (MODEL, *artifact.manifest.files):
        if leads_out(path, name):
            diagnostics.error("A605", f"{path}: '{name}' lies outside the artifact")
        elif not os.path.isfile(path / name):  # False, too, for a name that no file can have
            diagnostics.error("A604", f"{path}: '{name}' is missing", hint="build it again")
    diagnostics.raise_if_any()
    read_model(artifact.model, hint="build it again")
    return artifact


def _manifest(path: Path) -> Manifest:
    try:
        if (path / MARK).stat().st_size > LARGEST_MANIFEST:
            raise ManifestError(f"it is larger than {LARGEST_MANIFEST:,} bytes")
        return parse_manifest((path / MARK).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = "`stackc build` writes an artifact to exported/NAME"
        raise SpecError(Diagnostic("A602", f"{path} is not an artifact: it has no {MARK}", hint=hint)) from error
    except (ManifestError, UnicodeDecodeError, OSError) as error:
        raise SpecError(Diagnostic("A603", f"{path / MARK} is broken: {error}", hint="build it again")) from error


def verify_files(artifact: Artifact) -> None:
    """Raise SpecError A606 for every file that is not what the manifest says, A609 for one that it does not name."""
    diagnostics = Collector()
    named = artifact.manifest.files
    for path in _files(artifact.folder):
        name = path.relative_to(artifact.folder).as_posix()
        if name not in named:
            diagnostics.error("A609", f"{artifact.folder}: '{name}' is not in the manifest")
        elif sha256(path) != named[name]:
            diagnostics.error("A606", f"{path} has changed since it was built", hint="build it again")
    diagnostics.raise_if_any()


def run_artifact(
    path: Path, feeds: Feeds, provider: str = "auto", *, threads: int | None = None, require_provider: bool = False
) -> dict[str, Array]:
    """The outputs of the model by name, without PyTorch. Raises what `load_artifact`, `check_feeds` and sessions do,
    and with `require_provider` R407."""
    artifact = load_artifact(path)
    check_feeds(artifact.manifest.inputs, feeds, artifact.manifest.dims)
    session = open_session(artifact.model, provider, threads=threads)
    if require_provider:
        require_placed(session)
    return session.run(feeds)
