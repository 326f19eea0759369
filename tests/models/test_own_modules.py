"""Custom modules in a model: parameters, buffers, several outputs, float32 by name, all of it against the
module itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stackc.artifact.folder import load_artifact, run_artifact, sha256
from stackc.artifact.lock import write_lock
from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Built, Options, build
from stackc.torch_backend.lower import lower

pytestmark = pytest.mark.slow

HERE = __name__
SPEC = """\
stackc: 1
name: mixed
dims: {batch: {max: 4}, seq: {min: 2, max: 20}}
params: {dim: 16}
inputs:
  x: {shape: [batch, seq, dim]}
  mask: {dtype: int64, shape: [batch, seq], values: [0, 1]}
graph: |
  x --> gate[torch] --> attn[torch] --> norm[layer_norm] --> layers[stack] --> split[torch]
  gate -->|key| attn
  gate -->|value| attn
  mask -->|mask| split
  split -->|rest:x| last[linear]
nodes:
  gate: {of: HERE.Gate, dim: dim, start: 0.5}
  attn: {of: torch.nn.MultiheadAttention, embed_dim: dim, num_heads: dim // 4, batch_first: true, outputs: [y, weights]}
  layers: {of: {op: torch, of: torch.nn.Linear, in_features: dim, out_features: dim}, repeat: 2, norm: layer_norm}
  split: {of: HERE.Split, first: 4, outputs: [first, rest]}
  last: {out: 3}
outputs: {first: split, last: last, weights: attn.weights}
"""
TRUST = Overrides(trust=(HERE, "torch.nn"))


def build_spec(path: Path, options: Options) -> Built:
    return build(path, options)


class Gate(nn.Module):
    """Names float32 in three ways, and keeps a learned, a stored and a calculated tensor."""

    offset: Tensor
    table: Tensor

    def __init__(self, dim: int, start: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((dim,), start))
        self.register_buffer("offset", torch.linspace(-1, 1, dim))
        self.register_buffer("table", torch.linspace(0, 1, dim), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.slope.to(torch.float32) * x.float() + self.offset + self.table)
        return x * gate + torch.full((1,), 0.1, dtype=torch.float32)


class Split(nn.Module):
    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if mask is not None:
            x = x * mask.unsqueeze(-1)
        return x[..., : self.first].sum(1), x[..., self.first :]


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate(16, 0.5)
        self.attn = nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.layers = nn.ModuleDict({n: nn.Linear(16, 16) if n.isdigit() else nn.LayerNorm(16)
                                     for n in ("0", "norm_0", "1", "norm_1")})  # fmt: skip
        self.split = Split(4)
        self.last = nn.Linear(12, 3)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        gate = self.gate(x)
        attended, weights = self.attn(gate, gate, gate)
        y = self.norm(attended)
        for layer in self.layers.values():
            y = layer(y)
        first, rest = self.split(y, mask)
        return first, self.last(rest), weights


class Table(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.randn(10, 4))

    def forward(self, ids: Tensor) -> Tensor:
        return self.rows[ids]


class Drawn(nn.Module):
    noise: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("noise", torch.randn(4), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.noise


class Counting(nn.Module):
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x + self.count


class Dropping(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x)


class Short(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.shape[0] < 4 else x[:4]


@pytest.fixture
def mixed() -> Mixed:
    torch.manual_seed(0)
    module = Mixed().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        module.gate.offset.mul_(2)
    return module


@pytest.fixture
def spec(tmp_path: Path, mixed: Mixed) -> Path:
    path = tmp_path / "mixed.yaml"
    path.write_text(SPEC.replace("HERE", HERE), encoding="utf-8")
    save_file(mixed.state_dict(), tmp_path / "mixed.safetensors")
    return path


@pytest.mark.parametrize(("opset", "target"), [(23, "portable"), (18, "portable"), (23, "ort")])
def test_the_file_is_the_module(spec: Path, mixed: Mixed, opset: int, target: str) -> None:
    weights = spec.with_suffix(".safetensors")
    options = Options(TRUST, weights, spec.parent, opset=opset, target=target, measure=False, per_component=True)
    built = build_spec(spec, options)
    x, mask = torch.randn(3, 7, 16), torch.tensor([[1] * 7, [1] * 3 + [0] * 4, [0] * 7])
    made = run_artifact(built.folder, {"x": x.numpy(), "mask": mask.numpy()})
    with torch.no_grad():
        outputs = mixed(x, mask)
    for output, expected in zip(made.values(), outputs, strict=True):
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)
    code = load_artifact(built.folder).manifest.code
    assert code == {HERE: sha256(Path(__file__))}
    # a truth that float32 has a hand in would be 1e-8 from itself: PyTorch would seem exact where it is not
    assert built.parity is not None
    assert all(row.verdict.torch > 0 for row in built.parity.components if row.path == "gate")


def test_without_a_proof_weights_come_from_the_file_as_well(spec: Path, mixed: Mixed) -> None:
    weights = spec.with_suffix(".safetensors")
    proven = build_spec(spec, Options(TRUST, weights, spec.parent / "proven", measure=False))
    bare = build_spec(spec, Options(TRUST, weights, spec.parent / "bare", verify=False))
    assert sha256(proven.folder / "model.onnx") == sha256(bare.folder / "model.onnx")


def test_its_lock_gives_the_same_model(spec: Path) -> None:
    checked = check_spec(spec, TRUST)
    lock = spec.with_name("lock.yaml")
    lock.write_text(write_lock(checked), encoding="utf-8")
    again = check_spec(lock, TRUST)
    assert [(c.path, c.component, c.signature) for c in again.program.calls] == [
        (c.path, c.component, c.signature) for c in checked.program.calls
    ]
    assert write_lock(again) == write_lock(checked)


def test_it_trains(spec: Path) -> None:
    module = lower(check_spec(spec, TRUST).typed)
    x, mask = torch.randn(4, 5, 16), torch.ones(4, 5, dtype=torch.int64)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    losses = []
    for _ in range(40):
        loss = (module(x, mask)[1] - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    assert not torch.equal(module.get_parameter("gate.slope"), torch.full((16,), 0.5))


ONE = """\
stackc: 1
name: one
inputs: {{x: {{{}shape: [batch, 4]}}}}
graph: x --> y[torch]
nodes: {{y: {{of: {}}}}}
"""


@pytest.mark.parametrize(
    ("input", "make", "code", "message"),
    [
        ("dtype: int64, below: 50, ", "Table", "P705",
         rf"'y' \({HERE}.Table\) fails at batch=1 \(full\), in PyTorch: IndexError: index \d+ is out of bounds for "
         r"dimension 0 with size 10 \(test_own_modules.py, line \d+\)"),
        ("", "Drawn", "E501",
         f"{HERE}.Drawn cannot be exported: it draws 'noise' and keeps it outside its state; "
         "register it as a buffer"),
        ("", "Counting", "E501", f"{HERE}.Counting cannot be exported: it changes its own state in eval mode: count"),
        ("", "Dropping", "E501", f"{HERE}.Dropping cannot be exported: it draws random numbers, in eval mode too"),
        ("", "Short", "E502",
         "'y' branches on its sizes and was compiled for batch >= 4, but the dims contract allows batch = 2"),
    ],
)  # fmt: skip
def test_error_what_no_file_can_do(input: str, make: str, code: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(ONE.format(input, f"{HERE}.{make}"), encoding="utf-8")
    with pytest.raises(SpecError, match=message) as caught:
        build_spec(tmp_path / "one.yaml", Options(TRUST, out=tmp_path, measure=False))
    assert [(d.code, d.span and d.span.line) for d in caught.value.diagnostics] == [(code, 4)]
    assert not (tmp_path / "one").exists()


def test_it_is_compiled_anew_every_time(spec: Path, tmp_path: Path) -> None:
    """Its code may lie anywhere, so nothing tells whether it has changed."""
    options = Options(TRUST, spec.with_suffix(".safetensors"), tmp_path, verify=False)
    build_spec(spec, options)
    again = build_spec(spec, options).exported.linked_program
    own = {f"{HERE}.Gate", f"{HERE}.Split", "torch.nn.Linear", "torch.nn.MultiheadAttention"}
    assert again.units - again.recalled == len(own)
    assert json.loads((tmp_path / "mixed" / "manifest.json").read_text(encoding="utf-8"))["code"]
