"""The graph under `train:` beside its model: what it sees, what it computes, and that it leaves no trace."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from stackc.core.diagnostics import SpecError
from stackc.frontend import Checked, Overrides, check_source
from stackc.ir.optimizers import AdamW, WarmupCosine
from stackc.ir.printer import print_program
from stackc.spec.source import Source
from stackc.spec.writer import convert_syntax
from stackc.torch_backend.lower import lower

MODEL = """\
stackc: 1
name: model
params: {dim: 6, rate: 1e-2}
inputs: {x: {shape: [batch, dim]}}
graph: x --> encoder[stack] --> head[linear]
nodes: {encoder: {of: layer, repeat: 3}, head: {out: 4}}
blocks:
  layer: {inputs: [x], graph: "x --> up[linear] --> relu", nodes: {up: {out: dim}}}
outputs: {logits: head, second: encoder.1}
"""
TRAIN = """\
train:
  inputs: {label: {dtype: int64, shape: [batch], below: 4}}
  graph: |
    logits --> loss[cross_entropy]
    label -->|target| loss
    second --> near[mse]
    x -->|target| near
    encoder -->|0.up:| small[l1]
    zeros[scale] -->|target| small
    x --> zeros
  nodes: {zeros: {factor: 0}}
  data: {batch: 2*4}
  optimizer: {op: adamw, lr: rate}
  schedule: {op: warmup_cosine, warmup: 10}
  steps: 100
  loss_weights: {near: 0.5}
  metrics: {distance: {op: l1, of: encoder.2.relu, target: x}, top: {op: accuracy, of: logits, target: label, k: 2}}
"""


def checked(text: str, **params: str) -> Checked:
    return check_source(Source("model.yaml", text), Overrides(params=params))


def test_losses_see_nodes_outputs_taps_and_inputs() -> None:
    training = checked(MODEL + TRAIN).training
    assert training is not None
    module = lower(training.typed, seed=1).double()
    x, label = torch.randn(5, 6, dtype=torch.float64), torch.randint(4, (5,))
    values = dict(zip(training.program.outputs, module(x, label), strict=True))

    up = [module.get_submodule(f"encoder.{index}.up") for index in range(3)]
    first = up[0](x).relu()
    second = up[1](first).relu()
    third = up[2](second).relu()
    logits = module.get_submodule("head")(third)
    expected = {
        "logits": logits,
        "second": second,
        "loss": F.cross_entropy(logits, label),
        "near": F.mse_loss(second, x),
        "small": up[0](x).abs().mean(),
        "distance": F.l1_loss(third, x),
        "top": (logits.topk(2).indices == label[:, None]).any(1).double().mean(),
    }
    assert training.losses == ("loss", "near", "small")
    assert training.metrics == ("distance", "top")
    assert training.rising == {"top"}
    for name, value in expected.items():
        torch.testing.assert_close(values[name], value)
    assert {name: values[f"{name}.count"].item() for name in ("loss", "near", "top")} == {
        "loss": 5,
        "near": 30,
        "top": 5,
    }


def test_settings_are_evaluated() -> None:
    training = checked(MODEL + TRAIN, rate="0.5").training
    assert training is not None
    settings = training.settings
    assert (settings.data.batch, settings.optimizer, settings.schedule) == (8, AdamW(lr=0.5), WarmupCosine(warmup=10))
    assert settings.loss_weights == {"loss": 1.0, "near": 0.5, "small": 1.0}


def test_the_model_is_that_without_it() -> None:
    with_it, without = checked(MODEL + TRAIN), checked(MODEL)
    assert print_program(with_it.program).split("//")[0] == print_program(without.program).split("//")[0]
    assert with_it.training is not None
    ours, theirs = lower(with_it.training.typed, seed=2).state_dict(), lower(without.typed, seed=2).state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_an_output_that_is_not_declared_has_the_name_of_its_node() -> None:
    text = MODEL.replace("outputs: {logits: head, second: encoder.1}\n", "")
    graph = "'head --> loss[mse]; y -->|target| loss'"
    train = f"train: {{inputs: {{y: {{shape: [batch, 4]}}}}, graph: {graph}, data: {{batch: 4}}, epochs: 1}}\n"
    training = checked(text + train).training
    assert training is not None
    assert [*training.program.outputs] == ["head", "loss", "loss.count"]


def test_both_syntaxes_hold_it() -> None:
    source = Source("model.yaml", MODEL + TRAIN)
    mermaid = Source("model.mmd", convert_syntax(source, "mermaid"))
    drawn, written = check_source(mermaid).training, checked(MODEL + TRAIN).training
    assert drawn is not None
    assert written is not None
    assert drawn.settings == written.settings


def test_error_a_loss_inside_of_a_block() -> None:
    text = MODEL.replace('--> relu"', '--> loss[mse]; x -->|target| loss"')
    with pytest.raises(SpecError, match=r"L101.*'loss' \(mse\) is for training"):
        checked(text)
