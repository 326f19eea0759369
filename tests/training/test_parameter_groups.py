"""Learning rates and weight decay of each parameter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.training.stepping import Steps
from torch.nn import functional as F

from stackc.artifact.lock import write_lock
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source
from stackc.spec.source import Source

SPEC = """\
stackc: 1
name: model
inputs: {{ids: {{dtype: int64, shape: [batch, seq], below: 7}}}}
graph: ids --> embed[embedding] --> body[stack] --> head[linear]
nodes:
  embed: {{vocab: 7, dim: 4}}
  body: {{of: layer, repeat: 2}}
  head: {{out: 3}}
blocks:
  layer:
    inputs: [x]
    graph: x --> up[linear] --> norm[layer_norm] --> gelu
    nodes: {{up: {{out: 4, bias: true}}, norm: {{axis: -1}}}}
outputs: {{logits: head}}
train:
  inputs: {{label: {{shape: [batch, seq, 3]}}}}
  graph: |
    logits --> loss[mse]
    label --> |target| loss
  data: {{batch: 8}}
  optimizer: {optimizer}
  steps: 3
"""


def spec(optimizer: str) -> str:
    return SPEC.format(optimizer=optimizer)


def settings(optimizer: str) -> dict[str, tuple[float, float]]:
    """The learning rate and the decay of each parameter."""
    training = check_source(Source("model.yaml", spec(optimizer))).training
    assert training is not None
    return {name: (group.lr, group.weight_decay) for group in training.settings.groups for name in group.names}


def test_norms_and_biases_do_not_decay_and_embeddings_do() -> None:
    decays = {name: decay for name, (_, decay) in settings("{op: adamw, weight_decay: 0.1}").items()}
    assert {name for name, decay in decays.items() if decay} == {
        "embed.weight", "body.0.up.weight", "body.1.up.weight", "head.weight",
    }  # fmt: skip
    assert set(decays.values()) == {0.1, 0.0}


def test_the_first_pattern_that_matches_decides() -> None:
    rates = {
        name: rate
        for name, (rate, _) in settings(
            '{op: sgd, lr: {"**.norm": 1e-1, body.1: 1e-2, "body.{i}.up.bias": 2e-2, "body.*": 1e-3, "*": 1e-4}}'
        ).items()
    }
    assert rates == {
        "embed.weight": 1e-4, "head.weight": 1e-4, "head.bias": 1e-4,
        "body.0.norm.weight": 1e-1, "body.0.norm.bias": 1e-1, "body.1.norm.weight": 1e-1, "body.1.norm.bias": 1e-1,
        "body.0.up.weight": 1e-3, "body.0.up.bias": 2e-2, "body.1.up.weight": 1e-2, "body.1.up.bias": 1e-2,
    }  # fmt: skip


def test_decay_by_pattern_leaves_norms_out_unless_they_are_named() -> None:
    decays = {
        name: decay
        for name, (_, decay) in settings(
            '{op: sgd, lr: 1, weight_decay: {"head.bias": 0.3, body: 0.1, "**": 0.2}}'
        ).items()
        if decay
    }
    assert decays == {
        "head.bias": 0.3, "body.0.up.weight": 0.1, "body.1.up.weight": 0.1, "embed.weight": 0.2, "head.weight": 0.2,
    }  # fmt: skip


def test_steps_are_those_of_groups_by_hand() -> None:
    """AdamW with two rates and two decays, against torch.optim.AdamW with groups written by hand."""
    steps = Steps.of(spec('{op: adamw, lr: {body: 1e-2, "*": 1e-1}, weight_decay: {head: 0.5, "*": 0.1}}'))
    state = {name: value.clone().requires_grad_() for name, value in steps.module.state_dict().items()}
    groups = [
        {"params": [state["embed.weight"]], "lr": 1e-1, "weight_decay": 0.1},
        {"params": [state[f"body.{i}.up.weight"] for i in (0, 1)], "lr": 1e-2, "weight_decay": 0.1},
        {
            "params": [v for n, v in state.items() if n.startswith("body") and v.dim() == 1],
            "lr": 1e-2,
            "weight_decay": 0,
        },
        {"params": [state["head.weight"]], "lr": 1e-1, "weight_decay": 0.5},
        {"params": [state["head.bias"]], "lr": 1e-1, "weight_decay": 0},
    ]
    optimizer = torch.optim.AdamW(groups)
    random = np.random.default_rng(0)
    for _ in range(3):
        ids, label = random.integers(0, 7, (8, 5)), random.standard_normal((8, 5, 3)).astype(np.float32)
        x = F.embedding(torch.from_numpy(ids), state["embed.weight"])
        for i in (0, 1):
            x = F.linear(x, state[f"body.{i}.up.weight"], state[f"body.{i}.up.bias"])
            x = F.gelu(F.layer_norm(x, (4,), state[f"body.{i}.norm.weight"], state[f"body.{i}.norm.bias"]))
        loss = F.mse_loss(F.linear(x, state["head.weight"], state["head.bias"]), torch.from_numpy(label))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert steps.step(ids=ids, label=label) == pytest.approx(loss.item(), rel=1e-6)
    for name, value in steps.module.state_dict().items():
        torch.testing.assert_close(value, state[name].detach(), rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    ("optimizer", "message", "hint"),
    [
        ('{op: sgd, lr: {bodi: 1, "*": 2}}', "'bodi' under `lr` matches no parameter of the model",
         "did you mean 'body'?"),
        ('{op: sgd, lr: {"*": 1, body: 2}}', "'body' under `lr` is never reached",
         "write it above the more general pattern: the first that matches decides"),
        ("{op: sgd, lr: {body: 1}}", "no pattern of `lr` matches 'embed.weight'",
         'add `"*": …` for all others, or freeze it'),
        ('{op: adam, weight_decay: {"**.wieght": 1}}',
         "'**.wieght' under `weight_decay` matches no parameter of the model", None),
    ],
)  # fmt: skip
def test_error_patterns(optimizer: str, message: str, hint: str | None) -> None:
    with pytest.raises(SpecError) as caught:
        settings(optimizer)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("L104", message)
    assert hint is None or diagnostic.hint == hint


def test_error_patterns_of_what_is_frozen() -> None:
    text = spec('{op: sgd, lr: {body: 1, "*": 2}}') + "  freeze: [body]\n"
    with pytest.raises(SpecError, match="'body' under `lr` matches only what is frozen"):
        check_source(Source("model.yaml", text))


@pytest.mark.parametrize("value", ["{}", "{body: [1]}", "{body: -1}", "{body: x}"])
def test_error_numbers_of_patterns(value: str) -> None:
    with pytest.raises(SpecError):
        settings(f"{{op: sgd, lr: {value}}}")


def test_the_lock_has_the_same_groups() -> None:
    text = spec('{op: sgd, lr: {"body.{i}.up": 1e-2, "*": 1e-1}, weight_decay: {"**.bias": 0.5}}')
    text += "  freeze: [embed]\n"
    checked = check_source(Source("model.yaml", text))
    locked = check_source(Source("lock.yaml", write_lock(checked)))
    assert checked.training is not None
    assert locked.training is not None
    assert len(checked.training.settings.groups) == 4
    assert locked.training.settings.groups == checked.training.settings.groups
    assert locked.training.settings.freeze == ("embed",)
