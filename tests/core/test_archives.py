"""Zip archives that unpack to more than their own size."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from stackc.core.archives import zip_bomb_size


@pytest.mark.parametrize(("compression", "expected"), [(zipfile.ZIP_STORED, None), (zipfile.ZIP_DEFLATED, 100_000)])
def test_only_compressed_members_can_exceed_the_size_of_the_file(
    compression: int, expected: int | None, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", compression) as archive:
        archive.writestr("zeros", bytes(60_000))
        archive.writestr("more zeros", bytes(40_000))
    assert zip_bomb_size(tmp_path / "a.zip") == expected


def test_what_numpy_saves_is_not_compressed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", zeros=np.zeros(10_000))
    assert zip_bomb_size(tmp_path / "a.npz") is None


def test_error_not_an_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"not an archive")
    with pytest.raises(zipfile.BadZipFile):
        zip_bomb_size(tmp_path / "a.zip")
