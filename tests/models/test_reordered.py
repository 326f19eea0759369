"""Components that order, pick and combine entries in one model, proven at both opsets; choices by sections."""

from __future__ import annotations

from pathlib import Path

import pytest

from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: reordered
dims: {batch: {max: 6}, seq: {min: 3, max: 20}, edges: {max: 40}}
inputs:
  x:     {shape: [batch, seq, 6]}
  nodes: {shape: [seq, 6]}
  ids:   {dtype: int64, shape: [batch, seq], below: 50}
  words: {dtype: int64, shape: [batch, seq], below: 9}
  which: {dtype: int64, shape: [batch], below: seq}
  edges: {dtype: int64, shape: [edges], below: seq}
graph: |
  x --> backwards[flip] --> shifted[roll] --> chosen[take] --> scores[linear] --> flat[flatten]
  flat --> best[topk] -->|indices:index| rows[gather] --> first[select]
  x --> rows
  flat --> ranks[sort] -->|indices:index| permuted[gather_elements]
  words --> permuted --> vectors[embedding]
  x --> at[gather]
  which -->|index| at
  ids --> bags[embedding_bag]
  nodes --> messages[gather] --> highest[segment_max] --> both[add]
  messages --> lowest[segment_min] --> both --> updated[scatter_add]
  messages --> weights[segment_softmax] -->|source| updated
  edges -->|index| messages & highest & lowest & weights & updated
  nodes -->|like| highest & lowest & weights
  x --> products[einsum]
  backwards --> products
nodes:
  backwards: {axis: 1}
  shifted:   {axis: [1, 2], shift: [-4, 1]}
  chosen:    {indices: [0, -1, 3, 3]}
  scores:    {out: 1}
  best:      {k: 2}
  rows:      {batch_dims: 1}
  first:     {axis: 1, index: 0}
  ranks:     {descending: true}
  vectors:   {vocab: 9, dim: 4}
  at:        {batch_dims: 1}
  bags:      {vocab: 50, dim: 5, mode: max}
  highest:   {size: seq}
  lowest:    {size: seq}
  weights:   {size: seq}
  products:  {equation: "bid,bjd->bij"}
outputs:
  {best: best, where: best.indices, first: first, ordered: permuted, vectors: vectors, at: at, bags: bags,
   updated: updated, products: products, ranks: ranks}
"""


@pytest.mark.parametrize("opset", [18, 23])
def test_order_and_indices(opset: int, tmp_path: Path) -> None:
    path = tmp_path / "reordered.yaml"
    path.write_text(SPEC, encoding="utf-8")
    built = build(path, Options(out=tmp_path, opset=opset, measure=False))
    assert built.parity is not None
    assert not built.parity.failures
