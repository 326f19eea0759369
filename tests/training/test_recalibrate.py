"""Statistics of batch_norm that are calculated anew, against the formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tests.training.digits import SPEC, TRAIN, write_digits
from torch.nn import functional as F

import stackc
from stackc.training import TrainOptions

pytestmark = pytest.mark.slow


def run(folder: Path, name: str, text: str) -> dict[str, np.ndarray]:
    spec = folder / f"{name}.yaml"
    spec.write_text(SPEC + TRAIN.replace("epochs: 3", "epochs: 1") + text, encoding="utf-8")
    return load_file(stackc.train(spec, TrainOptions(out=folder / name)).folder / "model.safetensors")


def test_the_statistics_are_those_of_the_kept_weights(tmp_path: Path) -> None:
    """With an average of the weights: the mean over four batches of the statistics of what enters the norm."""
    write_digits(tmp_path)
    kept = run(tmp_path, "recalibrated", "  ema: 0.9\n  recalibrate: 4\n")
    images = torch.from_numpy(np.load(tmp_path / "train.npz")["image"])
    order = np.random.default_rng([3, 0]).permutation(320)

    weight, bias = (torch.from_numpy(kept[f"conv.{name}"]) for name in ("weight", "bias"))
    means, variances = [], []
    for start in range(0, 200, 50):
        entering = F.conv2d(images[order[start : start + 50]], weight, bias, padding=1)
        means.append(entering.mean((0, 2, 3)))
        variances.append(entering.var((0, 2, 3)))
    np.testing.assert_allclose(kept["norm.running_mean"], torch.stack(means).mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(kept["norm.running_var"], torch.stack(variances).mean(0), rtol=1e-5)

    # the weights are those without it, and only the statistics differ
    plain = run(tmp_path, "plain", "  ema: 0.9\n")
    differing = {name for name in plain if not np.array_equal(plain[name], kept[name])}
    assert differing == {"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}


def test_training_goes_on_as_without(tmp_path: Path) -> None:
    """The statistics of training are not touched, nor are the random numbers: only what is kept is another."""
    write_digits(tmp_path)
    run(tmp_path, "recalibrated", "  recalibrate: 2\n")
    run(tmp_path, "plain", "")
    ours, theirs = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("recalibrated", "plain"))
    assert [name for name in theirs if not np.array_equal(ours[name], theirs[name])] == []


def test_frozen_statistics_stay(tmp_path: Path) -> None:
    write_digits(tmp_path)
    kept = run(tmp_path, "frozen", "  freeze: norm\n  recalibrate: 2\n")
    np.testing.assert_array_equal(kept["norm.running_mean"], np.zeros(4, np.float32))
    np.testing.assert_array_equal(kept["norm.running_var"], np.ones(4, np.float32))
