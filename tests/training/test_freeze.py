"""`freeze` at nodes, blocks and members of stacks, against loops written by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from tests.training.stepping import Steps
from torch import nn
from torch.nn import functional as F

from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source
from stackc.spec.source import Source

SPEC = """\
stackc: 1
name: model
params: {{kept: true}}
inputs: {{x: {{shape: [batch, 6]}}}}
graph: x --> body[stack] --> drop[dropout] --> head[linear]
nodes:
  body: {{of: {of}, repeat: 2{stack}}}
  drop: {{p: 0.5{drop}}}
  head: {{out: 3{head}}}
blocks:
  layer:
    inputs: [x]
    graph: x --> up[linear] --> norm[batch_norm] --> act[gelu] --> wet[dropout]
    nodes: {{up: {{out: 6}}, norm: {{axis: 1{norm}}}, wet: {{p: 0.5}}}}
outputs: {{logits: head}}
train:
  inputs: {{target: {{shape: [batch, 3]}}}}
  graph: |
    logits --> loss[mse]
    target --> |target| loss
  data: {{batch: 8}}
  optimizer: {{op: sgd, lr: 0.1}}
  steps: 3
"""


def spec(of: str = "layer", stack: str = "", drop: str = "", head: str = "", norm: str = "", train: str = "") -> str:
    return SPEC.format(of=of, stack=stack, drop=drop, head=head, norm=norm) + train


FROZEN = {
    "a stack": (spec(stack=", freeze: true"), ["body"]),
    "all members": (spec(of="{op: layer, freeze: kept}"), ["body"]),
    "a member, by its index": (spec(of="{op: layer, freeze: index == 1}"), ["body.1"]),
    "a node in a block": (spec(norm=", freeze: true"), ["body.0.norm", "body.1.norm"]),
    "two nodes": (spec(drop=", freeze: true", head=", freeze: true"), ["drop", "head"]),
    "a node and a path": (spec(drop=", freeze: true", train="  freeze: [body.0]\n"), ["drop", "body.0"]),
    "nothing": (spec(stack=", freeze: not kept"), []),
}


class Layer(nn.Module):
    """What the block says, by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.norm, self.wet = nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.wet(F.gelu(self.norm(self.up(x))))
        return out


class ByHand(nn.Module):
    """The model, by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(Layer(), Layer())
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.drop(self.body(x)))
        return out


@pytest.mark.parametrize(("text", "frozen"), FROZEN.values(), ids=FROZEN)
def test_a_frozen_part_keeps_weights_statistics_and_dropout(text: str, frozen: list[str]) -> None:
    steps = Steps.of(text)
    model = ByHand()
    model.load_state_dict(copy.deepcopy(steps.module.state_dict()))
    model.train()
    for path in frozen:
        model.get_submodule(path).eval().requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)

    random = np.random.default_rng(0)
    for step in range(3):
        x, target = (random.standard_normal((8, size)).astype(np.float32) for size in (6, 3))
        torch.manual_seed(step)
        loss = F.mse_loss(model(torch.from_numpy(x)), torch.from_numpy(target))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        torch.manual_seed(step)
        assert steps.step(x=x, target=target) == pytest.approx(loss.item(), rel=1e-6)

    for name, value in steps.module.state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=1e-5, atol=1e-6, msg=name)


def test_a_frozen_node_is_frozen_where_it_is_called_again() -> None:
    """`freeze` of a node whose module another one owns freezes that module."""
    text = spec(train="  freeze: [again]\n").replace(
        "graph: x --> body[stack] -->", "graph: x --> first[linear] --> again --> body[stack] -->"
    ).replace("nodes:\n  body:", "nodes:\n  first: {out: 6}\n  again: {same_as: first}\n  body:")  # fmt: skip
    steps = Steps.of(text)
    assert [p.requires_grad for p in steps.module.get_submodule("first").parameters()] == [False, False]


def refused(text: str) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        check_source(Source("model.yaml", text))
    return [(diagnostic.code, diagnostic.message) for diagnostic in caught.value.diagnostics]


def test_error_freeze_is_no_truth_value() -> None:
    assert refused(spec(head=", freeze: 3")) == [("N310", "freeze must be true or false, but is 3")]
    assert refused(spec(of="{op: layer, freeze: index}"))[0][0] == "N310"


def test_error_everything_is_frozen() -> None:
    text = spec(stack=", freeze: true", head=", freeze: true")
    assert refused(text) == [("L107", "every parameter of the model is frozen, so there is nothing to train")]
