"""Artifacts: opened, run in a process without PyTorch, and refused with their cause."""

import dataclasses
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from stackc.artifact.atomic import atomic_folder
from stackc.artifact.folder import MANIFEST, load_artifact, run_artifact, seal, verify_files
from stackc.artifact.manifest import Manifest, write_manifest
from stackc.core.diagnostics import SpecError
from stackc.core.types import DimRange
from stackc.runtime import ValueInfo
from stackc.spec.source import load_source

WEIGHT = np.arange(12, dtype="float32").reshape(4, 3)

MODEL = """
<ir_version: 10, opset_import: ["" : 18]>
tiny (float[rows, 4] x) => (float[rows, 3] y)
<float[4, 3] weight = ["location": "LOCATION"]>
{ y = MatMul (x, weight) }
"""

TINY = Manifest(
    name="tiny",
    versions={"stackc": "0.1.0"},
    spec={"tiny.yaml": hashlib.sha256(b"the spec").hexdigest()},
    weights=None,
    dims={"rows": DimRange(1, 8)},
    inputs=(ValueInfo("x", "float32", ("rows", 4)),),
    outputs=(ValueInfo("y", "float32", ("rows", 3)),),
    opset=18,
    target="portable",
    runs_on="onnxruntime >= 1.18",
    provider="cpu",
    reason="asked for",
)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    target = tmp_path / "tiny"
    build(target)
    return target


def build(target: Path, location: str = "model.onnx.data") -> None:
    with atomic_folder(target) as folder:
        model = onnx.parser.parse_model(MODEL.replace("LOCATION", location))
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        WEIGHT.tofile(folder / "model.onnx.data")
        seal(folder, TINY)


def problem(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(SpecError) as raised:
        call()
    (diagnostic,) = raised.value.diagnostics
    return diagnostic.code, diagnostic.message


def test_every_file_is_in_the_manifest_with_its_hash(artifact: Path) -> None:
    loaded = load_artifact(artifact)
    names = ("model.onnx", "model.onnx.data")
    expected = {name: hashlib.sha256((artifact / name).read_bytes()).hexdigest() for name in names}
    assert loaded.manifest.files == expected
    assert loaded.model == artifact / "model.onnx"
    verify_files(loaded)


def test_the_same_build_is_the_same_bytes(artifact: Path, tmp_path: Path) -> None:
    build(tmp_path / "again")
    for path in artifact.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_run_is_what_numpy_computes(artifact: Path) -> None:
    x = np.random.default_rng(0).standard_normal((5, 4)).astype("float32")
    outputs = run_artifact(artifact, {"x": x}, "cpu", threads=1)
    np.testing.assert_allclose(outputs["y"], x @ WEIGHT, rtol=1e-5)


def test_run_imports_no_pytorch(artifact: Path) -> None:
    code = (
        "import sys, pathlib, numpy\n"
        "from stackc.artifact.folder import run_artifact\n"
        "outputs = run_artifact(pathlib.Path(sys.argv[1]), {'x': numpy.ones((2, 4), 'float32')})\n"
        "print(outputs['y'].tolist(), 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code, artifact], capture_output=True, text=True, check=True)
    assert run.stdout == "[[18.0, 22.0, 26.0], [18.0, 22.0, 26.0]] False\n"
    assert run.stderr == ""


def test_error_feeds_outside_the_contract(artifact: Path) -> None:
    refusal = problem(lambda: run_artifact(artifact, {"x": np.ones((9, 4), "float32")}, "cpu"))
    assert refusal == ("R417", "dim 'rows' must be at most 8, but is 9 at axis 0 of input 'x'")


def test_error_there_is_none(tmp_path: Path) -> None:
    assert problem(lambda: load_artifact(tmp_path / "no")) == ("A601", f"there is no artifact at {tmp_path / 'no'}")


def test_error_a_file_in_its_place(artifact: Path) -> None:
    assert problem(lambda: load_artifact(artifact / "model.onnx"))[0] == "A601"


def test_error_not_an_artifact(tmp_path: Path) -> None:
    assert problem(lambda: load_artifact(tmp_path)) == (
        "A602",
        f"{tmp_path} is not an artifact: it has no manifest.json",
    )


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"format": 9}'])
def test_error_broken_manifest(artifact: Path, content: bytes) -> None:
    (artifact / MANIFEST).write_bytes(content)
    code, message = problem(lambda: load_artifact(artifact))
    assert code == "A603"
    assert message.startswith(f"{artifact / MANIFEST} is broken: ")


def test_error_a_manifest_without_end(artifact: Path) -> None:
    os.truncate(artifact / MANIFEST, 1 << 40)  # a hole in the file: it takes no room on the disk
    assert problem(lambda: load_artifact(artifact)) == (
        "A603",
        f"{artifact / MANIFEST} is broken: it is larger than 64,000,000 bytes",
    )


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data"])
def test_error_missing_file(artifact: Path, name: str) -> None:
    (artifact / name).unlink()
    assert problem(lambda: load_artifact(artifact)) == ("A604", f"{artifact}: '{name}' is missing")


def add_file_name(artifact: Path, name: str) -> None:
    """Forge a manifest that lists one more file."""
    manifest = load_artifact(artifact).manifest
    forged = dataclasses.replace(manifest, files={**manifest.files, name: "0"})
    (artifact / MANIFEST).write_text(write_manifest(forged), encoding="utf-8")


def test_error_the_manifest_names_what_cannot_be(artifact: Path) -> None:
    name = "long" * 2000
    add_file_name(artifact, name)
    assert problem(lambda: load_artifact(artifact)) == ("A604", f"{artifact}: '{name}' is missing")


@pytest.mark.parametrize("name", ["../weights", "/etc/hostname", "sub/../../weights", "nul\0"])
def test_error_the_manifest_names_a_file_outside(artifact: Path, name: str) -> None:
    add_file_name(artifact, name)
    assert problem(lambda: load_artifact(artifact)) == ("A605", f"{artifact}: '{name}' lies outside the artifact")


@pytest.mark.parametrize("location", ["../weights", "LINK", "ABSOLUTE"])
def test_error_external_data_outside(tmp_path: Path, location: str) -> None:
    WEIGHT.tofile(tmp_path / "weights")
    location = location.replace("ABSOLUTE", str(tmp_path / "weights"))
    build(tmp_path / "tiny", location)
    os.symlink(tmp_path / "weights", tmp_path / "tiny" / "LINK")
    code, message = problem(lambda: load_artifact(tmp_path / "tiny"))
    assert code == "A605"
    assert message.endswith(f"model.onnx: the data of 'weight' lies outside, at {location}")


def test_error_external_data_outside_in_a_subgraph(artifact: Path) -> None:
    model = onnx.load(artifact / "model.onnx", load_external_data=False)
    inner = onnx.helper.make_graph([], "inner", [], [], [model.graph.initializer[0]])
    inner.initializer[0].external_data[0].value = "../../weights"
    model.graph.node.append(onnx.helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner))
    (artifact / "model.onnx").write_bytes(model.SerializeToString())
    assert problem(lambda: load_artifact(artifact))[0] == "A605"


def test_error_broken_model(artifact: Path) -> None:
    (artifact / "model.onnx").write_bytes(b"\x08\x0a\x3a\xff")
    code, message = problem(lambda: load_artifact(artifact))
    assert code == "A610"
    assert message.startswith(f"{artifact / 'model.onnx'} cannot be read: ")


def test_error_a_file_that_has_changed(artifact: Path) -> None:
    loaded = load_artifact(artifact)
    content = bytearray((artifact / "model.onnx.data").read_bytes())
    content[7] ^= 1
    (artifact / "model.onnx.data").write_bytes(content)
    assert problem(lambda: verify_files(loaded)) == (
        "A606",
        f"{artifact / 'model.onnx.data'} has changed since it was built",
    )


def test_error_a_file_that_came_later(artifact: Path) -> None:
    (artifact / "notes.txt").write_text("")
    assert problem(lambda: verify_files(load_artifact(artifact))) == (
        "A609",
        f"{artifact}: 'notes.txt' is not in the manifest",
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes")
@pytest.mark.parametrize("name", ["pipe", "sub/pipe", "model.onnx", "model.onnx.data", MANIFEST])
def test_error_a_pipe_is_refused_and_never_opened(artifact: Path, name: str) -> None:
    """To open a pipe that nobody writes to would wait for ever, and the test with it."""
    (artifact / name).unlink(missing_ok=True)
    (artifact / name).parent.mkdir(exist_ok=True)
    os.mkfifo(artifact / name)
    with pytest.raises(SpecError) as raised:
        verify_files(load_artifact(artifact))
    found = [(each.code, each.message) for each in raised.value.diagnostics]
    assert found == [("A614", f"{artifact}: '{name}' is a pipe, not a file")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes")
def test_error_a_pipe_is_not_packaged(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SpecError, match="A614"):
        seal(tmp_path, TINY)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes")
def test_error_a_lock_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "spec.lock.yaml")
    with pytest.raises(SpecError, match=r"S009.*it is a pipe"):
        load_source(tmp_path)


def test_error_a_link_to_a_device(artifact: Path) -> None:
    if not os.path.exists("/dev/zero"):
        pytest.skip("the system has no devices")
    (artifact / MANIFEST).unlink()
    (artifact / MANIFEST).symlink_to("/dev/zero")
    with pytest.raises(SpecError, match=r"A614.*a device"):
        load_artifact(artifact)
