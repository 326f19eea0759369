"""Find the shared libraries that an ELF file needs, and whether this machine has them.

The loader stops at the first library that is missing; a user who installs them wants all of them.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5
_MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little-endian
_HEADER = struct.Struct("<32xQ14xHH")  # offset, size and count of the program headers
_SEGMENT = struct.Struct("<I4xQQ8xQ16x")  # type; offset in the file, virtual address, size in the file
_ENTRY = struct.Struct("<qQ")  # tag, value


@dataclass(frozen=True, slots=True)
class SharedLibrary:
    """A shared library by name; `problem` is the loader's message, None if it can be loaded."""

    name: str
    problem: str | None


def find_libraries(names: Iterable[str]) -> tuple[SharedLibrary, ...]:
    """Try each library, by loading it and its dependencies into this process."""
    return tuple(SharedLibrary(name, load_library(name)) for name in names)


def load_library(name: str) -> str | None:
    """Load a shared library by name or path; returns the loader's message if that fails, else None."""
    try:
        ctypes.CDLL(name)
    except OSError as error:
        return str(error)
    return None


def needed_libraries(path: Path) -> tuple[str, ...]:
    """Return the DT_NEEDED names of a 64-bit little-endian ELF file, in their order. Raises ValueError for others."""
    if path.stat().st_size < _HEADER.size:
        raise ValueError(f"{path} is too short to be an ELF file")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:6] != _MAGIC:
            raise ValueError(f"{path} is not a 64-bit little-endian ELF file")
        return _needed_names(data)


def _needed_names(data: mmap.mmap) -> tuple[str, ...]:
    offset, size, count = _HEADER.unpack_from(data)
    segments = [_SEGMENT.unpack_from(data, offset + i * size) for i in range(count)]
    entries = _dynamic_entries(data, segments)

    # the table of strings is given by its virtual address: the segment that holds it has its offset in the file
    strings = next(value for tag, value in entries if tag == _DT_STRTAB)
    start = next(o + strings - a for kind, o, a, length in segments if kind == _PT_LOAD and a <= strings < a + length)
    return tuple(_string(data, start + value) for tag, value in entries if tag == _DT_NEEDED)


def _dynamic_entries(data: mmap.mmap, segments: list[tuple[int, ...]]) -> list[tuple[int, int]]:
    """Return the (tag, value) pairs of the dynamic section, up to its end mark."""
    entries: list[tuple[int, int]] = []
    for kind, offset, _, length in segments:
        if kind == _PT_DYNAMIC:
            for tag, value in _ENTRY.iter_unpack(data[offset : offset + length]):
                if tag == _DT_NULL:
                    break
                entries.append((tag, value))
    return entries


def _string(data: mmap.mmap, start: int) -> str:
    return data[start : data.find(b"\0", start)].decode()
