"""`--target ort`: every form of attention through ONNX Runtime's own operators, with the numbers of PyTorch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx
import pytest

from stackc.artifact.folder import load_artifact
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: attentive
dims: {batch: {max: 4}, seq: {max: 40}, keys: {max: 30}}
inputs:
  x:       {shape: [batch, seq, 24]}
  context: {shape: [batch, keys, 12]}
  mask:    {shape: [batch, seq], dtype: int64, values: [0, 1]}
  place:   {shape: [batch, seq, 24]}
graph: |
  x --> plain[attention]
  x --> masked[attention]
  x --> causal[attention]
  x --> cross[attention]
  x --> grouped[attention]
  x --> padded[attention]
  x --> biased[attention]
  x --> turned[attention]
  x --> near_by[attention]
  x --> parted[attention]
  place -->|value| parted
  mask -->|mask| masked & padded & near_by
  context -->|context| cross
  x --> near[relative_position_bias] -->|bias| biased
nodes:
  plain:   {heads: 4}
  masked:  {heads: 4}
  causal:  {heads: 4, causal: true, scale: 0.5}
  cross:   {heads: 4, scale: 0.3}
  grouped: {heads: 4, kv_heads: 2}
  padded:  {heads: 4, causal: true}
  near:    {heads: 4}
  biased:  {heads: 4, causal: true}
  turned:  {heads: 4, kv_heads: 2, causal: true, rotary: halves, qk_norm: true}
  near_by: {heads: 4, rotary: interleaved, rotary_dim: 4, window: 3}
  parted:  {heads: 4, bias: false}
outputs:  # one behind the other they would level each other out
  [plain, masked, causal, cross, grouped, padded, biased, turned, near_by, parted]
"""

CASES = [
    ("ort", 23, {"MultiHeadAttention": 3, "Attention": 7}, {"": 23, "com.microsoft": 1}),
    ("ort", 18, {"MultiHeadAttention": 8, "Attention": 0}, {"": 18, "com.microsoft": 1}),
    ("portable", 23, {"MultiHeadAttention": 0, "Attention": 10}, {"": 23}),
    ("portable", 18, {"MultiHeadAttention": 0, "Attention": 0}, {"": 18}),
]

PRODUCTS = {  # with weights: one for all that is projected from the same tensor, and the one behind the heads
    **dict.fromkeys(["plain", "masked", "causal", "grouped", "padded", "biased"], 2),
    **dict.fromkeys(["cross", "parted"], 3),
    **dict.fromkeys(["turned", "near_by"], 4),
}


@pytest.mark.parametrize(("target", "opset", "operators", "imports"), CASES)
def test_attention(target: str, opset: int, operators: dict[str, int], imports: dict[str, int], tmp_path: Path) -> None:
    spec = tmp_path / "attentive.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    built = build(spec, Options(out=tmp_path, opset=opset, target=target, measure=False))
    assert built.parity is not None
    assert not built.parity.failures
    assert load_artifact(built.folder).manifest.target == target

    model = onnx.load(built.folder / "model.onnx")
    counted = Counter(node.op_type for node in model.graph.node)
    assert {op: counted[op] for op in operators} == operators
    assert {o.domain: o.version for o in model.opset_import} == imports
    if target == "portable":
        weights = {tensor.name for tensor in model.graph.initializer}
        weighted = [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in weights]
        products = Counter(node.name.partition("/")[0] for node in weighted)
        assert products == PRODUCTS
