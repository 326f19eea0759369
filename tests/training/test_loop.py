"""The training loop against one written by hand; resumed, interrupted and failing runs."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file
from tests.training.digits import SPEC, TRAIN, write_digits
from torch import nn
from torch.nn import functional as F

import stackc
from stackc.core.diagnostics import SpecError
from stackc.training.history import History
from stackc.training.loop import TrainOptions

pytestmark = pytest.mark.slow


def history(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]


def losses(folder: Path) -> list[float]:
    return [event["loss"] for event in history(folder) if "epoch" not in event]


def run(spec: Path, name: str = "run", **options: Any) -> Path:
    return stackc.train(spec, TrainOptions(out=spec.parent / name, **options)).folder


def edited(spec: Path, **keys: str) -> Path:
    """Write a spec beside another, with lines of `train` replaced or added."""
    text = SPEC + TRAIN
    for key, value in keys.items():
        lines = [line for line in text.splitlines() if not line.startswith(f"  {key}:")]
        text = "\n".join([*lines, f"  {key}: {value}"] if value else lines) + "\n"
    path = spec.with_name(f"edited_{len(list(spec.parent.iterdir()))}.yaml")
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def trained(spec: Path) -> Path:
    return run(spec, "whole")


def test_equals_a_loop_written_by_hand(spec: Path, trained: Path) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10)
    )
    model.load_state_dict(dict(zip(model.state_dict(), stackc.module(spec, seed=3).state_dict().values(), strict=True)))
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.1)

    data, curve, step, total = np.load(spec.parent / "train.npz"), [], 0, 3 * 7
    for epoch in range(3):
        order = np.random.default_rng([3, epoch]).permutation(320)
        for start in range(0, 320, 50):
            rows = order[start : start + 50]
            cosine = (1 + math.cos(math.pi * (step - 3) / (total - 3))) / 2
            for group in optimizer.param_groups:
                group["lr"] = 1e-2 * ((step + 1) / 3 if step < 3 else cosine)
            loss = F.cross_entropy(model(torch.from_numpy(data["image"][rows])), torch.from_numpy(data["label"][rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
            step += 1
    np.testing.assert_allclose(losses(trained), curve, rtol=1e-5)

    test = np.load(spec.parent / "test.npz")
    with torch.no_grad():
        right = model.eval()(torch.from_numpy(test["image"])).argmax(1).numpy() == test["label"]
    assert history(trained)[-1]["validation"]["accuracy"] == pytest.approx(right.mean(), abs=1e-6)
    last = load_file(trained / "last.safetensors")
    for (name, ours), theirs in zip(last.items(), _sorted(model, last), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5, err_msg=name)


def _sorted(model: nn.Module, names: dict[str, Any]) -> list[Any]:
    """The tensors of the model by the names of the spec, in the order of `names`."""
    modules = {"conv": "0", "norm": "1", "head": "5"}
    state = model.state_dict()
    return [state[f"{modules[name.partition('.')[0]]}.{name.partition('.')[2]}"].numpy() for name in names]


def test_the_best_weights_are_those_of_the_best_epoch(trained: Path) -> None:
    epochs = [event for event in history(trained) if "epoch" in event]
    values = [event["validation"]["accuracy"] for event in epochs]
    best, last = (load_file(trained / f"{name}.safetensors") for name in ("model", "last"))
    is_last_best = values[-1] > max(values[:-1])
    assert all(np.array_equal(best[name], last[name]) for name in best) == is_last_best


def test_a_resumed_run_is_the_run_that_never_stopped(spec: Path, trained: Path) -> None:
    """Interrupted in the middle of an epoch, by Ctrl-C: all weights, and the history, are equal bit for bit."""

    def interrupt(event: dict[str, Any]) -> None:
        if event.get("step") == 10 and "epoch" not in event:
            os.kill(os.getpid(), signal.SIGINT)

    folder = spec.parent / "resumed"
    with pytest.raises(KeyboardInterrupt):
        stackc.train(spec, TrainOptions(out=folder), report=interrupt)
    assert len(losses(folder)) == 10
    resumed_run = stackc.train(spec, TrainOptions(out=folder, resume=True))

    assert history(folder) == history(trained)
    epochs = [event for event in history(trained) if "epoch" in event]
    assert resumed_run.means == epochs[resumed_run.best_epoch - 1]["validation"]
    for name in ("model", "last", "checkpoint"):
        resumed, whole = load_file(folder / f"{name}.safetensors"), load_file(trained / f"{name}.safetensors")
        assert resumed.keys() == whole.keys()
        assert [key for key in whole if not np.array_equal(resumed[key], whole[key])] == []


def test_a_run_of_other_settings_is_not_resumed(spec: Path, trained: Path) -> None:
    with pytest.raises(SpecError, match="L204"):
        stackc.train(edited(spec, seed="4"), TrainOptions(out=trained, resume=True))
    with pytest.raises(SpecError, match="is not empty"):
        stackc.train(spec, TrainOptions(out=trained))
    with pytest.raises(SpecError, match="no run to resume"):
        stackc.train(spec, TrainOptions(out=spec.parent / "nowhere", resume=True))


@pytest.mark.parametrize("keys", [{"accumulate": "3"}, {"accumulate": "50"}])
def test_a_batch_in_parts_has_the_gradients_of_the_whole(spec: Path, keys: dict[str, str]) -> None:
    """Without batch_norm, whose statistics are those of the parts; labels of 0 do not count, so that parts differ."""
    plain = {"optimizer": "{op: sgd, lr: 0.1}", "precision": "float64", "freeze": "[norm]", "epochs": "1",
             "nodes": "{loss: {ignore_index: 0}}"}  # fmt: skip
    whole = run(edited(spec, **plain), f"plain_{keys['accumulate']}")
    parts = run(edited(spec, **plain, **keys), f"parts_{keys['accumulate']}")
    np.testing.assert_allclose(losses(parts), losses(whole), rtol=1e-10)
    ours, theirs = load_file(parts / "checkpoint.safetensors"), load_file(whole / "checkpoint.safetensors")
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9, atol=1e-12)


def test_what_is_frozen_stays(spec: Path) -> None:
    folder = run(edited(spec, freeze="[conv, norm]", epochs="1"), "frozen")
    before = stackc.module(spec, seed=3).state_dict()
    after = load_file(folder / "last.safetensors")
    changed = {name.partition(".")[0] for name in after if not np.array_equal(after[name], before[name].numpy())}
    assert changed == {"head"}


def test_the_average_of_weights_is_kept(spec: Path) -> None:
    folder = run(edited(spec, ema="0.5", steps="2", epochs=""), "average")
    one = load_file(run(edited(spec, steps="1", epochs="", schedule=""), "one") / "last.safetensors")
    assert not np.array_equal(load_file(folder / "last.safetensors")["head.weight"], one["head.weight"])

    checkpoint = load_file(folder / "checkpoint.safetensors")
    kept = load_file(folder / "last.safetensors")
    assert all(np.array_equal(kept[name], checkpoint[f"average.{name}"]) for name in kept)
    assert not np.array_equal(kept["head.weight"], checkpoint["model.head.weight"])


def test_stops_when_the_metric_does_not_improve(spec: Path) -> None:
    quiet = {"optimizer": "{op: sgd, lr: 0.0}", "freeze": "[norm]", "epochs": "20"}
    folder = run(edited(spec, **quiet, stop="{metric: loss, patience: 2}"), "stopped")
    assert [event["epoch"] for event in history(folder) if "epoch" in event] == [1, 2, 3]


def test_error_nothing_to_watch(spec: Path) -> None:
    path = edited(spec, data="{train: train.npz, batch: 50}", stop="{metric: loss, patience: 2}")
    with pytest.raises(SpecError, match=r"L201.*watches the validation data, but there is none"):
        run(path, "unwatched")


def test_error_a_loss_that_is_not_finite_names_the_component(spec: Path) -> None:
    path = edited(spec, epochs="1")
    text = path.read_text(encoding="utf-8").replace("--> relu -->", "--> deep[log] -->")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        run(path, "nan")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "L203"
    assert "at step 0: 'deep' (log) makes NaN or Inf of finite numbers, with rows" in diagnostic.message
    assert diagnostic.span is not None
    assert diagnostic.span.line == 5
    assert not (spec.parent / "nan" / "checkpoint.safetensors").exists()


def test_training_leaves_no_trace_in_the_model(spec: Path, trained: Path) -> None:
    """The ONNX file of a spec with `train:` is that without it, byte for byte."""
    files: list[bytes] = []
    for text in (SPEC + TRAIN, SPEC):
        spec.write_text(text, encoding="utf-8")
        options = stackc.Options(weights=trained, out=spec.parent / f"exported_{len(files)}", verify=False)
        files.append((stackc.build(spec, options).folder / "model.onnx").read_bytes())
    spec.write_text(SPEC + TRAIN, encoding="utf-8")
    assert files[0] == files[1]


def test_the_map_of_the_spec_is_for_other_files(spec: Path, trained: Path) -> None:
    path = spec.with_name("mapped.yaml")
    path.write_text(SPEC + "weights: {map: {head.bias: zeros(), conv.weight: norm.weight}}\n", encoding="utf-8")
    weights = load_file(trained / "model.safetensors")
    for name, tensor in stackc.module(path, weights=trained).state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), weights[name])


def test_error_losses_that_count_differently_cannot_be_accumulated(spec: Path) -> None:
    second = TRAIN.replace(
        "    label -->|target| loss\n", "    label -->|target| loss & other\n    logits --> other[nll]\n"
    )
    path = spec.with_name("two.yaml")
    path.write_text(SPEC + second + "  nodes: {loss: {ignore_index: 0}}\n  accumulate: 3\n", encoding="utf-8")
    with pytest.raises(SpecError, match="L206"):
        run(path, "two")


def test_error_a_disk_that_does_not_take_the_run(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkpoint of the epoch before stays whole."""
    folder = spec.parent / "full"
    written = 0

    def full(*arguments: Any) -> None:
        nonlocal written
        written += 1
        save_file(*arguments)
        if written > 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("stackc.training.checkpoint.save_file", full)
    with pytest.raises(SpecError, match=r"L205.*No space left on device"):
        stackc.train(spec, TrainOptions(out=folder))
    monkeypatch.undo()
    names = {"checkpoint.safetensors", "history.jsonl", "last.safetensors", "model.safetensors", "report.html"}
    assert {path.name for path in folder.iterdir()} == names
    stackc.train(spec, TrainOptions(out=folder, resume=True))
    assert history(folder)[-1]["epoch"] == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, the device that is always full")
def test_error_a_history_that_the_disk_does_not_take(tmp_path: Path) -> None:
    """Neither at once, nor in the middle of a line: what was appended before stays."""
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    with History(tmp_path / "full.jsonl") as full, pytest.raises(SpecError, match=r"L205.*No space left on device"):
        full.append({"step": 1})
    with pytest.raises(SpecError, match=r"L205.*cannot write .*Is a directory"), History(tmp_path):
        pass

    (tmp_path / "history.jsonl").write_text('{"step": 1}\n{"step": 2, "lo', encoding="utf-8")
    history = History(tmp_path / "history.jsonl")
    assert [*history.events()] == [{"step": 1}]
    history.cut(step=1, epoch=0)
    with history:
        history.append({"step": 2})
    assert (tmp_path / "history.jsonl").read_text(encoding="utf-8") == '{"step": 1}\n{"step": 2}\n'
