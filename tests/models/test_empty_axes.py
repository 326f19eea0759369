"""Dims that may be 0: an empty past, and an empty batch of whatever may have none, proven at 0 and 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import stackc
from stackc.pipeline import Options

pytestmark = pytest.mark.slow

STEP = """\
stackc: 1
name: decoder_step
dims: {batch: {max: 3}, seq: {max: 5}, past: {min: 0, max: 9}}
inputs:
  x: {shape: [batch, seq, 8]}
  past_key: {shape: [batch, 2, past, 4]}
  past_value: {shape: [batch, 2, past, 4]}
graph: |
  x --> q[linear] --> q_heads[unflatten] --> query[permute]
  x --> k[linear] --> k_heads[unflatten] --> new_key[permute]
  x --> v[linear] --> v_heads[unflatten] --> new_value[permute]
  past_key --> key[concat]
  new_key --> key
  past_value --> value[concat]
  new_value --> value
  query --> attend[scaled_dot_product_attention]
  key -->|key| attend
  value -->|value| attend
nodes:
  q: {out: 8}
  k: {out: 8}
  v: {out: 8}
  q_heads: {axis: 2, size: 4}
  k_heads: {axis: 2, size: 4}
  v_heads: {axis: 2, size: 4}
  query: {order: [0, 2, 1, 3]}
  new_key: {order: [0, 2, 1, 3]}
  new_value: {order: [0, 2, 1, 3]}
  key: {axis: 2}
  value: {axis: 2}
  attend: {causal: true}
outputs: {y: attend, key: key, value: value}
"""

EVERYTHING = """\
stackc: 1
name: empty_batch
dims: {batch: {min: 0, max: 4}, seq: {max: 6}}
inputs:
  x: {shape: [batch, seq, 6]}
  ids: {dtype: int64, shape: [batch, seq], below: 9}
graph: |
  x --> relu --> gelu --> exp --> softmax --> log_softmax --> layer_norm --> rms_norm --> linear --> mlp --> warm[scale]
  warm --> learned_scale --> glu
  x & relu --> add --> mul
  x --> mul
  x & relu --> mean & weighted_sum & maximum & minimum
  x --> sub & div
  exp -->|other| sub & div
  x --> above[greater] --> logical_not --> both[logical_and]
  above --> both --> cast
  x --> where
  above -->|condition| where
  relu -->|other| where
  ids --> embedding --> joined[concat]
  x --> joined --> turned[transpose] --> order[permute] --> flip --> cut[slice]
  x --> first[select] --> unsqueeze --> squeeze
  x --> parts[split] --> take
  ids --> hot[one_hot]
  x --> flatten
  x --> unflatten
  x --> matmul
  x -->|other| matmul
  x --> positions
nodes:
  linear: {out: 6}
  mlp: {hidden: 8}
  warm: {factor: 0.5}
  above: {value: 0.1}
  embedding: {vocab: 9, dim: 6}
  joined: {axis: 2}
  turned: {axis0: 1, axis1: 2}
  order: {order: [1, 0, 2]}
  flip: {axis: 0}
  cut: {axis: 2, start: -1}
  first: {axis: 1, index: 0}
  unsqueeze: {axis: 1}
  squeeze: {axis: 1}
  parts: {size: 4}
  take: {indices: [2, 0]}
  hot: {classes: 9}
  flatten: {start: 1}
  unflatten: {axis: 2, size: 3}
  matmul: {transposed: true}
  positions: {axis: 0}
outputs: [glu, mul, mean, weighted_sum, maximum, minimum, sub, div, cast, where, cut, squeeze, take, hot, flatten,
  unflatten, matmul, positions]
"""


def build(folder: Path, text: str, opset: int = 23) -> stackc.Built:
    path = folder / "spec.yaml"
    path.write_text(text)
    return stackc.build(path, Options(out=folder, opset=opset, measure=False))


def sizes_of(built: stackc.Built, dim: str) -> set[int]:
    """The sizes of a dim at the points of the proof."""
    assert built.parity is not None
    assert not built.parity.failures
    return {row.point.sizes[dim] for row in built.parity.rows}


def test_a_past_may_be_empty(tmp_path: Path) -> None:
    built = build(tmp_path, STEP)
    assert {0, 1, 9} <= sizes_of(built, "past")

    random = np.random.default_rng(0)
    x = random.standard_normal((2, 3, 8)).astype(np.float32)
    empty = np.empty((2, 2, 0, 4), np.float32)
    whole = stackc.run(built.folder, {"x": x, "past_key": empty, "past_value": empty})
    first = stackc.run(built.folder, {"x": x[:, :2], "past_key": empty, "past_value": empty})
    past = {"past_key": first["key"], "past_value": first["value"]}
    second = stackc.run(built.folder, {"x": x[:, 2:], **past})
    np.testing.assert_allclose(np.concatenate([first["y"], second["y"]], 2), whole["y"], atol=2e-6)

    module = stackc.module(tmp_path / "spec.yaml")
    query, key, value = (
        getattr(module, name)(torch.from_numpy(x)).unflatten(2, (2, 4)).transpose(1, 2) for name in "qkv"
    )
    expected = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    np.testing.assert_allclose(whole["y"], expected.detach().numpy(), atol=2e-6)


@pytest.mark.parametrize("opset", [18, 23])
def test_what_may_be_empty_is_proven_at_0_and_1(opset: int, tmp_path: Path) -> None:
    assert {0, 1, 4} <= sizes_of(build(tmp_path, EVERYTHING, opset), "batch")
