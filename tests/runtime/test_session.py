"""Sessions on the CPU, against numpy."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stackc.core.diagnostics import SpecError
from stackc.runtime import ValueInfo, open_session, run_once

WEIGHT = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
X = np.random.default_rng(1).standard_normal((5, 4)).astype("float32")


def model() -> onnx.ModelProto:
    """relu(x · weight), and the row that a scalar index names."""
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["product"], name="encoder.0.q/MatMul"),
        helper.make_node("Relu", ["product"], ["y"], name="encoder.0/Relu"),
        helper.make_node("Gather", ["y", "index"], ["row"], name="head/Gather"),
    ]

    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4]),
        helper.make_tensor_value_info("index", TensorProto.INT64, []),
    ]
    outputs = [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 3]),
        helper.make_tensor_value_info("row", TensorProto.FLOAT, [None]),
    ]

    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(WEIGHT, "weight")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


FEEDS = {"x": X, "index": np.array(2)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    onnx.save(model(), tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_run_is_what_numpy_computes(path: Path) -> None:
    outputs = open_session(path, "cpu", threads=1, deterministic=True).run(FEEDS)
    expected = np.maximum(X @ WEIGHT, 0)
    assert list(outputs) == ["y", "row"]
    np.testing.assert_allclose(outputs["y"], expected, rtol=1e-6)
    np.testing.assert_allclose(outputs["row"], expected[2], rtol=1e-6)


def test_evaluate_and_a_session_from_bytes(path: Path) -> None:
    serialized = path.read_bytes()
    y, row = run_once(serialized, FEEDS)
    np.testing.assert_allclose(y, np.maximum(X @ WEIGHT, 0), rtol=1e-6)
    np.testing.assert_array_equal(open_session(serialized, "cpu").run(FEEDS)["row"], row)


def test_inputs_and_outputs_keep_their_names_dtypes_and_dims(path: Path) -> None:
    """ONNX Runtime knows more than the model says: it infers the size of the row."""
    session = open_session(path, "cpu")
    assert session.inputs == (ValueInfo("x", "float32", ("rows", 4)), ValueInfo("index", "int64", ()))
    assert session.outputs == (ValueInfo("y", "float32", ("rows", 3)), ValueInfo("row", "float32", (3,)))
    assert (session.provider, session.reason) == ("cpu", "asked for")


def test_bound_inputs_give_the_same_outputs(path: Path) -> None:
    session = open_session(path, "cpu")
    transposed = np.asfortranarray(X)  # not contiguous: its bytes are not the tensor's
    bound = session.bind({"x": transposed, "index": np.array(2)})
    bound()
    bound()
    np.testing.assert_allclose(bound.outputs()["y"], np.maximum(X @ WEIGHT, 0), rtol=1e-6)
    assert bound.outputs()["row"].shape == (3,)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x0a"])
def test_error_not_a_model(tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "model.onnx"
    broken.write_bytes(content)
    with pytest.raises(SpecError, match=r"R405.*ONNX Runtime cannot open .*model\.onnx"):
        open_session(broken, "cpu")
    assert capfd.readouterr() == ("", "")


def test_error_no_model_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"R405.*there is no model file"):
        open_session(tmp_path / "model.onnx", "cpu")


def test_error_a_run_that_fails_says_so_once(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """ONNX Runtime writes the same to the standard error stream; nothing of that is left."""
    with pytest.raises(SpecError, match=r"R406.*the model does not run on these inputs: .*Gather.*out of data bounds"):
        open_session(path, "cpu").run({"x": X, "index": np.array(5)})
    assert capfd.readouterr() == ("", "")


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, stackc.runtime, stackc.artifact.folder, stackc.cli.diagnose, stackc.timing\n"
        "print(sorted({'torch', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_small_model_gives_the_same_bytes_wherever_its_input_lies() -> None:
    """ONNX Runtime's sums take another order off an address that 16 divides, which a mapped file often is."""
    body = "(float[16,32] x) => (float y) { y = ReduceMean <keepdims = 0> (x) }"
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 23]> g {body}').SerializeToString()
    x = np.random.default_rng(0).standard_normal((16, 32), dtype=np.float32)
    means = set()
    for offset in range(0, 64, 4):
        buffer = np.zeros(x.nbytes + 128, np.uint8)
        start = -buffer.ctypes.data % 64 + offset
        moved = buffer[start : start + x.nbytes].view(np.float32).reshape(x.shape)
        moved[...] = x
        means.add(run_once(model, {"x": moved})[0].tobytes())
    assert len(means) == 1
    np.testing.assert_allclose(np.frombuffer(means.pop(), np.float32)[0], x.mean(dtype=np.float64), rtol=1e-4)
