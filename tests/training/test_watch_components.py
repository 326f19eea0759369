"""Norms by component against hooks written by hand; vanishing gradients are found where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

import stackc
from stackc.training import TrainOptions
from stackc.training.watch_components import ComponentWatch

pytestmark = pytest.mark.slow

LAYERS = 32


def write_spec(folder: Path, *, with_norms: bool, keys: str = "") -> Path:
    """Layers of linear and tanh, with or without a norm before each; the target is a number an example."""
    norms = [f" --> n{i}[layer_norm]" if with_norms else "" for i in range(LAYERS)]
    lines = ["  x --> l0[linear]"]
    lines += [f"  l{i}{norms[i]} --> t{i}[tanh] --> l{i + 1}[linear]" for i in range(LAYERS)]
    nodes = ", ".join([f"l{i}: {{out: 8}}" for i in range(LAYERS)] + [f"l{LAYERS}: {{out: 1}}"])
    spec = folder / f"deep_{with_norms}_{len(keys)}.yaml"
    target = "inputs: {target: {shape: [batch, 1]}}\n  graph: |\n    y --> loss[mse]\n    target -->|target| loss\n"
    data = "data: {train: deep.npz, batch: 16, shuffle: false}\n  optimizer: {op: sgd, lr: 1e-3}\n  epochs: 1\n"
    text = "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: |\n" + "\n".join(lines)
    text += f"\nnodes: {{{nodes}}}\noutputs: {{y: l{LAYERS}}}\ntrain:\n  {target}  {data}{keys}"
    spec.write_text(text, encoding="utf-8")
    x = np.random.default_rng(0).standard_normal((32, 9)).astype(np.float32)
    np.savez(folder / "deep.npz", x=x[:, :8], target=x[:, 8:])
    return spec


def watched(spec: Path) -> dict[str, Any]:
    folder = stackc.train(spec, TrainOptions(out=spec.with_suffix(""), watch_components=True)).folder
    (event,) = [
        event
        for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
        if "epoch" in (event := json.loads(line))
    ]
    return dict(event)


def by_hand(spec: Path, *, with_norms: bool) -> dict[str, list[list[float]]]:
    """Train the same layers, and return the three norms of each layer, for both steps."""
    names, modules = list[str](), list[nn.Module]()
    for i in range(LAYERS + 1):
        names.append(f"l{i}")
        modules.append(nn.Linear(8, 8 if i < LAYERS else 1))
        if i < LAYERS:
            names += [*([f"n{i}"] * with_norms), f"t{i}"]
            modules += [*([nn.LayerNorm(8)] * with_norms), nn.Tanh()]
    model = nn.Sequential(*modules)
    state = stackc.module(spec, seed=0).state_dict()
    for name, module in zip(names, modules, strict=True):
        module.load_state_dict({key: state[f"{name}.{key}"] for key in module.state_dict()})

    data = np.load(spec.parent / "deep.npz")
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    norms: dict[str, list[list[float]]] = {name: [] for name in names}
    for start in (0, 16):
        outputs, value = list[Tensor](), torch.from_numpy(data["x"][start : start + 16])
        for module in modules:
            value = module(value)
            value.retain_grad()
            outputs.append(value)
        optimizer.zero_grad()
        nn.functional.mse_loss(value, torch.from_numpy(data["target"][start : start + 16])).backward()
        for name, module, output in zip(names, modules, outputs, strict=True):
            assert output.grad is not None
            weights = [p.grad.norm() for p in module.parameters() if p.grad is not None]
            norms[name].append(
                [float(output.detach().square().mean().sqrt()), float(output.grad.norm())]
                + ([float(torch.stack(weights).norm())] if weights else [])
            )
        optimizer.step()
    return norms


@pytest.mark.parametrize("with_norms", [False, True])
def test_norms_equal_those_of_hooks_by_hand(tmp_path: Path, with_norms: bool) -> None:
    spec = write_spec(tmp_path, with_norms=with_norms)
    event = watched(spec)
    expected = by_hand(spec, with_norms=with_norms)
    assert [*event["components"]] == [*expected]
    for name, steps in expected.items():
        np.testing.assert_allclose([*event["components"][name].values()], np.mean(steps, 0), rtol=1e-3, err_msg=name)

    gradients = {name: float(np.mean([step[1] for step in steps])) for name, steps in expected.items()}
    vanishing = [name for name, gradient in gradients.items() if gradient < 1e-6 * max(gradients.values())]
    assert [finding["path"] for finding in event["findings"]] == vanishing
    assert (vanishing == []) == with_norms
    if vanishing:
        assert event["findings"][0]["line"] == f"{spec}:4"
        assert "gradients vanish at 'l0' (linear)" in event["findings"][0]["message"]


def test_gradients_that_explode(tmp_path: Path) -> None:
    """More than 1,000 times that at the last component."""
    program = stackc.check(write_spec(tmp_path, with_norms=False)).program
    watch = ComponentWatch(nn.Module(), program)
    means = {"l0": {"activation_gradient": 1001.0}, "t0": {"activation_gradient": 999.0}, "l1": {"activation": 1.0}}
    found = watch.findings(means | {"t1": {"activation_gradient": 1.0}})
    assert [(each["path"], each["gradients"]) for each in found] == [("l0", "explode")]
    assert watch.findings({"l1": {"activation": 1.0}}) == []
    (found_at_zero,) = watch.findings({"l0": {"activation_gradient": 1.0}, "t1": {"activation_gradient": 0.0}})[:1]
    assert found_at_zero["ratio"] is None  # infinite, which JSON has no word for


def test_watching_leaves_no_trace_in_the_weights_and_is_resumed(tmp_path: Path) -> None:
    keys = "  accumulate: 2\n  clip: 0.1\n  checkpoint: {every: 1}\n  recalibrate: 1\n"
    spec = write_spec(tmp_path, with_norms=True, keys=keys)
    plain = stackc.train(spec, TrainOptions(out=tmp_path / "plain")).folder
    whole = stackc.train(spec, TrainOptions(out=tmp_path / "whole", watch_components=True)).folder
    ours, theirs = load_file(whole / "last.safetensors"), load_file(plain / "last.safetensors")
    assert [name for name in theirs if not np.array_equal(ours[name], theirs[name])] == []

    def fail(event: dict[str, Any]) -> None:
        if event["step"] == 2:
            raise RuntimeError("gone")

    options = TrainOptions(out=tmp_path / "resumed", watch_components=True)
    with pytest.raises(RuntimeError, match="gone"):
        stackc.train(spec, options, report=fail)
    stackc.train(spec, TrainOptions(out=tmp_path / "resumed", watch_components=True, resume=True))
    assert (tmp_path / "resumed" / "history.jsonl").read_text() == (whole / "history.jsonl").read_text()
