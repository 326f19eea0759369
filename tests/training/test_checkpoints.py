"""Checkpoints within an epoch: what a killed run, a full disk and a resumed run leave."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file
from tests.training.digits import SPEC, TRAIN, write_digits

import stackc
from stackc.core.diagnostics import SpecError
from stackc.training import TrainOptions

pytestmark = pytest.mark.slow

EVERY = 3
TENSORS = {"checkpoint.safetensors", "last.safetensors", "model.safetensors"}
FILES = {*TENSORS, "history.jsonl"}
DROPOUT = SPEC.replace("flat[flatten] -->", "flat[flatten] --> drop[dropout] -->")
KEYS = {
    "data": "{train: train.npz, validation: test.npz, batch: 10}",
    "epochs": "8",
    "ema": "0.9",
    "checkpoint": f"{{every: {EVERY}}}",
    "stop": "{metric: loss, patience: 6}",
}


def write_spec(folder: Path) -> Path:
    """A spec with all that a checkpoint holds: moments, dropout, an average, an order, the best epoch so far."""
    spec = write_digits(folder)
    lines = [line for line in TRAIN.splitlines() if line.split(":")[0].strip() not in KEYS]
    spec.write_text("\n".join([DROPOUT + lines[0], *lines[1:], *(f"  {k}: {v}" for k, v in KEYS.items())]) + "\n")
    return spec


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_spec(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def whole(spec: Path) -> Path:
    return stackc.train(spec, TrainOptions(out=spec.parent / "whole")).folder


def history(folder: Path) -> list[dict[str, Any]]:
    path = folder / "history.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def steps(folder: Path) -> int:
    return max((event["step"] for event in history(folder)), default=0)


def saved_step(folder: Path) -> int:
    """The step of the checkpoint, which can be read at any moment."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return 0
    with safe_open(path, framework="np") as file:
        step: int = json.loads(file.metadata()["position"])["step"]
        return step


def assert_equal_runs(folder: Path, whole: Path) -> None:
    """All files are equal, number by number."""
    assert history(folder) == history(whole)
    assert {path.name for path in folder.iterdir()} == FILES | {"report.html"}
    for name in TENSORS:
        ours, theirs = load_file(folder / name), load_file(whole / name)
        assert ours.keys() == theirs.keys()
        assert [key for key in theirs if not np.array_equal(ours[key], theirs[key])] == []


def train_again(spec: Path, folder: Path) -> None:
    """What a process does until it is killed."""
    stackc.train(spec, TrainOptions(out=folder, resume=(folder / "history.jsonl").exists()))


def start(spec: Path, folder: Path) -> ForkServerProcess:
    """Start a process of its own, which has imported PyTorch already."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["stackc.training.loop", "torch._dynamo", __name__])
    process = context.Process(target=train_again, args=(spec, folder))
    process.start()
    return process


def test_killed_at_random_moments_a_run_loses_the_steps_since_the_last_checkpoint(spec: Path, whole: Path) -> None:
    """A process is killed once it has made some steps, and a random moment after that, up to 20 times."""
    folder, chance, kills = spec.parent / "killed", random.Random(0), 0
    while kills < 20:
        process, before, wanted = start(spec, folder), steps(folder), chance.randint(1, 12)
        while process.is_alive() and steps(folder) < before + wanted:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.01))
        if not process.is_alive():
            break
        process.kill()
        process.join()

        kills += 1
        assert 0 <= steps(folder) - saved_step(folder) <= EVERY
        for name in TENSORS:
            assert not (folder / name).exists() or load_file(folder / name)
    assert kills >= 10
    train_again(spec, folder)
    assert_equal_runs(folder, whole)


def test_resumed_from_within_an_epoch(spec: Path, whole: Path) -> None:
    """The process ends without a word between two checkpoints."""
    folder = spec.parent / "stopped"

    def fail(event: dict[str, Any]) -> None:
        if event["step"] == 40:
            raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        stackc.train(spec, TrainOptions(out=folder), report=fail)
    assert saved_step(folder) == 39
    stackc.train(spec, TrainOptions(out=folder, resume=True))
    assert_equal_runs(folder, whole)


def test_the_option_stands_before_the_spec(spec: Path, whole: Path) -> None:
    folder = spec.parent / "option"

    def fail(event: dict[str, Any]) -> None:
        if event["step"] == 26:
            raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        stackc.train(spec, TrainOptions(out=folder, checkpoint_every=13), report=fail)
    assert saved_step(folder) == 13
    stackc.train(spec, TrainOptions(out=folder, resume=True))
    assert_equal_runs(folder, whole)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, which only root may mount."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.name != "posix" or os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_reported_and_the_run_goes_on_once_there_is_room(
    spec: Path, whole: Path, small_disk: Path
) -> None:
    folder = small_disk / "run"

    def fill(event: dict[str, Any]) -> None:
        if event["step"] == 35 and "epoch" not in event:
            with (small_disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(1024))

    with pytest.raises(SpecError, match=r"L205.*cannot write .*No space left on device"):
        stackc.train(spec, TrainOptions(out=folder), report=fill)
    assert saved_step(folder) == 33
    assert {path.name for path in folder.iterdir()} == FILES

    # still full: reported again, and nothing is lost
    with pytest.raises(SpecError, match=r"L205.*cannot write .*No space left on device"):
        stackc.train(spec, TrainOptions(out=folder, resume=True))
    assert saved_step(folder) == 33

    (small_disk / "filler").unlink()
    moved = spec.parent / "moved"
    shutil.copytree(folder, moved)
    stackc.train(spec, TrainOptions(out=moved, resume=True))
    assert_equal_runs(moved, whole)


@pytest.mark.skipif(os.name == "nt", reason="modes of files are those of POSIX")
def test_files_of_a_run_can_be_read_by_those_whom_the_umask_lets(whole: Path) -> None:
    modes = {path.name: path.stat().st_mode for path in whole.iterdir()}
    assert len(modes) > 3
    assert len(set(modes.values())) == 1, modes
