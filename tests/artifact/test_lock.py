"""A lock has everything that was resolved: parsed again, it is the same program, with the spans of the first spec."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stackc.artifact.lock import write_lock
from stackc.core.diagnostics import Span
from stackc.frontend import Checked, check_source, check_spec
from stackc.ir.program import Call
from stackc.spec.source import Source

SPECS = Path(__file__).parents[2] / "specs"
EVERYTHING = """\
stackc: 1
name: everything
dims: {h: {min: 16, max: 64, multiple_of: 16}}
inputs:
  x: {shape: [batch, h, 8]}
  ids: {dtype: int64, shape: [batch, h], below: 100}
  keep: {dtype: bool, shape: [batch, h]}
graph: |
  x --> s[stack] --> y[add]
  ids --> e[embedding] --> y
  x --> a[linear] --> b[linear] --> again --> y
  s -->|0.inner:x| y
  keep -->|mask| s
  x --> c[reshape] --> d[conv2d] --> e2[permute]
nodes:
  s: {of: [layer-norm, layer-norm], repeat: 2, with: {heads: "2**(index % 2)"}, norm: rms_norm, norm_every: 2}
  e: {vocab: 100, dim: 8}
  a: {out: 8, reparam: {weight: {standardize: {axes: [1], eps: 1e-4}}}}
  b: {out: 8, tie: {bias: a.bias}}
  again: {same_as: b}
  c: {shape: [0, 2, -1, 4 * 2]}
  d: {out: 3, kernel: [3, 2**1], stride: [2, 1], padding: [3 // 2, 0]}
  e2: {order: [0, -2, 3, 1]}
blocks:
  layer-norm:
    params: {heads: 1}
    inputs: [x, mask?]
    graph: |
      x --> inner[attention] --> y[gelu]
      mask -->|mask| inner
    nodes: {inner: {heads: heads, causal: true}, y: {approximate: tanh}}
outputs: {out: y, tap: s.2.inner, image: e2}
"""


def placeless(checked: Checked) -> list[tuple[Call, str]]:
    return [(dataclasses.replace(call, span=Span("", 0)), str(call.span)) for call in checked.program.calls]


@pytest.mark.parametrize("name", [*sorted(path.name for path in SPECS.iterdir()), "everything"])
def test_a_lock_read_again_is_the_same_program(name: str) -> None:
    checked = check_source(Source("e.yaml", EVERYTHING)) if name == "everything" else check_spec(SPECS / name)
    text = write_lock(checked)
    again = check_source(Source("elsewhere.lock.yaml", text))
    assert placeless(again) == placeless(checked)
    assert again.program.outputs == checked.program.outputs
    assert again.program.contract == checked.program.contract
    assert dict(again.ranges) == dict(checked.ranges)
    assert write_lock(again) == text
