"""Scans from spec to file: one ONNX Scan of any length, with the numbers and gradients of a Python loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackc.artifact.folder import run_artifact
from stackc.frontend import check_spec
from stackc.pipeline import Options, build
from stackc.torch_backend.lower import lower
from stackc.torch_backend.torch_file import write_torch

HEAD = "stackc: 1\nname: scanned\ndims: {batch: {max: 4}, seq: {max: 50}}\n"

CELL = """\
inputs: {x: {shape: [batch, seq, 5]}, first: {shape: [batch, 4]}}
graph: |
  x --> y[scan]
  first -->|h| y
nodes: {y: {of: cell, reverse: REVERSE}}
outputs: {y: y, last: y.h}
blocks:
  cell:
    inputs: [x, h]
    graph: |
      x --> entering[linear] --> sum[add] --> state[tanh]
      h --> kept[linear] --> sum
      state --> out[linear]
    nodes: {entering: {out: 4}, kept: {out: 4, bias: false}, out: {out: 3}}
    outputs: {y: out, h: state}
"""

LINEAR_ATTENTION = """\
inputs:
  q: {shape: [batch, seq, 3]}
  k: {shape: [batch, seq, 3]}
  v: {shape: [batch, seq, 6]}
  first: {shape: [batch, 3, 6]}
graph: |
  q --> y[scan]
  k -->|k| y
  v -->|v| y
  first -->|s| y
nodes: {y: {of: cell}}
outputs: {y: y, last: y.s}
blocks:
  cell:
    inputs: [q, k, v, s]
    graph: |
      k --> column[unsqueeze] --> product[mul]
      v --> row[unsqueeze] --> product --> state[add]
      s --> state
      q --> query[unsqueeze] --> read[matmul] --> y[squeeze]
      state -->|other| read
    nodes: {column: {axis: -1}, row: {axis: 1}, query: {axis: 1}, y: {axis: 1}}
    outputs: {y: y, s: state}
"""

SELECTIVE_SCAN = """\
inputs:
  u: {shape: [batch, seq, 4]}
  delta: {shape: [batch, seq, 4]}
  b: {shape: [batch, seq, 3]}
  c: {shape: [batch, seq, 3]}
  a: {shape: [4, 3], min: -3, max: 0}
  first: {shape: [batch, 4, 3]}
graph: |
  u --> y[scan]
  delta -->|delta| y
  b -->|b| y
  c -->|c| y
  a -->|a| y
  first -->|h| y
nodes: {y: {of: cell, whole: a}}
outputs: {y: y, last: y.h}
blocks:
  cell:
    inputs: [u, delta, b, c, a, h]
    graph: |
      delta --> step[softplus] --> column[unsqueeze] --> rate[mul] --> decay[exp] --> kept[mul] --> state[add]
      a --> rate
      h --> kept
      step & u --> input[mul] --> inputs[unsqueeze] --> entering[mul] --> state
      b --> row[unsqueeze] --> entering
      c --> reads[unsqueeze] --> read[mul]
      state --> read --> y[reduce_sum]
    nodes: {column: {axis: -1}, inputs: {axis: -1}, row: {axis: 1}, reads: {axis: 1}, y: {axis: -1}}
    outputs: {y: y, h: state}
"""

DECODER = """\
inputs:
  words: {shape: [batch, seq, 5]}
  context: {shape: [batch, keys, 6]}
  mask: {shape: [batch, keys], dtype: int64, values: [0, 1]}
  first: {shape: [batch, 8]}
graph: |
  words --> y[scan]
  context -->|context| y
  mask -->|mask| y
  first -->|h| y
  first -->|c| y
nodes: {y: {of: cell, whole: [context, mask]}}
blocks:
  cell:
    inputs: [word, context, mask, h, c]
    graph: |
      h --> query[unsqueeze] --> look[attention] --> seen[squeeze] --> norm[group_norm]
      context -->|context| look
      mask -->|mask| look
      word & norm --> joined[concat] --> step[lstm_cell]
      h -->|h| step
      c -->|c| step
    nodes:
      query: {axis: 1}
      look: {heads: 2}
      seen: {axis: 1}
      norm: {groups: 2, axis: 1}
      joined: {axis: -1}
    outputs: {y: step, h: step, c: step.c}
"""


def spec_of(text: str, folder: Path, reverse: bool = False) -> Path:
    path = folder / "scanned.yaml"
    path.write_text(HEAD + text.replace("REVERSE", str(reverse).lower()), encoding="utf-8")
    return path


# -- loops to compare with


def cell_loop(model: nn.Module, x: Tensor, h: Tensor, *, reverse: bool = False) -> tuple[Tensor, Tensor]:
    state = {name.removeprefix("y.cell."): p for name, p in model.named_parameters()}
    ys: dict[int, Tensor] = {}
    for i in reversed(range(x.shape[1])) if reverse else range(x.shape[1]):
        entering = F.linear(x[:, i], state["entering.weight"], state["entering.bias"])
        h = torch.tanh(entering + h @ state["kept.weight"].T)
        ys[i] = F.linear(h, state["out.weight"], state["out.bias"])
    return torch.stack([ys[i] for i in range(x.shape[1])], dim=1), h


def linear_attention_loop(model: nn.Module, q: Tensor, k: Tensor, v: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    weights = torch.einsum("bid,bjd->bij", q, k).tril()
    first = torch.einsum("bid,bde->bie", q, s)
    return weights @ v + first, s + torch.einsum("bid,bie->bde", k, v)


def selective_loop(
    model: nn.Module, u: Tensor, delta: Tensor, b: Tensor, c: Tensor, a: Tensor, h: Tensor
) -> tuple[Tensor, Tensor]:
    step, ys = F.softplus(delta), []
    for i in range(u.shape[1]):
        h = torch.exp(step[:, i, :, None] * a) * h + (step[:, i] * u[:, i])[:, :, None] * b[:, i, None, :]
        ys.append((h * c[:, i, None, :]).sum(-1))
    return torch.stack(ys, dim=1), h


SHAPES = {
    CELL: ([2, 7, 5], [2, 4]),
    LINEAR_ATTENTION: ([2, 7, 3], [2, 7, 3], [2, 7, 6], [2, 3, 6]),
    SELECTIVE_SCAN: ([2, 7, 4], [2, 7, 4], [2, 7, 3], [2, 7, 3], [4, 3], [2, 4, 3]),
}
LOOPS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    CELL: cell_loop,
    LINEAR_ATTENTION: linear_attention_loop,
    SELECTIVE_SCAN: selective_loop,
}


def drawn(text: str, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    values = [torch.randn(size, generator=generator, dtype=dtype) for size in SHAPES[text]]
    return [-x.abs() if x.shape == (4, 3) else x for x in values]  # rates of decay


@pytest.mark.parametrize("text", SHAPES, ids=["cell", "linear_attention", "selective_scan"])
def test_numbers_and_gradients_are_those_of_a_loop(text: str, tmp_path: Path) -> None:
    model = lower(check_spec(spec_of(text, tmp_path)).typed).double()
    inputs = [x.requires_grad_() for x in drawn(text)]
    wanted = [*inputs, *model.parameters()]
    ours, theirs = model(*inputs), LOOPS[text](model, *inputs)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(y[0].square().sum() + y[1].sum(), wanted) for y in (ours, theirs)]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-11, atol=1e-11)


def test_reverse_goes_from_the_last_index(tmp_path: Path) -> None:
    model = lower(check_spec(spec_of(CELL, tmp_path, reverse=True)).typed).double()
    x, first = drawn(CELL)
    torch.testing.assert_close(model(x, first), cell_loop(model, x, first, reverse=True), rtol=1e-12, atol=1e-12)


def test_the_printed_file_has_a_loop_and_nothing_private(tmp_path: Path) -> None:
    checked = check_spec(spec_of(CELL, tmp_path))
    text = write_torch(checked.typed)
    assert "_higher_order_ops" not in text
    assert "for index in" in text
    namespace: dict[str, type[nn.Module]] = {}
    exec(compile(text, "printed.py", "exec"), namespace)
    model, printed = lower(checked.typed), namespace["Scanned"]()
    printed.load_state_dict(model.state_dict())
    inputs = drawn(CELL, torch.float32)
    torch.testing.assert_close(printed(*inputs), model(*inputs), rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("opset", [18, 23])
@pytest.mark.parametrize("text", SHAPES, ids=["cell", "linear_attention", "selective_scan"])
def test_one_scan_in_the_file(text: str, opset: int, tmp_path: Path) -> None:
    spec = spec_of(text, tmp_path, reverse=opset == 23 and text == CELL)
    built = build(spec, Options(out=tmp_path, opset=opset, measure=False))
    assert built.parity is not None
    assert not built.parity.failures

    nodes = [node.op_type for node in onnx.load(built.folder / "model.onnx").graph.node]
    assert nodes.count("Scan") == 1
    assert "Loop" not in nodes
    if text != CELL:
        for length in (1, 23):
            inputs = [x[:, torch.arange(length) % 7] if 7 in x.shape else x for x in drawn(text, torch.float32)]
            feeds = {name: x.numpy() for name, x in zip(built.checked.program.inputs, inputs, strict=True)}
            made = run_artifact(built.folder, feeds)
            for name, y in zip(("y", "last"), LOOPS[text](nn.Identity(), *inputs), strict=True):
                np.testing.assert_allclose(made[name], y.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["portable", "ort"])
def test_a_teacher_forced_decoder_with_attention(target: str, tmp_path: Path) -> None:
    built = build(spec_of(DECODER, tmp_path), Options(out=tmp_path, target=target, measure=False))
    assert built.parity is not None
    assert not built.parity.failures
