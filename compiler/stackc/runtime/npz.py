"""Arrays by name in .npz files: reading runs nothing that is in them, writing is atomic."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import ml_dtypes
import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.runtime.feeds import Array, Feeds

_HINT = "numpy.savez(path, NAME=array, ...) writes one"
# Raised by numpy and zipfile for a file that is truncated, damaged, encrypted, or claims to be larger than it is.
_BROKEN = (ValueError, EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


def read_npz(path: Path) -> dict[str, Array]:
    """Read the arrays of an .npz file by name. Raises SpecError: R421 if it cannot be read, R422 if it is no .npz."""
    try:
        with path.open("rb") as file:  # numpy itself does not close a file that it finds broken
            return _arrays(path, np.load(file, allow_pickle=False))
    except OSError as error:
        raise SpecError(Diagnostic("R421", f"cannot read {path}: {error.strerror or error}")) from error
    except _BROKEN as error:
        raise SpecError(Diagnostic("R422", f"{path} is not a whole .npz file: {_reason(error)}", hint=_HINT)) from error


def _reason(error: Exception) -> str:
    """Return what is broken. NumPy proposes to unpickle what it cannot read, which runs code: never quote that."""
    if "Object arrays" in str(error):
        return "an array holds Python objects, not numbers"
    return "it begins as no .npz does" if "pickle" in str(error) else str(error)


def _arrays(path: Path, loaded: object) -> dict[str, Array]:
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        raise SpecError(Diagnostic("R422", f"{path} holds one array without a name", hint=_HINT))
    with loaded:
        arrays = {name: _with_bfloat16(loaded[name]) for name in loaded.files}
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise SpecError(Diagnostic("R422", f"'{name}' in {path} is not an array", hint=_HINT))
    return arrays


def _with_bfloat16(array: Array) -> Array:
    """Return an array of unnamed elements of two bytes as bfloat16: that is how NumPy, which lacks it, writes one."""
    is_unnamed = isinstance(array, np.ndarray) and array.dtype == np.dtype("V2")
    return array.view(ml_dtypes.bfloat16) if is_unnamed else array


def write_npz(path: Path, arrays: Feeds) -> None:
    """Write arrays by name, the same bytes for the same arrays. Raises SpecError (R423) if that is not possible."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with temporary.open("wb") as file:
                _write(file, arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise SpecError(Diagnostic("R423", f"cannot write {path}: {error.strerror or error}")) from error


def _write(file: BinaryIO, arrays: Feeds) -> None:
    """Write what numpy.savez writes, which takes names as keywords and so cannot take those of its own parameters."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
