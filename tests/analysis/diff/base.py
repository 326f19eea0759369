"""The spec that is edited, and its edits."""

from __future__ import annotations

from stackc.analysis.diff.comparison import Difference
from stackc.frontend import check_source
from stackc.ir.typed import TypedGraph
from stackc.spec.source import Source

BASE = """\
stackc: 1
name: test
dims: {batch: {max: 8}}
inputs: {x: {shape: [batch, 64]}}
graph: |
  x --> a[linear] --> b[gelu] --> c[linear] --> d[layer_norm]
  a --> s[stack] --> e[add]
  d --> e
nodes:
  a: {out: 64}
  c: {out: 64}
  s: {of: layer, repeat: 12}
blocks:
  layer:
    inputs: [x]
    graph: |
      x --> up[linear] --> act[relu] --> down[linear] --> sum[add]
      x --> sum
    nodes: {up: {out: 128}, down: {out: 64}}
outputs: {y: e}
"""


def typed(text: str) -> TypedGraph:
    return check_source(Source("test.yaml", text)).typed


def edited(*edits: tuple[str, str]) -> TypedGraph:
    text = BASE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return typed(text)


def growth(difference: Difference) -> int:
    """Return the parameters that the whole model gains."""
    return difference.after.cost.parameters - difference.before.cost.parameters
