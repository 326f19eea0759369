"""The proof refuses a file with other outputs, and a module that changes itself, before it compares numbers."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source
from stackc.proof.components import Reference
from stackc.proof.parity import prove
from stackc.proof.report import Parity
from stackc.runtime import open_session
from stackc.spec.source import Source

SPEC = check_source(Source("spec.yaml", "stackc: 1\ninputs: {x: {shape: [batch, 3]}}\ngraph: x --> y[identity]\n"))


def prove_against(folder: Path, module: nn.Module, output: str = "y") -> Parity:
    """Prove a module against y = x, a model whose output is called `output`."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    y = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], [output])], "identity", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "model.onnx")
    session = open_session(folder / "model.onnx", "cpu")
    return prove(SPEC.program, Reference.of(module), session, folder / "model.onnx", SPEC.ranges)


class Passing(nn.Module):
    """y = x, by the component of the spec."""

    def __init__(self) -> None:
        super().__init__()
        self.y = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.y(x)
        return y


class Counting(nn.Module):
    """y = x, which counts its calls in a buffer, in evaluation too."""

    calls: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x * 1


def test_an_honest_file_passes(tmp_path: Path) -> None:
    assert prove_against(tmp_path, Passing()).rows


def test_a_file_with_other_outputs(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"^error\[P702\]: the file returns z, but the spec returns y$"):
        prove_against(tmp_path, nn.Identity(), "z")


def test_a_module_that_changes_in_evaluation(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"^error\[P703\]: running the module in eval mode changes 'calls'") as refused:
        prove_against(tmp_path, Counting())
    assert refused.value.diagnostics[0].hint == "change it in training only: `if self.training:`"
