"""The digits of scikit-learn, a small network for them, and its spec."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

SPEC = """\
stackc: 1
name: digits
inputs: {image: {shape: [batch, 1, 8, 8], min: 0, max: 1}}
graph: |
  image --> conv[conv2d] --> norm[batch_norm] --> relu --> pool[max_pool2d] --> flat[flatten] --> head[linear]
nodes: {conv: {out: 4, kernel: 3, padding: 1}, norm: {axis: 1}, pool: {kernel: 2}, head: {out: 10}}
outputs: {logits: head}
"""
TRAIN = """\
train:
  inputs: {label: {dtype: int64, shape: [batch], below: 10}}
  graph: |
    logits --> loss[cross_entropy]
    label -->|target| loss
  data: {train: train.npz, validation: test.npz, batch: 50}
  optimizer: {op: adamw, lr: 1e-2, weight_decay: 0.1}
  schedule: {op: warmup_cosine, warmup: 3}
  epochs: 3
  seed: 3
  metrics: {accuracy: {of: logits, target: label}}
"""
MANY_LOSSES = """\
stackc: 1
name: many
params: {weight: 0.3}
inputs: {x: {shape: [batch, 8]}}
graph: x --> deep[stack] --> head[linear]
nodes: {deep: {of: layer, repeat: 3}, head: {out: 10}}
blocks: {layer: {inputs: [x], graph: "x --> up[linear] --> act[gelu]", nodes: {up: {out: 8}}}}
outputs: {logits: head, mid: deep.1}
train:
  inputs: {label: {dtype: int64, shape: [batch], below: 10}, y: {shape: [batch, 8]}}
  graph: |
    logits --> scale --> loss[cross_entropy]
    label -->|target| loss
    deep -->|"1.act:"| inner[mse]
    deep -->|"0.up:"| near[l1]
    y -->|target| inner & near
  nodes: {scale: {factor: 2}, loss: {label_smoothing: 0.1}}
  data: {batch: 4, train: a.npz, validation: b.npz, shuffle: false}
  optimizer: {op: sgd, lr: 0.1, momentum: 0.9}
  schedule: {op: multi_step, milestones: [3, 5]}
  epochs: 2
  stop: {metric: acc, patience: 2}
  freeze: [deep.0]
  ema: 0.9
  loss_weights: {inner: weight}
  metrics: {acc: {op: accuracy, of: logits, target: label}, far: {op: mse, of: deep.2, target: y}}
"""
"""A spec with losses of outputs, taps and nodes, and most of the settings."""


def write_examples(folder: Path, train: int, test: int) -> None:
    """Write train.npz and test.npz: images from 0 to 1, and labels."""
    digits = load_digits()
    images, labels = (digits.images[:, None] / 16).astype(np.float32), digits.target
    np.savez(folder / "train.npz", image=images[:train], label=labels[:train])
    np.savez(folder / "test.npz", image=images[train : train + test], label=labels[train : train + test])


def write_digits(folder: Path, *, train: int = 320, test: int = 100) -> Path:
    """Write the spec and its examples into a folder; return the path of the spec."""
    write_examples(folder, train, test)
    spec = folder / "digits.yaml"
    spec.write_text(SPEC + TRAIN, encoding="utf-8")
    return spec


if __name__ == "__main__":
    write_examples(Path(), 1400, 397)
