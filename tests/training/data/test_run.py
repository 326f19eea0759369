"""Whole runs on data that is read, tokenized and sorted by length: resumed, and with workers, they are the same run."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.training.data.test_decoded import write_tokenizer

import stackc
from stackc.artifact.lock import write_lock
from stackc.frontend import check_source
from stackc.spec.source import Source
from stackc.training.loop import TrainOptions

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: animals
dims: {seq: {max: 12}}
inputs:
  ids: {dtype: int64, shape: [batch, seq], below: 20}
  mask: {dtype: int64, shape: [batch, seq]}
graph: |
  ids --> embed[embedding] --> pooled[mean_pool] --> drop[dropout] --> logits[linear]
  mask -->|mask| pooled
nodes: {embed: {vocab: 20, dim: 8}, logits: {out: 2}}
outputs: {logits: logits}
train:
  inputs: {label: {dtype: int64, shape: [batch], below: 2}}
  graph: |
    logits --> loss[cross_entropy]
    label -->|target| loss
  data:
    train: rows.jsonl
    validation: rows.jsonl
    batch: 8
    buckets: 3
    workers: WORKERS
    columns:
      ids: {from: text, tokenizer: tokenizer.json, pad: 0, mask: mask}
      label: {from: animal, classes: [cat, dog]}
  optimizer: {op: adamw, lr: 3e-2}
  epochs: 8
  metrics: {accuracy: {of: logits, target: label}}
"""


def test_the_lock_says_what_inputs_are_made_from() -> None:
    checked = check_source(Source("animals.yaml", SPEC.replace("WORKERS", "2")))
    again = check_source(Source("lock.yaml", write_lock(checked)))
    assert checked.training is not None
    assert again.training is not None
    data = replace(checked.training.settings.data, train=None, validation=None)
    assert again.training.settings.data == data
    assert data.columns["label"].classes == ("cat", "dog")


def test_resumed_and_with_workers_it_is_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKC_CACHE", str(tmp_path / "cache"))
    write_tokenizer(tmp_path / "tokenizer.json")
    random = np.random.default_rng(0)
    rows = [(str(random.choice(["cat", "dog"])), int(random.integers(1, 9))) for _ in range(50)]
    lines = [json.dumps({"text": f"the {animal} {'sat ' * count}", "animal": animal}) for animal, count in rows]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for workers in ("0", "3"):
        (tmp_path / f"workers{workers}.yaml").write_text(SPEC.replace("WORKERS", workers), encoding="utf-8")

    def interrupt(event: dict[str, Any]) -> None:
        if event.get("step") == 10 and "epoch" not in event:
            os.kill(os.getpid(), signal.SIGINT)

    whole = stackc.train(tmp_path / "workers0.yaml", TrainOptions(out=tmp_path / "whole"))
    folder = tmp_path / "resumed"
    with pytest.raises(KeyboardInterrupt):
        stackc.train(tmp_path / "workers3.yaml", TrainOptions(out=folder), report=interrupt)
    stackc.train(tmp_path / "workers0.yaml", TrainOptions(out=folder, resume=True))

    assert whole.means["accuracy"] > 0.9
    ours, theirs = load_file(folder / "last.safetensors"), load_file(whole.folder / "last.safetensors")
    assert [name for name in theirs if not np.array_equal(ours[name], theirs[name])] == []
