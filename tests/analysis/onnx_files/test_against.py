"""An ONNX file of another exporter, run beside an artifact: outputs, components, and where the two part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import numpy_helper

import stackc
from stackc.cli import cli
from stackc.core.diagnostics import SpecError

pytestmark = pytest.mark.slow

SPEC = """
stackc: 1
name: small
dims: {batch: {max: 8}}
inputs: {x: {shape: [batch, 6]}}
graph: x --> up[linear] --> act[relu] --> norm[layer_norm] --> down[linear]
nodes: {up: {out: 8}, down: {out: 4}}
"""
OTHER = """<ir_version: 10, opset_import: ["" : 18]>
other (float[n, 6] inp) => (float[n, 4] result) {
  m = MatMul (inp, wt)
  h = Add (m, b)
  r = Relu (h)
  n = LayerNormalization (r, g, z)
  o = MatMul (n, vt)
  result = Add (o, c)
}"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("against")
    (folder / "small.yaml").write_text(SPEC, encoding="utf-8")
    return stackc.build(folder / "small.yaml", stackc.Options(out=folder, measure=False)).folder


@pytest.fixture
def other(artifact: Path, tmp_path: Path) -> Path:
    """The same model, written by hand under other names."""
    state = {n: t.detach().numpy() for n, t in stackc.module(artifact.parent / "small.yaml").state_dict().items()}
    weights = {"wt": state["up.weight"].T, "b": state["up.bias"], "g": state["norm.weight"], "z": state["norm.bias"]}
    weights |= {"vt": state["down.weight"].T, "c": state["down.bias"]}
    model = onnx.parser.parse_model(OTHER)
    for name, array in weights.items():
        model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
    onnx.save(model, tmp_path / "other.onnx")
    return tmp_path / "other.onnx"


def verify(artifact: Path, file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["verify", str(artifact), "--against", str(file), "--provider", "cpu", *arguments])


def edit(path: Path, name: str, change: float) -> None:
    model = onnx.load(path)
    (tensor,) = [t for t in model.graph.initializer if t.name == name]
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32(change), name))
    onnx.save(model, path)


def test_an_equal_file_under_other_names(artifact: Path, other: Path) -> None:
    done = verify(artifact, other)
    assert done.exit_code == 0, done.exception
    assert "down (result):" in done.output
    assert "4 of 4 components found" in done.output
    facts = json.loads(verify(artifact, other, "--json").output)
    assert [row["tensor"] for row in facts["components"]] == ["h", "r", "n", "result"]
    assert all(row["found"] <= row["allowed"] for row in facts["outputs"])


@pytest.mark.parametrize(("tensor", "path"), [("b", "up"), ("g", "norm"), ("c", "down")])
def test_error_the_component_at_which_they_part(artifact: Path, other: Path, tensor: str, path: str) -> None:
    edit(other, tensor, 0.25)
    done = verify(artifact, other)
    assert isinstance(done.exception, SpecError)
    (only,) = done.exception.diagnostics
    assert only.code == "P721"
    assert f"'{path}'" in only.notes[0].message
    assert only.notes[0].span.line == 6
    assert "✗ output   down (result)" in done.output


def test_functions_of_the_file_are_seen_through(artifact: Path, other: Path) -> None:
    model = onnx.load(other)
    body, names = list(model.graph.node), [tensor.name for tensor in model.graph.initializer]
    function = onnx.helper.make_function("own", "All", ["inp", *names], ["result"], body, model.opset_import)
    del model.graph.node[:]
    model.graph.node.append(onnx.helper.make_node("All", ["inp", *names], ["result"], domain="own"))
    model.functions.append(function)
    model.opset_import.append(onnx.helper.make_opsetid("own", 1))
    onnx.save(model, other)
    assert "4 of 4 components found" in verify(artifact, other).output


def test_external_data_of_the_file(artifact: Path, other: Path) -> None:
    onnx.save(onnx.load(other), other, save_as_external_data=True, location="w.data", size_threshold=0)
    assert "4 of 4 components found" in verify(artifact, other).output


def test_error_other_inputs_or_nothing_recorded(artifact: Path, other: Path, tmp_path: Path) -> None:
    model = onnx.load(other)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((5, 8), np.float32), "wt"))
    onnx.save(model, tmp_path / "five.onnx")
    done = verify(artifact, tmp_path / "five.onnx")
    assert "P723" in str(done.exception)

    model.graph.input.add().CopyFrom(onnx.helper.make_tensor_value_info("more", 1, [1]))
    onnx.save(model, tmp_path / "two.onnx")
    assert "paired by name" in str(getattr(verify(artifact, tmp_path / "two.onnx").exception, "diagnostics", ""))

    options = stackc.Options(out=tmp_path, verify=False)
    unproven = stackc.build(artifact.parent / "small.yaml", options).folder
    assert "P722" in str(verify(unproven, other).exception)
    assert "A610" in str(verify(artifact, tmp_path / "none.onnx").exception)


def test_two_artifacts_tell_latency_and_error(artifact: Path, tmp_path: Path) -> None:
    spec = artifact.parent / "small.yaml"
    timed = stackc.build(spec, stackc.Options(out=tmp_path, provider="cpu", threads=1)).folder
    text = CliRunner().invoke(cli, ["diff", str(artifact), str(timed)]).output
    assert "latency, p50 in ms: not measured → " in text
    assert "ratio to eager PyTorch: not measured → " in text
    figures = json.loads(CliRunner().invoke(cli, ["diff", str(artifact), str(timed), "--json"]).output)["measured"]
    measured = {figure["name"]: (figure["before"], figure["after"]) for figure in figures}
    report = json.loads((timed / "report.json").read_text(encoding="utf-8"))
    assert measured["latency, p50 in ms"] == (None, report["milliseconds"]["onnx"]["p50"])
    rows = json.loads((timed / "parity.json").read_text(encoding="utf-8"))["outputs"]
    worst = max(100 * row["onnx"] / row["allowed"] for row in rows)
    assert measured["error of down, % of what is allowed"][1] == pytest.approx(worst)
    assert "latency" not in CliRunner().invoke(cli, ["diff", str(spec), str(timed)]).output
