"""Weight folding moves elements with NumPy and calculates with ONNX Runtime; compared with ONNX Runtime and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from stackc.export import weight_folding
from stackc.export.objects import WeightSubgraph
from stackc.runtime import run_once

W = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

MOVES = [
    "v0 = Transpose <perm = [2, 0, 1]> (p0)",
    "v0 = Transpose (p0)",
    "c0 = Constant <value = int64[2] {4, -1}> () v0 = Reshape (p0, c0)",
    "c0 = Constant <value = int64[2] {0, -1}> () v0 = Reshape (p0, c0)",
    "c0 = Constant <value = int64[2] {0, 2}> () v0 = Unsqueeze (p0, c0)",
    "v0, v1 = Split <axis = 2, num_outputs = 2> (p0)",
    "v0, v1 = Split <axis = 1, num_outputs = 2> (p0)",
    "v0, v1, v2 = Split <axis = 1, num_outputs = 3> (p0)",
    "c0 = Constant <value = int64[2] {1, 3}> () v0, v1 = Split <axis = -1> (p0, c0)",
    "c0 = Constant <value = int64[1] {0}> () v1 = Unsqueeze (p0, c0) v0 = Squeeze (v1, c0)",
    "v1, v2 = Split <axis = 2, num_outputs = 2> (p0) v0 = Transpose <perm = [1, 0, 2]> (v2)",
    "v1, v2 = Split <axis = 2, num_outputs = 2> (p0) v0 = Concat <axis = -2> (v2, v1, v2)",
]


def subgraph(body: str, outputs: int) -> WeightSubgraph:
    """Make a weight subgraph of one parameter; constants are initializers, as the exporter leaves them."""
    names = [f"v{i}" for i in range(outputs)]
    results = ", ".join(f"float {name}" for name in names)
    text = f'<ir_version: 10, opset_import: ["": 23]> g (float[2,3,4] p0) => ({results}) {{ {body} }}'
    model = onnx.parser.parse_model(text)
    for node in [n for n in model.graph.node if n.op_type == "Constant"]:
        model.graph.initializer.append(node.attribute[0].t)
        model.graph.initializer[-1].name = node.output[0]
        model.graph.node.remove(node)
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return WeightSubgraph(("weight",), tuple(names), model.SerializeToString())


@pytest.mark.parametrize("body", MOVES)
def test_moves_are_those_of_onnx_runtime(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = 3 if "v0, v1, v2" in body else 2 if "v0, v1" in body else 1
    moving = subgraph(body, outputs)
    expected = run_once(moving.model, {"p0": W})

    def refuse(*_: object) -> None:
        raise AssertionError("NumPy is enough for this")

    monkeypatch.setattr(weight_folding, "run_once", refuse)
    for result, of_onnx in zip(weight_folding.run_subgraph(moving, [W]), expected, strict=True):
        np.testing.assert_array_equal(result, of_onnx)


def test_arithmetic_goes_through_onnx_runtime() -> None:
    (result,) = weight_folding.run_subgraph(subgraph("v1 = Sqrt (p0) v0 = Transpose <perm = [0, 2, 1]> (v1)", 1), [W])
    np.testing.assert_allclose(result, np.sqrt(W).transpose(0, 2, 1), rtol=1e-6)


def test_what_moves_can_stay_in_the_graph() -> None:
    assert weight_folding.only_moves(subgraph(MOVES[0], 1))
    assert weight_folding.only_moves(subgraph(MOVES[-1], 1))
    assert not weight_folding.only_moves(subgraph("v1 = Transpose <perm = [0, 2, 1]> (p0) v0 = Sqrt (v1)", 1))


class Projections(nn.Module):
    """One parameter for three projections, which the graph needs as three tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj_weight, self.scale = nn.Parameter(torch.randn(12, 4)), nn.Parameter(torch.randn(12, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (self.in_proj_weight * self.scale).chunk(3)
        return (x @ q.T) * (x @ k.T) + x @ v.T


def test_one_parameter_split_in_three(written: Any, draft: Any, typed: Any, probe: Any, same_as_torch: Any) -> None:
    x = typed("batch", "seq", 4)
    program = written({"x": x}, {"p": draft(probe(Projections, x), ("x",))}, {"y": "p"})
    compared = same_as_torch(program, {"batch": 2, "seq": 3}, tolerance=1e-5)
    assert set(compared.nodes) == {"MatMul", "Mul", "Add"}
    assert sorted(compared.initializers()) == [f"p.in_proj_weight+scale/{i}" for i in range(3)]
