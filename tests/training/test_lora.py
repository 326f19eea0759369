"""`reparam: {weight: {lora: …}}` against low-rank adaptation written by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file
from tests.training.digits import SPEC as DIGITS
from tests.training.digits import TRAIN as DIGITS_TRAIN
from tests.training.digits import write_examples
from tests.training.stepping import Steps
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

import stackc
from stackc.artifact.lock import write_lock
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source, check_spec
from stackc.pipeline import Options, build, lower_with_weights
from stackc.spec.source import Source
from stackc.training.loop import TrainOptions

SPEC = """\
stackc: 1
name: model
inputs: {{x: {{shape: [batch, 6]}}}}
graph: x --> body[linear] --> act[gelu] --> drop[dropout] --> head[linear]
nodes:
  body: {{out: 5, reparam: {{weight: {reparam}}}{freeze}}}
  drop: {{p: 0.5{freeze}}}
  head: {{out: 3{freeze}}}
outputs: {{logits: head}}
{weights}train:
  inputs: {{target: {{shape: [batch, 3]}}}}
  graph: |
    logits --> loss[mse]
    target --> |target| loss
  data: {{batch: 8}}
  optimizer: {{op: adamw, lr: 0.1, weight_decay: 0.1}}
  steps: 3
"""
LORA = "{lora: {rank: 2, alpha: 3}}"


def spec(reparam: str = LORA, freeze: str = "", weights: str = "") -> str:
    return SPEC.format(reparam=reparam, freeze=freeze, weights=weights)


@pytest.mark.parametrize("freeze", ["", ", freeze: true"])
def test_the_factors_are_trained_and_the_weight_stays(freeze: str) -> None:
    """In a frozen module too, without dropout there."""
    steps = Steps.of(spec(freeze=freeze))
    state = {name: value.detach().clone() for name, value in steps.module.state_dict().items()}
    w = state["body.parametrizations.weight.original"]
    a, b = (state[f"body.parametrizations.weight.0.lora_{letter}"].requires_grad_() for letter in "AB")
    bias, head, head_bias = (state[name] for name in ("body.bias", "head.weight", "head.bias"))
    rest = [] if freeze else [value.requires_grad_() for value in (bias, head, head_bias)]
    undecayed = [rest[0], rest[2]] if rest else []
    groups: list[dict[str, Any]] = [{"params": [a, b, *rest[1:2]]}, {"params": undecayed, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=0.1, weight_decay=0.1)
    assert (a.shape, b.shape, b.count_nonzero().item()) == ((2, 6), (5, 2), 0)
    assert a.abs().max() <= math.sqrt(1 / 6)  # as nn.Linear has it

    random = np.random.default_rng(0)
    for step in range(3):
        x, target = (random.standard_normal((8, size)).astype(np.float32) for size in (6, 3))
        torch.manual_seed(step)
        hidden = F.gelu(F.linear(torch.from_numpy(x), w + 3 / 2 * b @ a, bias))
        hidden = F.dropout(hidden, 0.5, training=not freeze)
        loss = F.mse_loss(F.linear(hidden, head, head_bias), torch.from_numpy(target))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        torch.manual_seed(step)
        assert steps.step(x=x, target=target) == pytest.approx(loss.item(), rel=1e-5)

    for name, value in steps.module.state_dict().items():
        torch.testing.assert_close(value, state[name].detach(), rtol=1e-4, atol=1e-5, msg=name)
    assert b.count_nonzero()


def test_a_module_begins_as_without_it() -> None:
    """The weight is drawn as without lora, and the factors add nothing; they depend on the seed and the path alone."""
    plain = Steps.of(spec().replace(f", reparam: {{weight: {LORA}}}", "")).module.state_dict()
    adapted = Steps.of(spec()).module.state_dict()
    assert torch.equal(adapted["body.parametrizations.weight.original"], plain["body.weight"])
    assert torch.equal(adapted["head.weight"], plain["head.weight"])
    torch.rand(3)
    again = Steps.of(spec()).module.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in adapted.items())


def tensors(names: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in names.items()}


BASE = {"dense.weight": (5, 6), "dense.bias": (5,), "head.weight": (3, 5), "head.bias": (3,)}
ADAPTER = {"base_model.model.dense.lora_A.weight": (2, 6), "base_model.model.dense.lora_B.weight": (5, 2)}


def plain_parameters(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The reparametrized parameters as the module computes with them."""
    for path, inner in module.named_modules():
        if parametrize.is_parametrized(inner):
            parametrizations = inner.parametrizations
            assert isinstance(parametrizations, nn.ModuleDict)
            yield from ((f"{path}.{name}", getattr(inner, name)) for name in parametrizations)


def test_base_weights_and_adapters_are_read(tmp_path: Path) -> None:
    """The base under plain names, through a map, and an adapter under those of peft."""
    base, adapter = tensors(BASE), tensors(ADAPTER)
    save_file(base, tmp_path / "base.safetensors")
    save_file(adapter, tmp_path / "adapter.safetensors")
    for files, count in (("base.safetensors", 0), ("[base.safetensors, adapter.safetensors]", 2)):
        path = tmp_path / "model.yaml"
        path.write_text(spec(weights=f"weights: {{file: {files}, map: {{body.*: dense.*}}}}\n"), encoding="utf-8")
        module = lower_with_weights(check_spec(path), None, 0)
        a, b = (adapter[f"base_model.model.dense.lora_{letter}.weight"] * (count > 0) for letter in "AB")
        expected = base["dense.weight"] + 1.5 * b @ a
        (weight,) = (value for name, value in plain_parameters(module) if name == "body.weight")
        np.testing.assert_allclose(weight.detach().numpy(), expected, rtol=1e-5)


@pytest.mark.slow
def test_an_adapter_is_saved_alone_and_folded_away(tmp_path: Path) -> None:
    """Trained, saved, loaded beside the base, built: the file has one matrix, and none of the factors."""
    write_examples(tmp_path, 100, 50)
    text = DIGITS.replace("head: {out: 10}", "head: {out: 10, reparam: {weight: {lora: {rank: 2}}}}")
    path = tmp_path / "digits.yaml"
    path.write_text(text + DIGITS_TRAIN, encoding="utf-8")
    stackc.train(path, TrainOptions(out=tmp_path / "run"))
    adapter = load_file(tmp_path / "run" / "adapter.safetensors")
    assert {name: value.shape for name, value in adapter.items()} == {
        "base_model.model.head.lora_A.weight": (2, 64), "base_model.model.head.lora_B.weight": (10, 2),
    }  # fmt: skip

    trained = load_file(tmp_path / "run" / "model.safetensors")
    base = [name for name in trained if "lora" not in name]
    plain = {name.replace("parametrizations.weight.original", "weight"): trained[name] for name in base}
    save_file(plain, tmp_path / "base.safetensors")
    files = (tmp_path / "base.safetensors", tmp_path / "run" / "adapter.safetensors")
    built = build(path, Options(weights=files, out=tmp_path / "out", measure=False))
    graph = onnx.load(built.folder / "model.onnx").graph
    initializers = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    w, a, b = (trained[f"head.parametrizations.weight.{name}"] for name in ("original", "0.lora_A", "0.lora_B"))
    matrix = w + b @ a
    matches = [v for v in initializers.values() if v.size == matrix.size and v.ndim == 2]
    assert any(np.allclose(v, matrix, atol=1e-6) or np.allclose(v, matrix.T, atol=1e-6) for v in matches)
    assert not any("lora" in name for name in initializers)


def test_the_lock_has_it() -> None:
    checked = check_source(Source("model.yaml", spec()))
    again = check_source(Source("lock.yaml", write_lock(checked)))
    assert [call.reparams for call in again.program.calls] == [call.reparams for call in checked.program.calls]


@pytest.mark.parametrize(
    ("reparam", "message"),
    [
        ("lora", "lora needs a rank, for example `lora: {rank: 8}`"),
        ("{lora: {rank: 0}}", "lora: rank must be a whole number of at least 1, but is 0"),
        ("{lora: {rank: 2, alpha: 0}}", "lora: alpha must be a number above 0"),
        ("{lora: {rank: 6}}", "the normalization of 'weight': the rank 6 of lora is beyond that of float32[5, 6]"),
    ],
)
def test_error_options(reparam: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_source(Source("model.yaml", spec(reparam)))
    assert message in caught.value.diagnostics[0].message
