"""Attention's second output: the probabilities of torch.nn.MultiheadAttention, asked for by whoever reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

import stackc
from stackc.components import REGISTRY
from stackc.core.diagnostics import SpecError
from stackc.core.types import Dim, TensorType, shape
from stackc.frontend import check_source
from stackc.pipeline import Options
from stackc.proof.stamped_model import stamp_of
from stackc.spec.source import Source

BATCH, SEQ, KEYS = (Dim.symbol(name) for name in ("batch", "seq", "keys"))
SPEC = """\
stackc: 1
name: probabilities
dims: {batch: {max: 3}, seq: {max: 5}, keys: {max: 7}}
inputs:
  x: {shape: [batch, seq, 8]}
  memory: {shape: [batch, keys, 8]}
  mask: {dtype: int64, shape: [batch, keys], values: [0, 1]}
graph: |
  x --> layers[stack] --> cross[attention]
  memory -->|context| cross
  mask -->|mask| cross
  cross -->|probabilities:| sharp[pow]
  x --> plain[attention]
nodes:
  layers: {of: attention, repeat: 2, with: {heads: 2, causal: true}}
  cross: {heads: features(x) // 4, kv_heads: 1, softcap: 5, sinks: true}
  sharp: {exponent: 2}
  plain: {heads: 2}
outputs: {y: cross, sharp: sharp, first: layers.0.probabilities, plain: plain}
"""


def attention(**fields: Any) -> nn.Module:
    x, context = TensorType("float32", shape(BATCH, SEQ, 12)), TensorType("float32", shape(BATCH, KEYS, 12))
    component = REGISTRY["attention"](**{"heads": 3, "probabilities": True, **fields})
    return component.module(x, context, TensorType("bool", shape(BATCH, KEYS))).eval()


def like_torch(module: nn.Module) -> nn.MultiheadAttention:
    """PyTorch's attention with the same weights."""
    reference = nn.MultiheadAttention(12, 3, batch_first=True).eval()
    parts = [module.get_submodule(name) for name in "qkv"]
    state = {
        "in_proj_weight": torch.cat([part.get_parameter("weight") for part in parts]),
        "in_proj_bias": torch.cat([part.get_parameter("bias") for part in parts]),
        "out_proj.weight": module.get_parameter("out.weight"),
        "out_proj.bias": module.get_parameter("out.bias"),
    }
    reference.load_state_dict(state)
    return reference


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, context = (torch.randn(2, n, 12, generator=generator) for n in (4, 5))
    return x, context, torch.tensor([[1, 1, 1, 0, 1], [0, 1, 1, 1, 1]], dtype=torch.bool)


def test_probabilities_are_those_of_pytorch() -> None:
    module, (x, context, mask) = attention(), inputs()
    y, probabilities = module(x, context, mask)
    expected = like_torch(module)(x, context, context, key_padding_mask=~mask, average_attn_weights=False)
    torch.testing.assert_close((y, probabilities), expected, rtol=1e-5, atol=1e-6)


def test_a_sink_takes_what_the_keys_leave() -> None:
    module, (x, context, mask) = attention(sinks=True), inputs()
    module.get_parameter("sinks").data += 100
    assert module(x, context, mask)[1].sum() < 1e-6


def test_an_attention_without_readers_has_one_output() -> None:
    program = check_source(Source("spec.yaml", SPEC)).program
    outputs = {call.path: call.outputs for call in program.calls if call.component.op == "attention"}
    assert outputs == {
        "layers.0": ("layers.0", "layers.0:probabilities"),
        "layers.1": ("layers.1",),
        "cross": ("cross", "cross:probabilities"),
        "plain": ("plain",),
    }


def test_another_output_is_refused() -> None:
    with pytest.raises(SpecError) as raised:
        check_source(Source("spec.yaml", SPEC.replace("layers.0.probabilities", "layers.0.weights")))
    assert raised.value.diagnostics[0].hint == "its outputs are y, probabilities"


@pytest.mark.slow
@pytest.mark.parametrize("opset", [18, 23])
def test_probabilities_are_exported_and_proven(opset: int, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    built = stackc.build(path, Options(out=tmp_path, opset=opset, measure=False))
    assert built.parity is not None
    assert not built.parity.failures

    nodes = onnx.load(built.folder / "model.onnx").graph.node
    opened = {stamp_of(node) for node in nodes if node.op_type == "Softmax"}
    fused = {stamp_of(node) for node in nodes if node.op_type == "Attention"}
    assert {"layers.0", "cross"} <= opened - fused

    random = np.random.default_rng(0)
    feeds = {name: random.standard_normal((2, n, 8)).astype(np.float32) for name, n in (("x", 4), ("memory", 6))}
    outputs = stackc.run(built.folder, {**feeds, "mask": np.ones((2, 6), np.int64)})
    np.testing.assert_allclose(outputs["first"].sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(outputs["first"], np.tril(outputs["first"]))
    assert outputs["sharp"].shape == (2, 2, 4, 6)
