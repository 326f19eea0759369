"""`stackc deploy --to openvino`: the files of OpenVINO are held to the recorded outputs."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper
from tests.deployment.conftest import small_feeds

from stackc.artifact.folder import load_artifact, run_artifact, seal
from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.deployment.kinds import write_deployment
from stackc.runtime.openvino import convert_to_ir

pytestmark = pytest.mark.slow
openvino = pytest.importorskip("openvino")


def test_the_files_give_what_the_artifact_gives(small: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["deploy", str(small), "--to", "openvino", "-o", str(tmp_path / "ir"), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    assert report["files"] == ["model.bin", "model.xml"]
    assert {row["output"] for row in report["outputs"]} == {"logits", "factor"}
    assert all(row["found"] <= row["allowed"] and row["numbers"] for row in report["outputs"])

    # opened by OpenVINO itself, at another size, in the precision of the file
    feeds = small_feeds(2, 7, seed=1)
    compiled = openvino.Core().compile_model(
        str(tmp_path / "ir" / "model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    results = {output.get_any_name(): value for output, value in compiled(feeds).items()}
    for name, expected in run_artifact(small, feeds, "cpu", threads=1).items():
        np.testing.assert_allclose(results[name], expected, atol=1e-5)


def test_an_output_that_is_too_far_off(small: Path, tmp_path: Path) -> None:
    artifact = Path(shutil.copytree(small, tmp_path / "small"))
    manifest = load_artifact(artifact).manifest
    seal(artifact, dataclasses.replace(manifest, tolerances={"logits": 1e-30, "factor": 1.0}))
    with pytest.raises(SpecError) as refused:
        write_deployment(artifact, "openvino", tmp_path / "ir")
    (only,) = refused.value.diagnostics
    assert only.code == "D806"
    assert only.message.startswith("in OpenVINO the output 'logits' is ")
    assert not (tmp_path / "ir").exists()


def test_an_operator_that_openvino_lacks(tmp_path: Path) -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Mystery", ["x"], ["y"], domain="of.mine")], "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("of.mine", 1)]), tmp_path / "m.onnx")
    with pytest.raises(SpecError) as refused:
        convert_to_ir(tmp_path / "m.onnx", tmp_path / "m.xml")
    (only,) = refused.value.diagnostics
    assert only.code == "D805"
    assert "Mystery" in only.message
