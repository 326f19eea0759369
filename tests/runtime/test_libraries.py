"""The DT_NEEDED names, compared with readelf and with the loader."""

import ctypes.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stackc.runtime import libraries
from stackc.runtime.onnxruntime_internals import provider_library
from stackc.runtime.providers import DRIVER, cuda_libraries

linux = pytest.mark.skipif(sys.platform != "linux", reason="ELF is the format of Linux")


@linux
@pytest.mark.skipif(shutil.which("readelf") is None, reason="there is no readelf here to compare with")
def test_needed_is_what_readelf_prints() -> None:
    extension = Path(sys.modules["_ctypes"].__file__ or "")
    printed = subprocess.run(["readelf", "-d", extension], capture_output=True, text=True, check=True).stdout
    expected = [line.split("[")[1].rstrip("]") for line in printed.splitlines() if "(NEEDED)" in line]
    assert expected
    assert list(libraries.needed_libraries(extension)) == expected


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", b"not an ELF file, but long enough to be taken for the header of one...."]
)
def test_error_not_elf(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "libnot.so"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="ELF"):
        libraries.needed_libraries(file)


def test_resolve_tells_missing_from_found() -> None:
    c_library = ctypes.util.find_library("c") or "msvcrt"
    present, missing = libraries.find_libraries((c_library, "libnothere.so.1"))
    assert present.problem is None
    assert missing.problem is not None
    assert "libnothere.so.1" in missing.problem


@linux
def test_every_library_of_the_cuda_provider_resolves_but_the_drivers() -> None:
    """Needs no GPU: without the extras of onnxruntime-gpu, libcurand is the first missing library."""
    if provider_library("cuda") is None:
        pytest.skip("this build of ONNX Runtime has no CUDA provider")
    named = cuda_libraries()
    assert {"libcudart", "libcublas", "libcurand", "libcudnn"} <= {library.name.split(".")[0] for library in named}
    assert [library for library in named if library.problem and library.name != DRIVER] == []
