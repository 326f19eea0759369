"""A stack of different sub-models behind a gate, against the mixture of experts written out in plain PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stackc.artifact.folder import run_artifact
from stackc.artifact.lock import write_lock
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source, check_spec
from stackc.pipeline import Options, build
from stackc.spec.source import Source

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: experts
dims: {batch: {max: 8}, seq: {max: 32}}
inputs: {x: {shape: [batch, seq, 6]}}
graph: x --> mixture[stack] --> head[linear]
nodes:
  mixture: {of: [narrow, wide], repeat: 2, mode: gated, norm: layer_norm}
  head: {out: 2}
blocks:
  narrow: {inputs: [x], graph: "x --> linear", nodes: {linear: {out: 6}}}
  wide: {inputs: [x], graph: "x --> mlp", nodes: {mlp: {hidden: 24}}}
"""


class Narrow(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x)
        return y


class Wide(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.ModuleDict({"up": nn.Linear(6, 24), "down": nn.Linear(24, 6)})

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mlp["down"](nn.functional.gelu(self.mlp["up"](x)))
        return y


class Experts(nn.Module):
    def __init__(self, taken: int = 4) -> None:
        super().__init__()
        self.taken = taken
        experts = {str(i): Narrow() if i % 2 == 0 else Wide() for i in range(4)}
        gate = nn.Linear(6, 4)  # with a choice among the experts, it is a node of its own
        scores = {"gated": nn.ModuleDict({"gate": gate})} if taken == 4 else {"gate": gate}
        self.mixture = nn.ModuleDict({**experts, **scores, "norm": nn.LayerNorm(6)})
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.mixture.get_submodule("gated.gate" if self.taken == 4 else "gate")(x)
        largest = scores.topk(self.taken, dim=-1)
        shares = torch.zeros_like(scores).scatter(-1, largest.indices, largest.values.softmax(-1))
        outputs = torch.stack([self.mixture[str(i)](x) for i in range(4)], dim=-1)
        y: Tensor = self.head(self.mixture["norm"]((outputs * shares.unsqueeze(-2)).sum(-1)))
        return y


@pytest.mark.parametrize(("opset", "taken"), [(18, 4), (23, 4), (18, 2), (23, 2)])
def test_gated_experts_are_those_of_plain_pytorch(opset: int, taken: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Experts(taken)
    spec = (
        SPEC
        if taken == 4
        else SPEC.replace("mode: gated,", "mode: gated, top_k: taken,").replace(
            "inputs:", "params: {taken: 2}\ninputs:", 1
        )
    )
    (tmp_path / "experts.yaml").write_text(spec, encoding="utf-8")
    save_file(model.state_dict(), tmp_path / "experts.safetensors")
    options = Options(weights=tmp_path / "experts.safetensors", out=tmp_path, opset=opset, measure=False)
    built = build(tmp_path / "experts.yaml", options)
    assert built.parity is not None

    x = torch.randn(3, 7, 6)
    (y,) = run_artifact(built.folder, {"x": x.numpy()}, "cpu").values()
    with torch.no_grad():
        np.testing.assert_allclose(y, model(x).numpy(), rtol=0, atol=2e-6)


def test_error_top_k_without_a_gate() -> None:
    with pytest.raises(SpecError) as caught:
        check_source(Source("experts.yaml", SPEC.replace("mode: gated", "mode: sum, top_k: 2")))
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("N310", "top_k has no effect here")


@pytest.mark.parametrize("mode", ["gated", "gated, top_k: 2"])
def test_the_lock_keeps_the_gate(mode: str, tmp_path: Path) -> None:
    (tmp_path / "experts.yaml").write_text(SPEC.replace("gated", mode), encoding="utf-8")
    checked = check_spec(tmp_path / "experts.yaml")
    again = check_source(Source("experts.lock.yaml", write_lock(checked)))
    assert [(c.path, c.component, c.inputs) for c in again.program.calls] == [
        (c.path, c.component, c.inputs) for c in checked.program.calls
    ]
    (gated,) = (call for call in checked.program.calls if call.path == "mixture.gated")
    before = ("x",) if mode == "gated" else ("mixture.gate", "mixture.chosen")
    assert gated.inputs == (*before, *(c.outputs[0] for c in checked.program.calls[:4]))
