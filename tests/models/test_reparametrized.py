"""Weights normalized by all that `reparam:` knows, stored as PyTorch stores them, built and proven."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from stackc.artifact.folder import run_artifact
from stackc.artifact.lock import write_lock
from stackc.frontend import check_source, check_spec
from stackc.pipeline import Options, build
from stackc.spec.source import Source

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: normed
dims: {batch: {max: 4}, length: {min: 3, max: 30}}
inputs: {x: {shape: [batch, 4, length]}}
graph: x --> conv[conv1d] --> relu --> pool[global_avg_pool] --> up[linear] --> tanh --> down[linear]
nodes:
  conv: {out: 6, kernel: 3, reparam: {weight: weight_norm}}
  up:   {out: 8, reparam: {weight: {spectral_norm: {iterations: 2, eps: 1e-10}}}}
  down: {out: 3, reparam: {weight: {weight_norm: {axis: -1}}}}
"""


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = parametrizations.weight_norm(nn.Conv1d(4, 6, 3))
        self.up = parametrizations.spectral_norm(nn.Linear(6, 8))
        self.down = parametrizations.weight_norm(nn.Linear(8, 3), dim=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(self.up(self.conv(x).relu().mean(2)).tanh())
        return y


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "normed.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


@pytest.mark.parametrize("opset", [18, 23])
def test_normed_weights_are_those_of_torch(opset: int, spec: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Normed().eval()
    for parameter in model.parameters():
        parameter.data.mul_(torch.rand_like(parameter) + 0.5)
    save_file(model.state_dict(), tmp_path / "normed.safetensors")
    options = Options(weights=tmp_path / "normed.safetensors", out=tmp_path, opset=opset, measure=False)
    built = build(spec, options)
    assert built.parity is not None
    assert built.checked.cost.parameters == sum(p.numel() for p in model.parameters())

    x = torch.randn(3, 4, 17)
    (y,) = run_artifact(built.folder, {"x": x.numpy()}, "cpu").values()
    with torch.no_grad():
        np.testing.assert_allclose(y, model(x).numpy(), rtol=0, atol=1e-6)


def test_the_lock_keeps_the_options(spec: Path) -> None:
    checked = check_spec(spec)
    again = check_source(Source("normed.lock.yaml", write_lock(checked)))
    assert [call.reparams for call in again.program.calls] == [call.reparams for call in checked.program.calls]
    assert again.program.tensors() == checked.program.tensors()


def test_a_projection_inside_attention_is_normalized(tmp_path: Path) -> None:
    path = tmp_path / "inner.yaml"
    path.write_text(
        "stackc: 1\nname: inner\ninputs: {x: {shape: [batch, seq, 8]}}\ngraph: x --> attention\n"
        "nodes: {attention: {heads: 2, reparam: {q.weight: weight_norm, out.weight: standardize}}}\n",
        encoding="utf-8",
    )
    built = build(path, Options(out=tmp_path, measure=False))
    assert built.parity is not None
    assert "attention.q.parametrizations.weight.original0" in built.checked.program.tensors()
