"""Two processes over gloo against one at the same global batch; a rank that is killed; what ranks refuse.

The last batch has one example, so that a rank has none, and targets of 0 do not count, so that means of the means of
the ranks would be wrong.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.training.digits import SPEC as DIGITS
from tests.training.digits import TRAIN as DIGITS_TRAIN

import stackc
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source
from stackc.ir.training import Training
from stackc.spec.source import Source
from stackc.training.loop import TrainOptions
from stackc.training.parallel import require_ranks
from stackc.training.ranks import ALONE, Ranks, is_restart, join_ranks

SPEC = """\
stackc: 1
name: small
inputs: {x: {shape: [batch, 6]}}
graph: |
  x --> up[linear] --> encoder[stack] --> head[linear]
  up --> unused[linear]
nodes: {up: {out: 8}, encoder: {of: layer, repeat: 2}, head: {out: 4}, unused: {out: 2}}
blocks:
  layer:
    inputs: [x]
    graph: |
      x --> norm[layer_norm] --> mlp --> sum[add]
      x --> sum
    nodes: {mlp: {hidden: 16}}
outputs: {logits: head, other: unused}
train:
  inputs: {label: {dtype: int64, shape: [batch], below: 4}}
  graph: |
    logits --> loss[cross_entropy]
    label -->|target| loss
"""
ADAMW = "{op: adamw, lr: 0.01}"
SECOND = "    encoder --> second[mse]\n    y -->|target| second\n"
RUNS: dict[str, dict[str, str]] = {
    "adamw": {"optimizer": ADAMW, "precision": "float64", "clip": "0.5", "accumulate": "3"},
    "sgd": {"optimizer": "{op: sgd, lr: 0.1}", "ema": "0.5"},
    "two_losses": {"optimizer": ADAMW, "precision": "float64", "loss_weights": "{second: 0.3}"},
}


def write_spec(folder: Path, name: str, steps: int = 20) -> Path:
    keys = {"steps": str(steps), "data": "{train: train.npz, validation: test.npz, batch: 14}", **RUNS[name]}
    has_two = name == "two_losses"
    lines = [f"  {key}: {value}\n" for key, value in keys.items()]
    text = SPEC.replace("below: 4}}", "below: 4}, y: {shape: [batch, 8]}}") if has_two else SPEC
    text += SECOND * has_two + "  nodes: {loss: {ignore_index: 0}}\n" + "".join(lines)
    path = folder / f"{name}_{steps}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def torchrun(*arguments: str | Path, ranks: int = 2, restarts: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    command += ["--max-restarts", str(restarts), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def history(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]


def assert_equal_runs(ours: Path, theirs: Path, tolerance: float) -> None:
    """Same events, losses, and tensors of the checkpoint and of both files of weights, but for random numbers."""
    for mine, other in zip(history(ours), history(theirs), strict=True):
        assert mine.keys() == other.keys()
        assert mine["loss"] == pytest.approx(other["loss"], abs=tolerance)
        assert mine.get("validation") == pytest.approx(other.get("validation"), abs=tolerance)
    for name in ("checkpoint", "model", "last"):
        left, right = (load_file(folder / f"{name}.safetensors") for folder in (ours, theirs))
        assert {key for key in left if "random" not in key} == {key for key in right if "random" not in key}
        for key in right:
            if "random" not in key:
                np.testing.assert_allclose(left[key], right[key], rtol=0, atol=tolerance, err_msg=f"{name} {key}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("ranks"), np.random.default_rng(0)
    for name, size in (("train", 57), ("test", 21)):
        x, y = (random.normal(size=(size, width)).astype(np.float32) for width in (6, 8))
        np.savez(folder / f"{name}.npz", x=x, y=y, label=random.integers(0, 4, size))
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """The folder of all runs: in one process, in two with DDP, in two with FSDP2, and half in one and half in two."""
    runs = []
    for name in RUNS:
        spec = write_spec(folder, name)
        stackc.train(spec, TrainOptions(out=folder / f"{name}_one"))
        runs += [f"{spec},{folder / f'{name}_ddp'}", f"{spec},{folder / f'{name}_shard'},shard"]

    def interrupt(event: dict[str, Any]) -> None:
        if event.get("step") == 7:
            os.kill(os.getpid(), signal.SIGINT)

    for flag in ("ddp", "shard"):
        half = folder / f"half_{flag}"
        with pytest.raises(KeyboardInterrupt):
            stackc.train(folder / "adamw_20.yaml", TrainOptions(out=half), report=interrupt)
        runs.append(f"{folder / 'adamw_20.yaml'},{half},{flag},resume")

    process = torchrun(Path(__file__).with_name("rank_worker.py"), *runs)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ddp", "shard"])
@pytest.mark.parametrize(("name", "tolerance"), [("adamw", 1e-10), ("sgd", 1e-6), ("two_losses", 1e-10)])
def test_two_ranks_are_one_process(trained: Path, name: str, way: str, tolerance: float) -> None:
    assert_equal_runs(trained / f"{name}_{way}", trained / f"{name}_one", tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ddp", "shard"])
def test_two_ranks_resume_what_one_process_began(trained: Path, way: str) -> None:
    assert_equal_runs(trained / f"half_{way}", trained / "adamw_one", 1e-10)


@pytest.mark.slow
def test_a_killed_rank_is_started_again_from_the_last_checkpoint(folder: Path) -> None:
    spec, run = write_spec(folder, "adamw", 300), folder / "killed"
    process = torchrun("-m", "stackc", "train", spec, "-o", run, "--checkpoint-every", "10", restarts=1)
    try:
        while not (run / "history.jsonl").exists() or len(history(run)) < 60:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        killed = _child_of_rank(process.pid, 1)
        os.kill(killed, signal.SIGKILL)
        output, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, output

    stackc.train(spec, TrainOptions(out=folder / "never_killed"))
    assert [event["step"] for event in history(run) if "epoch" not in event] == [*range(1, 301)]
    assert_equal_runs(run, folder / "never_killed", 1e-10)


def _child_of_rank(parent: int, rank: int) -> int:
    """The process that torchrun has started as a rank."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            is_child = int(path.joinpath("stat").read_text().rpartition(")")[2].split()[1]) == parent
            if is_child and f"\0RANK={rank}\0".encode() in path.joinpath("environ").read_bytes():
                return int(path.name)
        except OSError:
            continue  # it has ended
    raise AssertionError("torchrun has started no such rank")


@pytest.mark.slow
def test_error_is_said_once(folder: Path) -> None:
    spec, run = write_spec(folder, "sgd"), folder / "taken"
    run.mkdir()
    (run / "history.jsonl").write_text("", encoding="utf-8")
    process = torchrun("-m", "stackc", "train", spec, "-o", run)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert output.count("error[") == output.count("error[L204]") == 1, output
    assert "stackc/training" not in output, "no traceback"


def test_only_what_a_launch_began_is_resumed_by_its_restarts(tmp_path: Path) -> None:
    launch = tmp_path / "launch.txt"
    assert not is_restart(Ranks(0, 2, "job 7", is_restarted=True), launch)
    launch.write_text("job 7", encoding="utf-8")
    assert is_restart(Ranks(0, 2, "job 7", is_restarted=True), launch)
    assert not is_restart(Ranks(0, 2, "job 7", is_restarted=False), launch)
    assert not is_restart(Ranks(0, 2, "job 8", is_restarted=True), launch)


def training_of(text: str) -> Training:
    training = check_source(Source("spec.yaml", text)).training
    assert training is not None
    return training


def refusals(text: str, *, shard: bool = False) -> list[str]:
    try:
        require_ranks(training_of(text), shard=shard)
    except SpecError as error:
        return [f"{each.span.line if each.span else 0} {each.code} {each.message}" for each in error.diagnostics]
    return []


def test_error_batch_norm() -> None:
    line = next(number for number, text in enumerate(DIGITS.splitlines(), 1) if "batch_norm" in text)
    what = "'norm' (batch_norm) normalizes over a batch, of which each rank has a share"
    assert refusals(DIGITS + DIGITS_TRAIN) == [f"{line} L223 {what}"]
    assert refusals(DIGITS + DIGITS_TRAIN + "  freeze: [norm]\n") == []
    fixed = DIGITS.replace("norm[batch_norm]", "norm[group_norm]").replace(
        "norm: {axis: 1}", "norm: {groups: 2, axis: 1}"
    )
    assert refusals(fixed + DIGITS_TRAIN) == []


def test_error_softmax_over_the_batch() -> None:
    text = DIGITS.replace("norm[batch_norm]", "norm[softmax]").replace("norm: {axis: 1}", "norm: {axis: 0}")
    what = "each rank has a share of a batch: 'norm' (softmax) normalizes over the axis"
    assert refusals(text + DIGITS_TRAIN) == [f"5 L223 {what}"]


def test_error_a_loss_that_compares_examples() -> None:
    text = (
        "stackc: 1\nname: pair\ninputs: {x: {shape: [batch, 4]}, y: {shape: [batch, 4]}}\n"
        "graph: |\n  x --> a[linear]\n  y --> b[linear]\nnodes: {a: {out: 3}, b: {out: 3}}\noutputs: {a: a, b: b}\n"
        "train:\n  graph: |\n    a --> loss[contrastive]\n    b -->|target| loss\n  data: {batch: 8}\n  steps: 1\n"
    )
    what = "'loss' (contrastive) compares the examples of a batch, of which each rank has a share"
    assert refusals(text) == [f"11 L223 {what}"]


def test_error_nothing_to_share(tmp_path: Path) -> None:
    path = tmp_path / "digits.yaml"
    path.write_text(DIGITS + DIGITS_TRAIN, encoding="utf-8")
    with pytest.raises(SpecError, match=r"L224\]: one process has nothing to share"):
        stackc.train(path, TrainOptions(out=tmp_path / "run", shard=True))


def test_a_rank_that_is_lost_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """What gloo raises on the ranks that are left; other errors pass through."""
    for name, value in {"WORLD_SIZE": "2", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("stackc.training.ranks._connect", lambda: None)
    with pytest.raises(SpecError, match=r"L225\]: rank 1 of 2 has lost another one"), join_ranks():
        raise RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer")
    with pytest.raises(RuntimeError, match="another"), join_ranks():
        raise RuntimeError("another")


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("rows", [1, 2, 6, 14])
def test_shares_are_the_batch_once(rows: int, count: int) -> None:
    shares = [Ranks(number, count).share(np.arange(rows) + 5) for number in range(count)]
    counted = [share.rows for share in shares if share.is_counted]
    assert np.concatenate(counted).tolist() == [*range(5, 5 + rows)]
    assert {share.largest for share in shares} == {max(map(len, counted))} == {-(-rows // count)}
    assert all(share.rows.tolist() == [4 + rows] for share in shares if not share.is_counted)


def test_one_process_is_alone() -> None:
    assert ALONE.is_first
    assert ALONE.sums([1.5, 2.0]) == [1.5, 2.0]
    assert ALONE.all_of("x") == ["x"]
    ALONE.agree(None)
