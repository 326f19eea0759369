"""Gradients of single examples against a loop over them with plain autograd, for every component with parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, find, settings
from hypothesis.errors import NoSuchExample
from tests.components.cases import CASES

from stackc.components import REGISTRY
from stackc.frontend import check_source
from stackc.ir.training import Training
from stackc.runtime import Array
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower
from stackc.training.per_example import PerExample
from stackc.training.step import Model

SEQUENCE = "{x: {shape: [batch, seq, 8]}}"
VECTOR = "{x: {shape: [batch, 8]}}"
IDS = "{x: {dtype: int64, shape: [batch, seq], below: 11}}"
IMAGE = "{x: {shape: [batch, 4, 6, 6]}}"
VOLUME = "{x: {shape: [batch, 2, 4, 4, 4]}}"
WAVE = "{x: {shape: [batch, 4, 9]}}"
TWO = "{x: {shape: [batch, 8]}, z: {shape: [batch, 8]}}"

COMPONENTS: dict[str, tuple[str, str, str]] = {
    # op: inputs, graph from x to `last`, fields of the node y
    "attention": (SEQUENCE, "x --> y --> last", "heads: 2"),
    "batch_norm": (IMAGE, "x --> y --> last", "axis: 1, freeze: true"),
    "conv1d": (WAVE, "x --> y --> last", "out: 6, kernel: 3, groups: 2"),
    "conv2d": (IMAGE, "x --> y --> last", "out: 5, kernel: 3, stride: 2"),
    "conv3d": (VOLUME, "x --> y --> last", "out: 3, kernel: 2"),
    "conv_transpose1d": (WAVE, "x --> y --> last", "out: 3, kernel: 3"),
    "conv_transpose2d": (IMAGE, "x --> y --> last", "out: 3, kernel: 2"),
    "conv_transpose3d": (VOLUME, "x --> y --> last", "out: 3, kernel: 2"),
    "dynamic_tanh": (SEQUENCE, "x --> y --> last", ""),
    "embedding": (IDS, "x --> y --> last", "vocab: 11, dim: 4"),
    "embedding_bag": (IDS, "x --> y --> last", "vocab: 11, dim: 4"),
    "gated_sum": (TWO, "x --> y --> last\n  z -->|branch| y\n  x -->|branch| y", ""),
    "group_norm": (IMAGE, "x --> y --> last", "groups: 2, axis: 1"),
    "gru": (SEQUENCE, "x --> y --> last", "hidden: 5"),
    "gru_cell": (TWO, "x --> y --> last\n  z -->|h| y", ""),
    "instance_norm": (IMAGE, "x --> y --> last", "axis: 1, affine: true"),
    "layer_norm": (SEQUENCE, "x --> y --> last", ""),
    "learned_position": (SEQUENCE, "x --> y --> last\n  x --> last", "max: 12"),
    "learned_query": (SEQUENCE, "x --> y --> attn[attention] --> last\n  x -->|context| attn", "count: 3, dim: 8"),
    "learned_scale": (SEQUENCE, "x --> y --> last", ""),
    "linear": (SEQUENCE, "x --> y --> last", "out: 5"),
    "lstm": (SEQUENCE, "x --> y --> last", "hidden: 5, bidirectional: true"),
    "lstm_cell": (TWO, "x --> y --> last\n  z -->|h| y\n  z -->|c| y", ""),
    "mlp": (SEQUENCE, "x --> y --> last", "hidden: 6"),
    "patch_embed": (IMAGE, "x --> y --> last", "dim: 5, patch: 2"),
    "prelu": (IMAGE, "x --> y --> last", ""),
    "relative_position_bias": (SEQUENCE, "x --> attn[attention] --> last\n  x --> y -->|bias| attn", "heads: 2"),
    "rms_norm": (SEQUENCE, "x --> y --> last", ""),
    "rnn": (SEQUENCE, "x --> y --> last", "hidden: 5"),
    "weighted_sum": (TWO, "x --> y --> last\n  z --> y", ""),
}
MODELS = {
    "standardize": "reparam: {weight: {standardize: {}}}",
    "minmax": "reparam: {weight: {minmax: [-1, 1]}}",
    "weight_norm": "reparam: {weight: weight_norm}",
    "lora": "reparam: {weight: {lora: {rank: 2}}}",
}
"""Reparametrizations of a linear node, by what the test is called."""
SPEC = """\
stackc: 1
name: one
{dims}inputs: {inputs}
graph: |
  {graph}
nodes: {{{nodes}}}
outputs: {{out: last}}
train:
  graph: |
    out --> loss[mse]
    out --> target[sin] -->|target| loss
  data: {{batch: 4}}
  optimizer: {{op: sgd, lr: 0.1}}
  steps: 1
  precision: float64
  privacy: {{epsilon: 3, delta: 1e-5, clip: 1.0}}
"""


def spec_of(op: str, inputs: str, graph: str, fields: str) -> str:
    nodes = [f"y: {{op: {op}{', ' if fields else ''}{fields}}}", "last: {op: add}" if "x --> last" in graph else ""]
    nodes += ["attn: {heads: 2}" if "attn" in graph else "", "" if "x --> last" in graph else "last: {op: tanh}"]
    return text_of(inputs, graph, ", ".join(filter(None, nodes)))


def text_of(inputs: str, graph: str, nodes: str) -> str:
    dims = "dims: {seq: {max: 12}}\n" if "seq" in inputs else ""
    return SPEC.format(dims=dims, inputs=inputs, graph=graph, nodes=nodes)


def training_of(text: str) -> Training:
    training = check_source(Source("one.yaml", text)).training
    assert training is not None
    return training


def private_model(text: str) -> Model:
    """The model in training, with parameters that are all different from their special initial values."""
    training = training_of(text)
    module = lower(training.typed, seed=0).double()
    model = Model(module, training)
    model.start_training()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / 8)
    return model


def draw_feeds(training: Training, examples: int) -> dict[str, Array]:
    random, sizes = np.random.default_rng(0), {"batch": examples, "seq": 5}
    feeds: dict[str, Array] = {}
    for name, type_ in training.program.inputs.items():
        shape = [dim.evaluate(sizes) for dim in type_.shape]
        if not type_.is_float:
            feeds[name] = random.integers(1, 6, shape)
        else:
            feeds[name] = random.random(shape) if name.endswith("_") else random.standard_normal(shape)
    return feeds


def one_by_one(model: Model, feeds: dict[str, Array]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Gradients and losses by autograd of one example after the other."""
    trained = {name: each for name, each in model.module.named_parameters() if each.requires_grad}
    gradients, losses = [], []
    for row in range(len(next(iter(feeds.values())))):
        loss = model.loss(model.means({name: x[row : row + 1] for name, x in feeds.items()}))
        gradients.append(torch.autograd.grad(loss, [*trained.values()], allow_unused=True, materialize_grads=True))
        losses.append(loss.detach())
    return dict(zip(trained, map(torch.stack, zip(*gradients, strict=True)), strict=True)), torch.stack(losses)


def assert_gradients_of_single_examples(text: str) -> None:
    model = private_model(text)
    feeds = draw_feeds(model.training, 4)
    gradients, losses = PerExample.of(model).gradients(feeds)
    expected, expected_losses = one_by_one(model, feeds)

    torch.testing.assert_close(losses, expected_losses, rtol=1e-10, atol=1e-12)
    assert {name.removeprefix("module.") for name in gradients} == expected.keys()
    scale = max(float(each.abs().max()) for each in expected.values())
    assert scale > 1e-6
    for name, each in expected.items():
        torch.testing.assert_close(gradients[f"module.{name}"], each, rtol=1e-9, atol=1e-10 * scale)


@pytest.mark.parametrize("op", [op for op in COMPONENTS if op != "batch_norm"])
def test_every_component_with_parameters(op: str) -> None:
    assert_gradients_of_single_examples(spec_of(op, *COMPONENTS[op]))


@pytest.mark.parametrize("name", MODELS)
def test_reparametrized_weights(name: str) -> None:
    assert_gradients_of_single_examples(spec_of("linear", SEQUENCE, "x --> y --> last", f"out: 6, {MODELS[name]}"))


SHARED = {
    "tied": ("norm[layer_norm] --> last[linear]", "last: {out: 11, bias: false, tie: {weight: y.weight}}"),
    "called twice": ("a[linear] --> b[tanh] --> c --> last[tanh]", "a: {out: 4}, c: {same_as: a}"),
    "shared stack": (
        "deep[stack] --> last[linear]",
        "deep: {of: linear, repeat: 3, share: true, with: {out: 4}}, last: {out: 2}",
    ),
    "frozen": ("norm[batch_norm] --> last[linear]", "norm: {axis: -1, freeze: true}, last: {out: 2}"),
}
"""What follows an embedding, and its nodes."""


@pytest.mark.parametrize("name", SHARED)
def test_shared_and_frozen_weights(name: str) -> None:
    """opacus's hooks have no gradient for a tied weight."""
    graph, nodes = SHARED[name]
    nodes = f"y: {{vocab: 11, dim: 4{', freeze: true' if name == 'frozen' else ''}}}, {nodes}"
    assert_gradients_of_single_examples(text_of(IDS, f"x --> y[embedding] --> {graph}", nodes))


CLASSES, NUMBERS = "{dtype: int64, shape: [batch], below: 6}", "{shape: [batch, 6]}"
LOSSES: dict[str, tuple[str, str, dict[str, str]]] = {
    # op: fields of the loss, graph from the output, inputs by port
    "bce_with_logits": ("", "out --> loss", {"target": NUMBERS}),
    "cosine": ("", "out --> loss", {"target": NUMBERS}),
    "cross_entropy": ("label_smoothing: 0.1, ignore_index: 3", "out --> loss", {"target": CLASSES}),
    "ctc": ("", "out --> log_softmax --> loss", {"target": "{dtype: int64, shape: [batch, 2], below: 6}"}),
    "dice": ("", "out --> loss", {"target": NUMBERS}),
    "focal": ("", "out --> loss", {"target": NUMBERS}),
    "huber": ("", "out --> loss", {"target": NUMBERS}),
    "kl_div": ("", "out --> log_softmax --> loss", {"target": NUMBERS}),
    "l1": ("", "out --> loss", {"target": NUMBERS}),
    "mse": ("", "out --> loss", {"target": NUMBERS}),
    "nll": ("", "out --> log_softmax --> loss", {"target": CLASSES}),
    "quantile": ("quantiles: [0.1, 0.2, 0.3, 0.5, 0.8, 0.9]", "out --> loss", {"target": "{shape: [batch]}"}),
    "triplet": ("", "out --> loss", {"positive": NUMBERS, "negative": NUMBERS}),
}  # fmt: skip
MIXING_LOSSES = {"contrastive"}
"""Losses that compare the examples of a batch."""
LOSS_SPEC = """\
stackc: 1
name: one
inputs: {x: {shape: [batch, 8]}}
graph: x --> last[linear]
nodes: {last: {out: 6}}
outputs: {out: last}
train:
  inputs: {%s}
  graph: |
    %s
  nodes: {log_softmax: {axis: -1}, loss: {%s}}
  metrics: {near: {op: mse, of: out, target: out}}
  data: {batch: 4}
  optimizer: {op: sgd, lr: 0.1}
  steps: 1
  precision: float64
  privacy: {epsilon: 3, delta: 1e-5, clip: 1.0}
"""


@pytest.mark.parametrize("op", LOSSES)
def test_every_loss(op: str) -> None:
    fields, graph, ports = LOSSES[op]
    inputs = ", ".join(f"{name}_: {shape}" for name, shape in ports.items())
    arrows = [graph, *(f"{name}_ -->|{name}| loss" for name in ports)]
    op_field = f"op: {op}, {fields}".removesuffix(", ")
    text = LOSS_SPEC % (inputs, "\n    ".join(arrows), op_field)
    if "log_softmax" not in graph:
        text = text.replace("log_softmax: {axis: -1}, ", "")
    if op == "ctc":
        text = text.replace("[batch, 8]", "[batch, seq, 8]")
    assert_gradients_of_single_examples(text)


def test_every_loss_is_in_the_table() -> None:
    losses = {op for op, make in REGISTRY.items() if make.family == "loss"}
    assert losses == LOSSES.keys() | MIXING_LOSSES


@pytest.mark.slow
@pytest.mark.parametrize("op", sorted(REGISTRY.keys() - COMPONENTS))
def test_every_other_component_has_no_parameters(op: str) -> None:
    quick = settings(max_examples=12, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    with pytest.raises(NoSuchExample):
        find(CASES[op], lambda case: bool(case.signature.parameters), settings=quick)
