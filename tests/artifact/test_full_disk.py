"""A disk that fills up during a build: reported with the system's message, and the earlier artifact is kept."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from stackc.artifact.atomic import MANIFEST, atomic_folder
from stackc.artifact.folder import load_artifact, verify_files
from stackc.core.diagnostics import SpecError
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: tiny
inputs: {x: {shape: [batch, 64]}}
graph: x --> fc[linear] --> y[tanh]
nodes: {fc: {out: 1024}}
weights: {file: w.safetensors}
"""
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
from stackc.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec with 256 kB of weights in a file, its components compiled."""
    folder = tmp_path_factory.mktemp("spec")
    (folder / "tiny.yaml").write_text(SPEC, encoding="utf-8")
    weights = {"fc.weight": np.ones((1024, 64), "f4"), "fc.bias": np.zeros(1024, "f4")}
    save_file(weights, folder / "w.safetensors")
    build(folder / "tiny.yaml", Options(out=folder / "first", verify=False), lambda stage, summary: None)
    return folder / "tiny.yaml"


def command(spec: Path, out: Path) -> list[str]:
    return ["build", str(spec), "--no-verify", "-o", str(out)]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of a file there")
def test_a_file_beyond_the_limit(spec: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "stackc", *command(spec, tmp_path)], check=True, capture_output=True)
    before = (tmp_path / "tiny" / MANIFEST).read_bytes()
    limited = [sys.executable, "-c", LIMITED, "100000", *command(spec, tmp_path)]
    done = subprocess.run(limited, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"error[A608]: cannot write {tmp_path / 'tiny'}: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert (tmp_path / "tiny" / MANIFEST).read_bytes() == before
    verify_files(load_artifact(tmp_path / "tiny"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 kB: it has room for one artifact, but not for two."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no `mount` command to make a small disk with")
    if done.returncode:
        pytest.skip(f"a small disk needs the right to mount one: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_full(spec: Path, small_disk: Path) -> None:
    options = Options(out=small_disk, verify=False)
    build(spec, options, lambda stage, summary: None)
    with pytest.raises(SpecError, match=r"A608.*cannot write .*tiny: No space left on device"):
        build(spec, options, lambda stage, summary: None)
    assert [path.name for path in small_disk.iterdir()] == ["tiny"]
    verify_files(load_artifact(small_disk / "tiny"))


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO"])
def test_error_by_the_system_s_word(name: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="A608"), atomic_folder(tmp_path / "t"):
        raise OSError(getattr(errno, name), "the system's message")
    assert not list(tmp_path.iterdir())


def test_what_is_not_about_the_disk_is_not_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError), atomic_folder(tmp_path / "t"):
        raise ConnectionError(errno.ECONNRESET, "of something else")
    assert not list(tmp_path.iterdir())
