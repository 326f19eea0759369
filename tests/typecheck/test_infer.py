"""Type inference: one error does not hide others."""

from __future__ import annotations

import pytest

from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source
from stackc.spec.source import Source


def test_components_after_one_that_does_not_fit_are_checked_if_its_output_type_is_clear() -> None:
    text = """\
stackc: 1
inputs: {x: {shape: [batch, 3, h, w]}}
graph: x --> a[batch_norm] --> b[conv2d] --> c[group_norm] --> body[stack] --> d[softmax]
nodes:
  b: {out: 7, kernel: 3, padding: same}
  c: {groups: 2}
  body: {of: layer, repeat: 3}
  d: {axis: 9}
blocks:
  layer:
    inputs: [x]
    graph: x --> norm[instance_norm] --> relu
"""

    with pytest.raises(SpecError) as caught:
        check_source(Source("s.yaml", text))
    problems = [(d.code, d.message.partition(":")[0]) for d in caught.value.diagnostics]
    assert problems == [
        ("T204", "'a' (batch_norm)"), ("T204", "'c' (group_norm)"), ("T201", "'d' (softmax)"),
        ("T204", "'norm' (instance_norm)"),
    ]  # fmt: skip


def test_a_block_that_does_not_fit_is_reported_once() -> None:
    text = """\
stackc: 1
inputs: {x: {shape: [batch, seq, 8]}}
graph: x --> body[stack]
nodes: {body: {of: layer, repeat: 3}}
blocks:
  layer:
    inputs: [x]
    graph: x --> attn[attention]
    nodes: {attn: {heads: 3}}
"""
    with pytest.raises(SpecError) as caught:
        check_source(Source("s.yaml", text))

    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "T202"
    assert [note.message for note in diagnostic.notes] == [
        "x is float32[batch, seq, 8], from 'x'",
        "this is inside 'body.0'",
    ]
