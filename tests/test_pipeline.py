"""`build` from a spec to the artifact: what is in it, that it is whole, and that a wrong model never gets there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import stackc.pipeline as building
from stackc.artifact.folder import load_artifact, verify_files
from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[1] / "specs"
FILES = {
    "model.onnx", "spec.lock.yaml", "manifest.json", "testvectors.npz", "graph.svg", "parity.json", "report.json",
    "report.html",
}  # fmt: skip


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(SPECS / "seed.mmd", Options(out=tmp_path_factory.mktemp("seed"))).folder


def test_the_artifact_has_every_file_and_each_is_what_the_manifest_says(seed: Path) -> None:
    assert {path.name for path in seed.iterdir()} == FILES
    verify_files(load_artifact(seed))
    manifest = json.loads((seed / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["runs_on"] == "onnxruntime >= 1.23", "as opset 23 does"
    assert manifest["dims"] == {
        "batch": {"min": 1, "max": None, "multiple_of": 1},
        "seq": {"min": 2, "max": 512, "multiple_of": 1},
    }
    rows = manifest["parity"]["rows"]
    sizes = {(row["sizes"]["batch"], row["sizes"]["seq"]): row["point"] for row in rows if row["draw"] == "random"}
    assert {point for (batch, seq), point in sizes.items() if batch == 13 and seq == 3} <= {"prime", "jittered"}
    assert max(batch for batch, _ in sizes) == 64, "the largest size that a dim without a maximum is proven at"
    assert max(seq for _, seq in sizes) == 512
    assert [row["sizes"] for row in rows if row["point"] == "smallest"] == [{"batch": 1, "seq": 2}]


def test_every_onnx_node_leads_back_to_its_line(seed: Path) -> None:
    model = onnx.load(seed / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    lines = (SPECS / "seed.mmd").read_text(encoding="utf-8").splitlines()
    paths = set()
    for node in model.graph.node:
        entries = {entry.key: entry.value for entry in node.metadata_props}
        file, _, line = entries["stackc.source"].rpartition(":")
        assert Path(file).name == "seed.mmd"
        path = entries["stackc.path"]
        drawn = path.split(".")[-1].removesuffix("_merge")
        assert drawn in lines[int(line) - 1], (path, line)
        assert node.name.startswith(path)
        paths.add(path)
    assert paths == {"A.attn", "A.add1", "A.norm1", "A.mlp", "A.add2", "A.norm2", "C", "D", "E", "F_merge", "F"}


def test_the_test_vectors_are_what_pytorch_gave(seed: Path) -> None:
    from stackc.proof.eager import run_eager
    from stackc.torch_backend.lower import lower

    checked = check_spec(SPECS / "seed.mmd")
    with np.load(seed / "testvectors.npz") as vectors:
        expected = run_eager(lower(checked.typed).eval(), {"x": vectors["input.x"]}, checked.program).outputs["F"]
        np.testing.assert_array_equal(vectors["output.F"], expected)


def test_the_same_spec_gives_the_same_bytes(seed: Path, tmp_path: Path) -> None:
    again = build(SPECS / "seed.mmd", Options(out=tmp_path, verify=False, measure=False)).folder
    for name in ("model.onnx", "spec.lock.yaml", "graph.svg"):
        assert (again / name).read_bytes() == (seed / name).read_bytes(), name


def test_the_lock_gives_the_same_model(seed: Path, tmp_path: Path) -> None:
    again = build(seed / "spec.lock.yaml", Options(out=tmp_path, verify=False, measure=False)).folder
    assert (again / "model.onnx").read_bytes() == (seed / "model.onnx").read_bytes()


@pytest.mark.parametrize("spec", ["ensemble.yaml", "deep_bert.yaml"])
@pytest.mark.parametrize("opset", [18, 23])
def test_specs_are_proven_at_both_opsets(spec: str, opset: int, tmp_path: Path) -> None:
    small = Overrides({"vocab": "500"})
    built = build(SPECS / spec, Options(small, out=tmp_path, opset=opset, measure=False))
    assert built.parity is not None
    assert {row.point.name for row in built.parity.rows} >= {"smallest", "prime", "largest", "jittered"}
    assert {version.version for version in onnx.load(built.folder / "model.onnx").opset_import} == {opset}


def test_a_fixed_dim_is_a_number_in_the_file(tmp_path: Path) -> None:
    options = Options(Overrides(dims={"batch": 4}), out=tmp_path, measure=False)
    folder = build(SPECS / "stacked.yaml", options).folder
    (x,) = onnx.load(folder / "model.onnx").graph.input
    assert [dim.dim_value for dim in x.type.tensor_type.shape.dim] == [4, 128]


def test_a_model_that_differs_fails_the_build_and_the_earlier_artifact_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build(SPECS / "normalized.yaml", Options(out=tmp_path, measure=False)).folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    honest = building._write

    def tampered(assembled: Any, step: Any, tensors: Any, checked: Any, folder: Path) -> Any:
        exported = honest(assembled, step, tensors, checked, folder)
        model = onnx.load(folder / "model.onnx")
        (bias,) = (t for t in model.graph.initializer if t.name == "linear.bias")
        array = onnx.numpy_helper.to_array(bias).copy()
        array[7] += 1e-4
        bias.CopyFrom(onnx.numpy_helper.from_array(array, bias.name))
        onnx.save(model, folder / "model.onnx")
        return exported

    monkeypatch.setattr(building, "_write", tampered)
    with pytest.raises(SpecError) as caught:
        build(SPECS / "normalized.yaml", Options(out=tmp_path, measure=False))
    (found,) = caught.value.diagnostics
    assert found.code == "P701"
    assert found.message.startswith("'linear' (linear) differs from PyTorch: ")
    assert found.span is not None
    line = (SPECS / "normalized.yaml").read_text(encoding="utf-8").splitlines()[found.span.line - 1]
    assert line[found.span.column - 1 : found.span.end - 1] == "linear"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(tmp_path.iterdir()) == [folder]


def test_killed_in_the_middle_the_earlier_artifact_stands(tmp_path: Path) -> None:
    """A real `stackc build`, killed with -9 while its new folder is half written."""
    folder = build(SPECS / "normalized.yaml", Options(out=tmp_path, verify=False, measure=False)).folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    command = [
        sys.executable,
        "-m",
        "stackc",
        "build",
        str(SPECS / "normalized.yaml"),
        "--out",
        str(tmp_path),
        "--seed",
        "9",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not any(tmp_path.glob(".normalized.*/new/model.onnx")):
        assert process.poll() is None, "the build ended before it wrote a model"
        assert time.monotonic() < end
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    build(SPECS / "normalized.yaml", Options(out=tmp_path, seed=9, verify=False, measure=False))
    assert list(tmp_path.iterdir()) == [folder], "the next build cleans up"
    assert (folder / "model.onnx").read_bytes() != before["model.onnx"]
