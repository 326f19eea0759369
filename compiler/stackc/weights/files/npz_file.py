"""NumPy's .npz: a zip archive with an array in each member."""

from __future__ import annotations

import math
import tokenize
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stackc.weights.files.base import Array, ReadError, report_broken_file


@dataclass(frozen=True)
class NpzFile:
    """An open archive: opening it reads its whole directory, which would be slow to repeat for every tensor."""

    path: Path
    archive: zipfile.ZipFile
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    @staticmethod
    def open(path: Path) -> NpzFile:
        """Read the header of every array. Raises ReadError if one is broken or holds Python objects."""
        archive = zipfile.ZipFile(path)
        headers = {info.filename.removesuffix(".npy"): _npy_header(archive, info) for info in archive.infolist()}
        shapes = {name: shape for name, (shape, _) in headers.items()}
        return NpzFile(path, archive, shapes, {name: dtype.name for name, (_, dtype) in headers.items()})

    def read(self, name: str) -> Array:
        """Unpack one array."""
        with report_broken_file(self.path), self.archive.open(self._member(name)) as member:
            tensor: Array = np.lib.format.read_array(member, allow_pickle=False)
            return tensor

    def _member(self, name: str) -> str:
        return f"{name}.npy" if f"{name}.npy" in self.archive.NameToInfo else name


def _npy_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Return the shape and type of one array. Raises ReadError if its size does not match them."""
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        try:
            shape, _, dtype = read(member)
        except (tokenize.TokenError, SyntaxError):
            raise ReadError(f"'{info.filename}' has no array header") from None
        if dtype.hasobject:
            raise ReadError(f"'{info.filename}' holds Python objects", "save only arrays of numbers")
        if member.tell() + math.prod(shape) * dtype.itemsize != info.file_size:
            raise ReadError(f"'{info.filename}' does not have the size that its header says")
    return shape, dtype
