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
