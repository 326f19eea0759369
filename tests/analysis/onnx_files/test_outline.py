"""ONNX files of any origin, shown and compared: by scopes of names, external data not read, and hostile ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper

from stackc.analysis.onnx_files.outline import outline_file
from stackc.cli import cli
from stackc.core.diagnostics import SpecError


def stackc(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def layered(path: Path, layers: int = 3, scale: float = 1.0, rename: str = "w", op: str = "Relu") -> Path:
    """A file named as PyTorch's older exporter names: equal layers in a scope."""
    nodes, tensors, value = [], [], "x"
    for i in range(layers):
        weight = np.arange(16, dtype=np.float32).reshape(4, 4) * (i + 1) * scale
        tensors.append(numpy_helper.from_array(weight, f"encoder.layer.{i}.{rename}"))
        scope = f"/encoder/layer.{i}"
        nodes.append(helper.make_node("MatMul", [value, tensors[-1].name], [f"h{i}"], name=f"{scope}/dense/MatMul"))
        nodes.append(helper.make_node(op, [f"h{i}"], [f"y{i}"], name=f"{scope}/act/{op}"))
        value = f"y{i}"
    nodes.append(helper.make_node("ReduceSum", [value], ["y"], name="/pool/ReduceSum"))
    x, y = (
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4]),
        helper.make_tensor_value_info("y", 1, [1, 1]),
    )
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    model = helper.make_model(graph, producer_name="torch", opset_imports=[helper.make_opsetid("", 18)])
    onnx.save(model, path)
    return path


def test_a_file_is_shown_by_scopes_and_equal_ones_are_one(tmp_path: Path) -> None:
    lines = stackc("show", layered(tmp_path / "a.onnx"), "--depth", 4).output.splitlines()
    assert lines[0].endswith("opset ai.onnx 18")
    assert "written by torch" in lines[0]
    assert lines[1:] == [
        "  7 nodes: 3 MatMul, 3 Relu, ReduceSum",
        "  3 initializers, 48 numbers, 192 B",
        "  in   x: float32[n, 4]",
        "  out  y: float32[1, 1]",
        "├── encoder: 3 MatMul, 3 Relu, 48 numbers",
        "│   └── layer: 3 MatMul, 3 Relu, 48 numbers",
        "│       └── 0…2 ×3: MatMul, Relu, 16 numbers",
        "│           ├── dense: MatMul, 16 numbers",
        "│           └── act: Relu",
        "└── pool: ReduceSum",
    ]


def test_scopes_of_the_newer_exporter_are_in_its_namespaces(tmp_path: Path) -> None:
    model = onnx.load(layered(tmp_path / "a.onnx", 1))
    for number, node in enumerate(model.graph.node):
        scope = f": Model/encoder: Encoder/encoder.layer.{number}: Layer/node_{number}"
        node.name = f"node_{number}"
        node.metadata_props.add(key="namespace", value=scope)
    onnx.save(model, tmp_path / "a.onnx")
    scopes = {scope for scope, _ in outline_file(tmp_path / "a.onnx").operators}
    assert scopes == {("encoder", "0"), ("encoder", "1"), ("encoder", "2")}


def test_nodes_in_subgraphs_and_functions_are_counted(tmp_path: Path) -> None:
    text = """<ir_version: 10, opset_import: ["" : 18, "own" : 1]>
    g (bool c, float[2] x) => (float[2] y) {
      t = own.twice (x)
      y = If (c) <then_branch = a () => (float[2] p) { p = Neg (t) },
                  else_branch = b () => (float[2] q) { q = Abs (t) }>
    }
    <domain: "own", opset_import: ["" : 18]> twice (v) => (w) { w = Add (v, v) }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "a.onnx")
    outline = outline_file(tmp_path / "a.onnx")
    assert outline.counts() == {"own.twice": 1, "If": 1, "Neg": 1, "Abs": 1, "Add": 1}
    assert outline.functions == 1


def test_external_data_is_not_read(tmp_path: Path) -> None:
    path = layered(tmp_path / "a.onnx")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="a.data", size_threshold=0)
    with (tmp_path / "a.data").open("ab") as data:
        data.truncate(1 << 40)  # a terabyte of holes
    assert "data in a.data: 1.1 TB, not read" in stackc("show", path).output
    (tmp_path / "a.data").unlink()
    shown = stackc("show", path)
    assert (shown.exit_code, "data in a.data: missing" in shown.output, "192 B" in shown.output) == (0, True, True)
    assert "3 tensors in external data compared by type alone" in stackc("diff", path, path).output


def test_hostile_files(tmp_path: Path) -> None:
    """Names with escapes, scopes of any depth, tensors shorter than their shape, and of unknown types."""
    model = onnx.load(layered(tmp_path / "a.onnx"))
    model.graph.node[0].name = "/".join(["s"] * 50_000) + "/MatMul"
    model.graph.node[1].name = "\x1b[31mred/\u202eRelu"
    model.graph.initializer[0].dims[:] = [2**40, 2**20]
    model.graph.initializer[1].data_type = 99
    model.producer_name = "\x1b]0;title\x07"
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    shown = stackc("show", tmp_path / "a.onnx", "--depth", 100)
    assert shown.exit_code == 0, shown.exception
    assert "\x1b" not in shown.output
    assert "\u202e" not in shown.output

    (tmp_path / "b.onnx").write_bytes(b"\x08\x0a" + b"\xff" * 100)
    with pytest.raises(SpecError, match="A610"):
        outline_file(tmp_path / "b.onnx")
    with pytest.raises(SpecError, match="A610"):
        outline_file(tmp_path / "none.onnx")


def test_equal_files_do_not_differ(tmp_path: Path) -> None:
    done = stackc("diff", layered(tmp_path / "a.onnx"), layered(tmp_path / "b.onnx"))
    assert done.output.splitlines()[2:] == ["no difference"]


def test_differences_are_of_operators_tensors_and_interface(tmp_path: Path) -> None:
    one, other = layered(tmp_path / "a.onnx"), layered(tmp_path / "b.onnx", 4, op="Gelu", scale=1.0)
    model = onnx.load(other)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((4, 4), np.float32), "encoder.layer.0.w"))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "rows"
    onnx.save(model, other)
    changes = json.loads(stackc("diff", one, other, "--json").output)["changes"]
    told = {(c["kind"], c["what"], c["name"]): (c["before"], c["after"]) for c in changes}
    assert told == {
        ("changed", "input", "x"): ("float32[n, 4]", "float32[rows, 4]"),
        ("added", "operator", "Gelu (in encoder.layer.0.act, encoder.layer.1.act, encoder.layer.2.act)"): ("0", "4"),
        ("removed", "operator", "Relu (in encoder.layer.0.act, encoder.layer.1.act, encoder.layer.2.act)"): ("3", "0"),
        ("changed", "operator", "MatMul"): ("3", "4"),
        ("changed", "tensor", "encoder.layer.0.w, float[4, 4]"): ("its numbers", "others"),
        ("added", "tensor", "encoder.layer.3.w"): (None, "float[4, 4]"),
    }


def test_renamed_tensors_are_led_to_their_new_names(tmp_path: Path) -> None:
    done = stackc("diff", layered(tmp_path / "a.onnx"), layered(tmp_path / "b.onnx", rename="weight"))
    assert done.output.splitlines()[2:] == [
        f"→ tensor encoder.layer.{i}.w, float[4, 4]: encoder.layer.{i}.w → encoder.layer.{i}.weight" for i in range(3)
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("diff", "a.onnx", "spec.yaml"), "an ONNX file is compared with another"),
        (("diff", "a.onnx", "a.onnx", "--markdown"), "all other options are for specs"),
        (("show", "a.onnx", "-o", "a.svg"), "an ONNX file is shown as text"),
        (("show", "a.onnx", "--as", "torch"), "an ONNX file is shown as text"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], message: str) -> None:
    done = stackc(*arguments)
    assert (done.exit_code, message in " ".join(done.output.split())) == (2, True)
