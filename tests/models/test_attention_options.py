"""Every option of attention, built and proven: portable at opset 18, and for ONNX Runtime at 23."""

from __future__ import annotations

from pathlib import Path

import pytest

from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: attentive
dims: {batch: {max: 2}, seq: {max: 20}, keys: {max: 12}}
inputs:
  x:         {shape: [batch, seq, 24]}
  mask:      {shape: [batch, seq], dtype: int64, values: [0, 1]}
  positions: {shape: [batch, seq], dtype: int64, below: 20}
  context:   {shape: [batch, keys, 24]}
graph: |
  x --> whisper[attention]
  x --> linear[attention]
  x --> dynamic[attention]
  x --> llama3[attention]
  x --> yarn[attention]
  x --> padded[attention]
  x --> olmo[attention]
  x --> gemma[attention]
  x --> offset[rms_norm]
  x --> capped[attention]
  x --> sunk[attention]
  x --> both[attention]
  x --> alibi[attention]
  x --> later[attention]
  context -->|context| later
  mask -->|mask| both
  positions -->|positions| alibi
  mask -->|mask| padded
  positions -->|positions| padded & dynamic
nodes:
  whisper: {heads: 4, bias: {k: false}}
  linear:  {heads: 4, rotary: halves, rope_scaling: {rope_type: linear, factor: 2}}
  dynamic:
    heads: 3
    rotary: halves
    rope_scaling: {rope_type: dynamic, factor: 2, original_max_position_embeddings: 8}
  llama3:
    heads: 3
    rotary: interleaved
    rope_scaling: {rope_type: llama3, factor: 8, original_max_position_embeddings: 8}
  yarn:
    heads: 3
    rotary: halves
    rope_scaling: {rope_type: yarn, factor: 4, original_max_position_embeddings: 8, beta_fast: 4}
  padded: {heads: 4, kv_heads: 2, causal: true, rotary: halves}
  olmo:   {heads: 6, kv_heads: 2, causal: true, rotary: halves, qk_norm: full}
  gemma:  {heads: 4, causal: true, rotary: halves, qk_norm: head, qk_norm_offset: 1}
  offset: {offset: 1}
  capped: {heads: 4, kv_heads: 2, causal: true, rotary: halves, softcap: 1.5}
  sunk:   {heads: 4, kv_heads: 2, causal: true, sinks: true}
  both:   {heads: 4, sinks: true, softcap: 2}
  alibi:  {heads: 6, causal: true, alibi: true}
  later:  {heads: 4, causal: true, window: 5}
outputs: [whisper, linear, dynamic, llama3, yarn, padded, olmo, gemma, offset, capped, sunk, both, alibi, later]
"""


@pytest.mark.parametrize(("target", "opset"), [("portable", 18), ("ort", 23)])
def test_options_are_proven(target: str, opset: int, tmp_path: Path) -> None:
    spec = tmp_path / "attentive.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    built = build(spec, Options(out=tmp_path, opset=opset, target=target, measure=False))
    assert built.parity is not None
    assert not built.parity.failures
