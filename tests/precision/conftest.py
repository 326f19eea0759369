"""A small transformer and its build, shared by the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stackc.pipeline import Built, Options, build
from stackc.precision.request import Quantization

SPEC = """\
stackc: 1
name: small
dims: {batch: {max: 6}, seq: {max: 13}}
inputs:
  ids: {dtype: int64, shape: [batch, seq], below: 20}
  mask: {dtype: int64, shape: [batch, seq], values: [0, 1]}
graph: |
  ids --> word[embedding] --> encoder[stack] --> head[linear]
  mask -->|mask| encoder
nodes:
  word: {vocab: 20, dim: 32}
  encoder: {of: layer, repeat: 2}
  head: {out: 20}
blocks:
  layer:
    inputs: [x, mask]
    graph: |
      x --> attn[attention] --> add1[add] --> norm1[layer_norm]
      x --> add1
      mask -->|mask| attn
      norm1 --> mlp --> add2[add]
      norm1 --> add2 --> norm2[layer_norm]
    nodes:
      attn: {heads: 2, causal: true}
      mlp: {hidden: 64}
outputs: {logits: head}
"""


@pytest.fixture(scope="session")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spec") / "small.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen examples of eleven tokens, and labels, which no input takes."""
    path = tmp_path_factory.mktemp("data") / "data.npz"
    ids = np.random.default_rng(0).integers(0, 20, (14, 11))
    np.savez(path, ids=ids, mask=np.ones_like(ids), label=ids[:, 0])
    return path


@pytest.fixture(scope="session")
def plain(spec: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The float32 artifact."""
    return build(spec, Options(out=tmp_path_factory.mktemp("plain"), measure=False))


@pytest.fixture(scope="session")
def int8(spec: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The artifact in int8."""
    options = Options(out=tmp_path_factory.mktemp("int8"), measure=False, quantize=Quantization("int8"))
    return build(spec, options)
