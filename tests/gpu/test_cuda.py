"""Parity and speed on CUDA, with inputs and outputs bound to the device: `pytest -m gpu`."""

import json
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from stackc.runtime import Array, Session, off_provider_nodes, open_session, placement
from stackc.timing import eager_candidate, measure, session_candidate

pytestmark = pytest.mark.gpu

WIDTH = 1024


@dataclass(frozen=True)
class Case:
    """gelu(x · a) · b in float64, in float32 by PyTorch on the GPU, and as an ONNX model."""

    x: Array
    truth: Array
    module: torch.nn.Module
    model: bytes

    @property
    def allowed(self) -> float:
        """2·max|p − t| + 8 ulp of max|t|, with p as eager PyTorch computes it on this GPU."""
        with torch.inference_mode():
            p = self.module(torch.from_numpy(self.x).cuda()).cpu().numpy()
        ulp = float(np.spacing(np.float32(np.abs(self.truth).max())))
        return 2 * float(np.abs(p - self.truth).max()) + 8 * ulp


@pytest.fixture(scope="module")
def case() -> Case:
    torch.manual_seed(0)
    up, down = (torch.nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(2))
    module = torch.nn.Sequential(up, torch.nn.GELU(), down)
    x = torch.randn(64, WIDTH)
    weights = {name: layer.weight.detach().T.numpy().copy() for name, layer in (("a", up), ("b", down))}
    with torch.inference_mode():
        truth = module.double()(x.double()).numpy()
    return Case(x.numpy(), truth, module.float().cuda(), onnx_model(weights))


def onnx_model(weights: dict[str, Array]) -> bytes:
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"], name="up/MatMul"),
        helper.make_node("Gelu", ["h"], ["g"], name="gelu/Gelu"),
        helper.make_node("MatMul", ["g", "b"], ["y"], name="down/MatMul"),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", WIDTH]) for name in "xy")
    initializers = [numpy_helper.from_array(weight, name) for name, weight in weights.items()]
    graph = helper.make_graph(nodes, "mlp", [x], [y], initializers)
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
    )


@pytest.fixture(scope="module")
def session(case: Case) -> Session:
    return open_session(case.model, "cuda")


def test_auto_takes_cuda() -> None:
    identity = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 18]> g (float[n] x) => (float[n] y) { y = Identity (x) }'
    )
    assert open_session(identity.SerializeToString(), "auto").provider == "cuda"


def test_every_node_is_on_cuda(session: Session) -> None:
    assert placement(session)
    assert off_provider_nodes(session, ("up", "gelu", "down")) == {}


def test_parity(case: Case, session: Session) -> None:
    """float32 is float32: rounded to TF32, the products of 1024 terms would be hundreds of times too far off."""
    assert np.abs(session.run({"x": case.x})["y"] - case.truth).max() <= case.allowed


def test_parity_with_bound_inputs_and_outputs(case: Case, session: Session) -> None:
    bound = session.bind({"x": case.x})
    bound()
    assert np.abs(bound.outputs()["y"] - case.truth).max() <= case.allowed


def test_speed_is_measured_on_the_device(case: Case, session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the figures, which are not tested."""
    candidates = {
        "eager": eager_candidate(case.module, [torch.from_numpy(case.x).cuda()]),
        "onnx": session_candidate(session, {"x": case.x}),
    }
    comparison = measure(candidates, seconds=2)
    with capsys.disabled():
        print("\n" + json.dumps(comparison.to_json(), indent=2))
    assert all((timing.seconds > 0).all() for timing in comparison.timings.values())
    assert comparison.ratios[0].verdict in ("faster", "slower", "noise")
