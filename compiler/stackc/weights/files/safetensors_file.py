"""safetensors: a header of names, types and offsets, then the tensors as they are in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

from stackc.weights.files.base import Array, ReadError, report_broken_file

SAFETENSORS_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


PRIVACY = "privacy"
"""The entry of the metadata of a file with weights of private training: what holds for them, as JSON."""
OWN_NAMES = ("names", "stackc")
"""The entry of the metadata of a file whose tensors have the names and the form of a spec, as those of a run have."""


@dataclass(frozen=True)
class SafetensorsFile:
    """A file of safetensors; `offsets` are the positions in it where the tensors begin, in bytes.

    With `has_own_names`, it was written for the spec itself: a map of the spec is about another file.
    """

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    offsets: Mapping[str, int]
    has_own_names: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    @staticmethod
    def open(path: Path) -> SafetensorsFile:
        """Read the header. Raises ReadError if the file is not complete."""
        _require_valid_header(path)
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
        metadata = header.pop("__metadata__", {})

        shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
        dtypes = {name: SAFETENSORS_TYPES.get(entry["dtype"], entry["dtype"]) for name, entry in header.items()}
        offsets = {name: 8 + size + entry["data_offsets"][0] for name, entry in header.items()}
        return SafetensorsFile(path, shapes, dtypes, offsets, OWN_NAMES in metadata.items())

    def read(self, name: str) -> Array:
        """Return a tensor as a view of the file: parts that are not accessed are not read and take no memory."""
        dtype = np.dtype(ml_dtypes.bfloat16 if self.dtypes[name] == "bfloat16" else self.dtypes[name])
        shape = self.shapes[name]
        if 0 in shape:
            return np.empty(shape, dtype)
        with report_broken_file(self.path):
            view: Array = np.memmap(self.path, dtype.newbyteorder("<"), "r", self.offsets[name], shape).view(np.ndarray)
            return view if view.flags.aligned else view.copy()


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a file that `open` has read."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        return dict(json.loads(file.read(size)).get("__metadata__", {}))


def _require_valid_header(path: Path) -> None:
    """Let safetensors check that types, shapes and offsets of the header agree with each other and with the file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            pass
    except SafetensorError as error:
        raise ReadError(str(error)) from None
