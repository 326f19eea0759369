"""Columns of .npz and .safetensors, views of the file; tokens of an .npy, in windows."""

from __future__ import annotations

import io
import json
import mmap
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.runtime import Array

_BROKEN = (ValueError, EOFError, KeyError, OSError, struct.error, zipfile.BadZipFile)


@dataclass(frozen=True)
class ArrayColumns:
    """Arrays by name, each with one row for an example."""

    arrays: Mapping[str, Array]
    is_typed = True
    is_random = False

    @property
    def kinds(self) -> Mapping[str, str]:
        """The element type and the shape of each column."""
        return {name: f"{array.dtype} {array.shape}" for name, array in self.arrays.items()}

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def take(self, name: str, rows: Array) -> Array:
        """Return some rows of a column."""
        taken: Array = self.arrays[name][rows]
        return taken

    def lengths(self, name: str) -> Array:
        """Return the length of each row of a column: the same for all."""
        return np.zeros(len(self), np.int64)


def open_arrays(path: Path) -> ArrayColumns:
    """Open the columns of a file, .npz or .safetensors, as views of it; those of a compressed .npz are read whole.

    Raises SpecError L201 if the file cannot be read, holds anything but arrays, or its columns differ in length.
    """
    try:
        columns = _OPENERS[path.suffix](path)
    except _BROKEN as error:
        raise unreadable(path, error) from error

    lengths = {name: len(column) if column.ndim else -1 for name, column in columns.items()}
    if not lengths or set(lengths.values()) == {0}:
        raise SpecError(Diagnostic("L201", f"{path} has no examples"))
    if len(set(lengths.values())) > 1 or -1 in lengths.values():
        shown = ", ".join(f"{name} {length if length >= 0 else 'none'}" for name, length in lengths.items())
        raise SpecError(Diagnostic("L201", f"the columns of {path} differ in length: {shown}"))
    return ArrayColumns(columns)


def open_tokens(path: Path, window: int | None) -> ArrayColumns:
    """Open a file of token ids, one after the other, as windows `tokens` and those one token further, `next`.

    Raises SpecError L201 if it cannot be read, is no list of whole numbers, or shorter than a window.
    """
    try:
        tokens = np.load(path, mmap_mode="r", allow_pickle=False)
    except _BROKEN as error:
        raise unreadable(path, error) from error
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
        found = f"{tokens.dtype} {tokens.shape}"
        raise SpecError(Diagnostic("L201", f"{path} must be a list of token ids, but is {found}"))
    if window is None:
        hint = "write `data: {window: 128}`"
        raise SpecError(Diagnostic("L201", f"{path}: how many tokens make an example is not said", hint=hint))

    count = (len(tokens) - 1) // window
    if count < 1:
        message = f"{path} has {len(tokens):,} tokens, too few for an example of {window:,} and the next token"
        raise SpecError(Diagnostic("L201", message, hint="write a smaller `window`"))
    windows = {"tokens": tokens[: count * window], "next": tokens[1 : count * window + 1]}
    return ArrayColumns({name: array.reshape(count, window) for name, array in windows.items()})


def unreadable(path: Path, error: Exception) -> SpecError:
    """Return L201 for a file that cannot be read."""
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return SpecError(Diagnostic("L201", f"cannot read the examples of {path}: {reason}"))


def _open_npz(path: Path) -> dict[str, Array]:
    with path.open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            return {info.filename.removesuffix(".npy"): _npz_member(archive, info, view) for info in members}


def _npz_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, view: memoryview) -> Array:
    """Return an array of the archive: a view of the file, unless it is compressed."""
    if info.compress_type != zipfile.ZIP_STORED:
        with archive.open(info) as member:
            whole: Array = np.lib.format.read_array(member, allow_pickle=False)
            return whole

    # the lengths in the local header may differ from those in the directory
    name, extra = struct.unpack_from("<HH", view, info.header_offset + 26)
    start = info.header_offset + 30 + name + extra
    header = io.BytesIO(view[start : start + min(info.file_size, 65_536)])
    version = np.lib.format.read_magic(header)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(header)
    if dtype.hasobject:
        raise ValueError(f"'{info.filename}' holds Python objects")
    return np.ndarray(shape, dtype, view, start + header.tell(), order="F" if is_fortran else "C")


_SAFETENSORS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1",
    "BOOL": "?",
}  # fmt: skip


def _open_safetensors(path: Path) -> dict[str, Array]:
    with path.open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    (length,) = struct.unpack_from("<Q", view)
    header = json.loads(bytes(view[8 : 8 + length]))
    header.pop("__metadata__", None)
    return {
        name: np.ndarray(each["shape"], _SAFETENSORS[each["dtype"]], view, 8 + length + each["data_offsets"][0])
        for name, each in header.items()
    }


_OPENERS: Mapping[str, Callable[[Path], dict[str, Array]]] = {".npz": _open_npz, ".safetensors": _open_safetensors}
