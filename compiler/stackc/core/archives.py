"""Zip archives that unpack to more than their own size."""

from __future__ import annotations

import zipfile
from pathlib import Path


def zip_bomb_size(path: Path) -> int | None:
    """Return the bytes that a zip archive unpacks to if they exceed the size of the file, else None.

    A small archive can unpack to gigabytes. Archives whose members are stored uncompressed, as NumPy's and PyTorch's
    are, are always larger than their content. Raises zipfile.BadZipFile, OSError or ValueError if it cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
    return unpacked if unpacked > path.stat().st_size else None
