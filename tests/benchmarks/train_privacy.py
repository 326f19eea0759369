"""A step of private training against opacus by hand: its hooks, its optimizer, the same draws, the same network.

`python -m tests.benchmarks.train_privacy [--steps 60] [--threads 1]`; both sides take turns, step by step, in one
process. The target is a median ratio of at most 1.05.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from opacus import GradSampleModule
from opacus.optimizers import DPOptimizer
from torch import Tensor, nn
from torch.nn import functional as F

from stackc.frontend import check_source
from stackc.ir.training import PrivacyBudget
from stackc.spec.source import Source
from stackc.training.optimizer import make_optimizer
from stackc.training.per_example import PerExample, private_optimizer, private_update
from stackc.training.prepare import training_module
from stackc.training.private_run import PrivatePlan
from stackc.training.step import Model

TRAIN = """
train:
  inputs: {label: {dtype: int64, shape: [batch], below: 10}}
  graph: |
    logits --> loss[cross_entropy]
    label -->|target| loss
  data: {batch: %d}
  optimizer: {op: sgd, lr: 0.01}
  steps: 1000
  privacy: {epsilon: 3, delta: 1e-5, clip: 1.0}
"""
DIGITS = """\
stackc: 1
name: digits
inputs: {x: {shape: [batch, 1, 28, 28]}}
graph: |
  x --> conv1[conv2d] --> relu1[relu] --> pool1[max_pool2d] --> conv2[conv2d] --> relu2[relu] --> pool2[max_pool2d]
  pool2 --> flat[flatten] --> logits[linear]
nodes:
  conv1: {out: 32, kernel: 3, padding: 1}
  conv2: {out: 64, kernel: 3, padding: 1}
  pool1: {kernel: 2}
  pool2: {kernel: 2}
  logits: {out: 10}
outputs: {logits: logits}
"""
ENCODER = """\
stackc: 1
name: encoder
inputs: {x: {dtype: int64, shape: [batch, 64], below: 1000}}
graph: x --> embed[embedding] --> layers[stack] --> pool[mean_pool] --> logits[linear]
nodes: {embed: {vocab: 1000, dim: 256}, layers: {of: layer, repeat: 3}, logits: {out: 10}}
outputs: {logits: logits}
blocks:
  layer:
    inputs: [x]
    graph: |
      x --> attn[attention] --> add1[add] --> norm1[layer_norm] --> mlp --> add2[add] --> norm2[layer_norm]
      x --> add1
      norm1 --> add2
    nodes: {attn: {heads: 4}, mlp: {hidden: 1024}}
"""


class Layer(nn.Module):
    """The layer of ENCODER, as one writes it by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(256, 256) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(256), nn.LayerNorm(256)
        self.up, self.down = nn.Linear(256, 1024), nn.Linear(1024, 256)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, seq, 256] → the same."""
        q, k, v = (linear(x).unflatten(-1, (4, 64)).transpose(1, 2) for linear in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = self.norm1(x + self.out(y))
        y = self.norm2(x + self.down(F.gelu(self.up(x))))
        assert isinstance(y, Tensor)
        return y


class Mean(nn.Module):
    """The mean over positions."""

    def forward(self, x: Tensor) -> Tensor:
        """[batch, seq, dim] → [batch, dim]."""
        return x.mean(1)


def digits_by_hand() -> nn.Module:
    """The network of DIGITS."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 49, 10),
    )  # fmt: skip


def encoder_by_hand() -> nn.Module:
    """The network of ENCODER."""
    return nn.Sequential(nn.Embedding(1000, 256), Layer(), Layer(), Layer(), Mean(), nn.Linear(256, 10))


def of_stackc(text: str, plan: PrivatePlan) -> Callable[[dict[str, Any], int], None]:
    """A step as `stackc train` makes it."""
    checked = check_source(Source("spec.yaml", text))
    assert checked.training is not None
    model = Model(training_module(checked, checked.training), checked.training)
    model.start_training()
    settings = checked.training.settings
    optimizer = private_optimizer(make_optimizer(settings.optimizer, model.module, settings.groups), plan)
    per_example = PerExample.of(model)

    def step(feeds: dict[str, Any], number: int) -> None:
        private_update(per_example, optimizer, feeds, "benchmark", number)

    return step


def of_opacus(module: nn.Module, plan: PrivatePlan) -> Callable[[dict[str, Any], int], None]:
    """A step as one writes it with opacus."""
    hooked = GradSampleModule(module)
    optimizer = DPOptimizer(
        torch.optim.SGD(hooked.parameters(), lr=0.01), noise_multiplier=plan.noise, max_grad_norm=1.0,
        expected_batch_size=int(plan.expected_batch),
    )  # fmt: skip

    def step(feeds: dict[str, Any], number: int) -> None:
        optimizer.zero_grad()
        F.cross_entropy(hooked(torch.from_numpy(feeds["x"])), torch.from_numpy(feeds["label"])).backward()
        optimizer.step()

    return step


def main() -> int:
    """Print the median ratio of each network; the exit status is 1 where one is above the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore", message="Full backward hook is firing")

    random, slow = np.random.default_rng(0), 0
    images = random.random((6400, 1, 28, 28)).astype(np.float32)
    ids = random.integers(0, 1000, (400, 64))
    for name, text, by_hand, x, batch in (
        ("digits network, 64 images", DIGITS, digits_by_hand, images, 64),
        ("encoder, 4×64 tokens", ENCODER, encoder_by_hand, ids, 4),
    ):
        plan = PrivatePlan(PrivacyBudget(3, 1e-5, 1.0), len(x), 1000, batch / len(x), 1.0)
        ours, theirs = of_stackc(text + TRAIN % batch, plan), of_opacus(by_hand(), plan)
        ratios = []
        for step in range(arguments.steps + 5):
            rows = plan.rows("benchmark", step)
            feeds = {"x": x[rows], "label": random.integers(0, 10, len(rows))}
            times = []
            for side in (ours, theirs) if step % 2 else (theirs, ours):
                start = time.perf_counter()
                side(feeds, step)
                times.append(time.perf_counter() - start)
            if step >= 5 and len(rows):
                ratios.append(times[0] / times[1] if step % 2 else times[1] / times[0])
        ratio = statistics.median(ratios)
        slow += ratio > 1.05
        print(f"{name}: stackc / opacus by hand {ratio:.2f} (to reach: 1.05)")
    return int(slow > 0)


if __name__ == "__main__":
    raise SystemExit(main())
