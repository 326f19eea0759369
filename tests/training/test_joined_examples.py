"""Graphs of several sizes as one batch: the loss is that of a network by hand that gets all atoms and all bonds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.training.stepping import Steps

SPEC = """\
stackc: 1
name: molecules
inputs:
  atoms:    {shape: [atoms, 3]}
  source:   {dtype: int64, shape: [bonds], below: atoms}
  target:   {dtype: int64, shape: [bonds], below: atoms}
  molecule: {dtype: int64, shape: [atoms], below: molecules}
  known:    {shape: [molecules, 1]}
graph: |
  atoms --> sent[gather] --> arriving[segment_sum] --> up[linear] --> active[tanh]
  active --> readout[segment_sum] --> head[linear]
  source -->|index| sent
  target -->|index| arriving
  atoms -->|like| arriving
  molecule -->|index| readout
  known -->|like| readout
nodes: {arriving: {size: atoms}, up: {out: 4}, readout: {size: molecules}, head: {out: 1}}
outputs: {predictions: head}
train:
  inputs: {wanted: {shape: [molecules, 1]}}
  graph: |
    predictions --> loss[mse]
    wanted -->|target| loss
  data:
    batch: 3
    columns:
      atoms: {join: true, members: molecule}
      source: {join: true, offset: atoms}
      target: {join: true, offset: atoms}
  optimizer: {op: sgd, lr: 0.1}
  steps: 1
"""


def test_a_batch_of_graphs_is_trained_whole() -> None:
    """Its arrays differ in length: atoms, bonds and molecules are no examples that can be counted."""
    random = np.random.default_rng(0)
    atoms, known, wanted = (random.normal(size=size).astype(np.float32) for size in ((9, 3), (3, 1), (3, 1)))
    source, target = random.integers(0, 9, (2, 14))
    molecule = np.repeat([0, 1, 2], [4, 2, 3])

    steps = Steps.of(SPEC)
    weights = {name: each.detach().clone() for name, each in steps.model.module.named_parameters()}
    arriving = torch.zeros(9, 3).index_add(0, torch.tensor(target), torch.tensor(atoms)[source])
    active = torch.tanh(torch.nn.functional.linear(arriving, weights["up.weight"], weights["up.bias"]))
    readout = torch.zeros(3, 4).index_add(0, torch.tensor(molecule), active)
    by_hand = torch.nn.functional.linear(readout, weights["head.weight"], weights["head.bias"])
    loss = torch.nn.functional.mse_loss(by_hand, torch.tensor(wanted)).item()

    feeds = {"atoms": atoms, "source": source, "target": target, "molecule": molecule, "known": known}
    assert steps.step(**feeds, wanted=wanted) == pytest.approx(loss, rel=1e-6)
