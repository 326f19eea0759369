"""The identity of a model file: metadata that tells it apart when it lies alone, and a digest of all its bytes.

The metadata are the model's own (`metadata_props`), so that ONNX Runtime returns them too, as `custom_metadata_map`:

stackc.name      the name of the spec
stackc.version   the version of stackc that wrote the file
stackc.contract  dims, inputs and outputs, as JSON, as in manifest.json
stackc.digest    the SHA-256 of the file with zeros in place of this digest, followed by the SHA-256 of its data file,
                 if it has one: whoever changes a byte of either changes the digest
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

NAME, VERSION, CONTRACT, DIGEST = "stackc.name", "stackc.version", "stackc.contract", "stackc.digest"
_NONE = "0" * 64


def stamp_model(model: ModelProto, metadata: Mapping[str, str]) -> None:
    """Add metadata to a model, and room for the digest."""
    for key, value in {**metadata, DIGEST: _NONE}.items():
        model.metadata_props.add(key=key, value=value)


def write_signed(model: ModelProto, path: Path, data_hash: str | None) -> str:
    """Write a model that is stamped, with its digest, and return the SHA-256 of the file.

    `data_hash` is the SHA-256 of its data, in hexadecimal, if there are any beside it.
    """
    serialized = model.SerializeToString(deterministic=True)
    start = _digest_place(serialized, _NONE)
    assert start is not None, "the model is stamped"
    digest = _digest(serialized, start, data_hash).encode()

    file_hash, view = hashlib.sha256(), memoryview(serialized)  # slices of a view are no copies
    with path.open("wb") as file:
        for part in (view[:start], digest, view[start + len(_NONE) :]):
            file.write(part)
            file_hash.update(part)
    return file_hash.hexdigest()


def is_unchanged(path: Path, digest: str, data: Path | None) -> bool:
    """Return whether a file and its data, if there are any, have the digest that the file states."""
    serialized = path.read_bytes()
    start = _digest_place(serialized, digest)
    if start is None:
        return False
    data_hash = None
    if data is not None:
        with data.open("rb") as file:
            data_hash = hashlib.file_digest(file, "sha256").hexdigest()
    return _digest(serialized, start, data_hash) == digest


def _digest_place(serialized: bytes, digest: str) -> int | None:
    """Return where the value of the digest's entry begins in a serialized model; None if there is no such entry."""
    key = DIGEST.encode()
    entry = b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(_NONE)]) + digest.encode("utf-8", "replace")
    start = serialized.rfind(entry) if len(digest) == len(_NONE) else -1
    return None if start < 0 else start + len(entry) - len(_NONE)


def _digest(serialized: bytes, start: int, data_hash: str | None) -> str:
    """Return the digest of a model whose value of the digest begins at `start`."""
    view = memoryview(serialized)
    sha = hashlib.sha256(view[:start])
    sha.update(_NONE.encode())
    sha.update(view[start + len(_NONE) :])
    sha.update((data_hash or "").encode())
    return sha.hexdigest()
