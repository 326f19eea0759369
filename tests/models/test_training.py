"""A spec with a stack and norms, trained on real digits, saved, built from its weights, proven, and as accurate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from stackc.artifact.folder import run_artifact
from stackc.frontend import check_spec
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: digits
dims: {batch: {min: 1, max: 512}}
inputs:
  image: {shape: [batch, 64]}
graph: |
  image --> scale[batch_norm] --> up[linear] --> encoder[stack] --> head[linear]
nodes:
  up: {out: 96}
  encoder: {of: residual, repeat: 3, norm: batch_norm, norm_every: 1}
  head: {out: 10, reparam: {weight: standardize}}
blocks:
  residual:
    inputs: [x]
    graph: |
      x --> norm[layer_norm] --> mlp --> add
      x --> add
    nodes: {mlp: {hidden: 128, dropout: 0.1}}
"""


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float((logits.argmax(axis=1) == labels).mean())


def test_trains_on_digits_and_ships_as_accurate(tmp_path: Path) -> None:
    from stackc.torch_backend.lower import lower

    path = tmp_path / "digits.yaml"
    path.write_text(SPEC, encoding="utf-8")
    data = load_digits()
    split = train_test_split(data.data.astype(np.float32), data.target, test_size=0.25, random_state=0)
    train_x, test_x, train_y, test_y = split

    torch.manual_seed(0)
    module = lower(check_spec(path).typed, seed=1).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    images, labels = torch.from_numpy(train_x), torch.from_numpy(train_y)
    losses = []
    for _ in range(12):
        for batch in torch.randperm(len(images)).split(64):
            loss = nn.functional.cross_entropy(module(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

    assert np.mean(losses[-10:]) < 0.2 * np.mean(losses[:5])
    silent = [n for n, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not silent, "every parameter of stack and norms has a gradient"
    still = [n for n, t in module.state_dict().items() if torch.equal(t, before[n])]
    assert not still, "every parameter and every running statistic moves"

    module.eval()
    with torch.no_grad():
        eager = accuracy(module(torch.from_numpy(test_x)).numpy(), test_y)
    assert eager > 0.95
    save_file(module.state_dict(), tmp_path / "digits.safetensors")
    options = Options(weights=tmp_path / "digits.safetensors", out=tmp_path, measure=False)
    built = build(path, options)
    assert built.parity is not None
    assert not built.parity.failures

    (logits,) = run_artifact(built.folder, {"image": test_x}, "cpu").values()
    assert accuracy(logits, test_y) == eager
