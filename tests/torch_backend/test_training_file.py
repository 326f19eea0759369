"""`show --as torch --with-training`: the printed loop trains as `stackc train` does, to the same losses."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.numpy import load_file
from tests.training.digits import SPEC, TRAIN, write_digits

import stackc
from stackc.cli import cli
from stackc.core.diagnostics import SpecError

pytestmark = pytest.mark.slow
STEP = re.compile(r"^step (\d+) of \d+  loss (\S+)$", re.MULTILINE)
EPOCH = re.compile(r"^epoch (\d+)  (.+)$", re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    write_digits(tmp_path)
    with contextlib.chdir(tmp_path):
        yield tmp_path


def show(spec: Path | str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["show", str(spec), "--as", "torch", "--with-training", *arguments])


def trained(spec: Path) -> tuple[list[float], list[dict[str, float]]]:
    """The losses of all steps, and the means after each epoch, of `stackc train`."""
    folder = stackc.train(spec, stackc.TrainOptions(out=spec.parent / "run")).folder
    events = [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    return [e["loss"] for e in events if "epoch" not in e], [e["validation"] for e in events if e.get("validation")]


def parsed(output: str) -> tuple[list[float], list[dict[str, float]]]:
    """The same of what a printed file prints."""
    means = []
    for _, text in EPOCH.findall(output):
        words = text.split()
        means.append({name: float(mean) for name, mean in zip(words[::2], words[1::2], strict=True)})
    return [float(loss) for _, loss in STEP.findall(output)], means


def assert_equal(ours: tuple[list[float], list[dict[str, float]]], output: str) -> None:
    losses, means = parsed(output)
    assert len(losses) == len(ours[0]) > 0
    np.testing.assert_allclose(losses, ours[0], rtol=1e-5)
    assert len(means) == len(ours[1])
    for theirs, own in zip(means, ours[1], strict=True):
        assert theirs == pytest.approx(own, rel=1e-5, abs=1e-6)


def test_the_file_trains_by_itself(folder: Path) -> None:
    """In a process that has no stackc: the losses, the figures, and the best weights."""
    assert show("digits.yaml", "-o", "file.py").exit_code == 0
    text = (folder / "file.py").read_text(encoding="utf-8")
    assert "stackc" not in text.partition('"""')[2].partition('"""')[2]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "file.py"], capture_output=True, text=True, check=True, env=environment)

    assert_equal(trained(folder / "digits.yaml"), done.stdout)
    ours, theirs = load_file(folder / "run" / "model.safetensors"), torch.load(folder / "digits.pt")
    for name, tensor in ours.items():
        np.testing.assert_allclose(theirs[name].numpy(), tensor, rtol=1e-4, atol=1e-5, err_msg=name)


VARIANTS = {
    "sgd": {"optimizer": "{op: sgd, lr: 0.05, momentum: 0.9, nesterov: true}", "schedule": "{op: step, step_size: 4}"},
    "rmsprop": {"optimizer": "rmsprop", "schedule": "{op: multi_step, milestones: [3, 9]}", "clip": "0.5"},
    "adagrad": {"optimizer": "adagrad", "schedule": "{op: exponential, gamma: 0.9}", "epochs": "", "steps": "10"},
    "adam": {"optimizer": "{op: adam, betas: [0.8, 0.9]}", "schedule": "one_cycle", "ema": "0.9"},
    "warmup": {"schedule": "{op: warmup_linear, warmup: 5, final: 0.1}", "freeze": "[conv, norm]"},
    "parts": {"accumulate": "3", "freeze": "[norm]", "nodes": "{loss: {ignore_index: 0}}", "schedule": ""},
    "double": {"precision": "float64"},
    "half": {"precision": "bfloat16"},
    "stopped": {"optimizer": "{op: sgd, lr: 0.0}", "freeze": "[norm]", "stop": "{metric: loss, patience: 1}"},
    "rates": {"optimizer": '{op: adamw, lr: {conv: 1e-3, "*": 1e-2}, weight_decay: 0.1}', "freeze": "[norm]"},
    "rates without a schedule": {"optimizer": '{op: sgd, lr: {head: 0.1, "*": 0.01}}', "schedule": "", "clip": "1.0"},
    "in order": {"data": "{train: train.npz, batch: 64, shuffle: false}", "metrics": ""},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_setting_is_printed(name: str, folder: Path) -> None:
    text = SPEC.replace("--> flat[flatten]", "--> flat[flatten] --> drop[dropout]") + TRAIN
    for key, value in VARIANTS[name].items():
        lines = [line for line in text.splitlines() if not line.startswith(f"  {key}:")]
        text = "\n".join([*lines, f"  {key}: {value}"] if value else lines) + "\n"
    assert_equal_curves(folder, text)


def test_several_losses(folder: Path) -> None:
    """Of nodes inside the model, with weights, and in a train graph with components of its own."""
    train = TRAIN.replace(
        "    label -->|target| loss\n",
        "    label -->|target| loss & other\n    logits --> scale --> other[cross_entropy]\n",
    )
    settings = "  nodes: {scale: {factor: 2}}\n  loss_weights: {other: 0.3}\n"
    assert_equal_curves(folder, SPEC + train + settings)


def assert_equal_curves(folder: Path, text: str) -> None:
    spec = folder / "variant.yaml"
    spec.write_text(text, encoding="utf-8")
    done = show(spec)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 120

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(done.output, "variant.py", "exec"), {"__name__": "__main__"})
    assert_equal(trained(spec), printed.getvalue())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "train.npz",
            "train.safetensors",
            r"L305.*reads \.npz files alone, but train\.data\.train is train\.safetensors",
        ),
        ("batch: 50}", "batch: 50, columns: {label: label}}", "L305.*reads columns as they are"),
        ("  epochs: 3\n", "  epochs: 3\n  recalibrate: 2\n", "L305.*does not recalibrate statistics"),
        (
            "  epochs: 3\n",
            "  epochs: 3\n  freeze: [norm]\n  privacy: {epsilon: 3, delta: 1e-5, clip: 1}\n",
            "L305.*adds no noise",
        ),
        ("train:\n", "weights: {file: w.npz}\ntrain:\n", "L305.*starts from random weights"),
    ],
)
def test_error_training_that_is_not_printed(old: str, new: str, message: str, folder: Path) -> None:
    (folder / "other.yaml").write_text((SPEC + TRAIN).replace(old, new, 1), encoding="utf-8")
    done = show("other.yaml")
    assert isinstance(done.exception, SpecError)
    assert re.search(message, str(done.exception), re.DOTALL)


def test_error_nothing_to_train(folder: Path) -> None:
    (folder / "plain.yaml").write_text(SPEC, encoding="utf-8")
    done = show("plain.yaml")
    assert isinstance(done.exception, SpecError)
    assert "L105" in str(done.exception)
    done = CliRunner().invoke(cli, ["show", "digits.yaml", "--with-training"])
    assert done.exit_code == 2
    assert "--with-training is for --as torch" in " ".join(done.output.split())
