"""Artifacts to deploy: one whose requests may be joined, one whose entries are mixed, one without a shared dim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stackc.pipeline import Options, build
from stackc.runtime import Array

SMALL = """stackc: 1
name: small
dims: {batch: {min: 1, max: 16}, seq: {min: 1, max: 32}}
inputs:
  ids:   {dtype: int64, shape: [batch, seq], below: 50}
  scale: {shape: [batch]}
graph: |
  ids --> table[embedding] --> up[linear] --> act[gelu] --> pool[mean_pool] --> head[linear]
  scale --> factor[sigmoid]
nodes:
  table: {vocab: 50, dim: 8}
  up: {out: 16}
  head: {out: 3}
outputs: {logits: head, factor: factor}
"""
MIXED = """stackc: 1
name: mixed
dims: {batch: {min: 1, max: 16}}
inputs:
  x: {shape: [batch, 4]}
graph: |
  x --> up[linear] --> all[softmax] --> y[linear]
nodes:
  up: {out: 4}
  all: {axis: 0}
  y: {out: 2}
"""
APART = """stackc: 1
name: apart
inputs:
  x: {shape: [rows, 4]}
  w: {shape: [columns, 4]}
graph: |
  x --> a[linear]
  w --> b[linear]
nodes: {a: {out: 2}, b: {out: 2}}
outputs: [a, b]
"""


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the artifacts small, mixed and apart."""
    folder = tmp_path_factory.mktemp("deployment")
    for name, text in (("small", SMALL), ("mixed", MIXED), ("apart", APART)):
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        build(folder / f"{name}.yaml", Options(out=folder, measure=False), lambda stage, summary: None)
    return folder


@pytest.fixture(scope="session")
def small(artifacts: Path) -> Path:
    return artifacts / "small"


def small_feeds(batch: int, seq: int, seed: int = 0) -> dict[str, Array]:
    draws = np.random.default_rng(seed)
    ids = draws.integers(0, 50, (batch, seq))
    return {"ids": ids, "scale": draws.standard_normal(batch).astype(np.float32)}
