"""What differs in training is told like what differs in the model, with the lines of both specs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.training.digits import SPEC, TRAIN

import stackc
from stackc.analysis.diff.changes import Change
from stackc.artifact.lock import write_lock

ASSERT = "assert: {accuracy: {min: 0.9}}\n"


def changes(tmp_path: Path, before: str, after: str) -> list[Change]:
    for name, text in (("before", before), ("after", after)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return list(stackc.diff(tmp_path / "before.yaml", tmp_path / "after.yaml").changes)


def replaced(*pairs: tuple[str, str]) -> str:
    text = SPEC + TRAIN
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


CASES = {
    "another loss": (("loss[cross_entropy]", "loss[nll]"), "changed", "train.loss", "cross_entropy → nll"),
    "an arrow": (("logits --> loss", "logits --> relu2[relu] --> loss"), "rewired", "train.loss", "from relu2"),
    "a rate": (("lr: 1e-2", "lr: 1e-3"), "changed", "train", "optimizer.lr: 0.01 → 0.001"),
    "a schedule": (
        ("{op: warmup_cosine, warmup: 3}", "one_cycle"), "changed", "train", "schedule: warmup_cosine → one_cycle",
    ),
    "the data": (("train: train.npz", "train: more.npz"), "changed", "train", "data.train: train.npz → more.npz"),
    "the end": (("epochs: 3", "steps: 9"), "changed", "train", "steps: none → 9"),
    "what is frozen": (("seed: 3", "freeze: [conv]"), "changed", "train", "freeze: none → [conv]"),
    "a target": (("below: 10", "below: 9"), "changed", "train.label", "int64[batch], below 10 → int64[batch], below 9"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_change_of_training_is_told(name: str, tmp_path: Path) -> None:
    edit, kind, path, detail = CASES[name]
    told = changes(tmp_path, SPEC + TRAIN, replaced(edit))
    (change,) = [change for change in told if any(detail in text for text in change.details)]
    assert (change.kind, change.path) == (kind, path)
    assert None not in change.at
    assert all(span is not None and span.line > SPEC.count("\n") for span in change.at)


def test_a_field_of_a_loss(tmp_path: Path) -> None:
    (change,) = changes(tmp_path, SPEC + TRAIN, SPEC + TRAIN + "  nodes: {loss: {label_smoothing: 0.1}}\n")
    assert (change.kind, change.path, change.op) == ("changed", "train.loss", "cross_entropy")
    assert change.details == ("label_smoothing: 0 → 0.1",)


def test_losses_metrics_and_weights(tmp_path: Path) -> None:
    second = replaced(
        ("    label -->|target| loss\n", "    label -->|target| loss & other\n    logits --> other[nll]\n")
    )
    first, again = f"{second}  loss_weights: {{loss: 2}}\n", second.replace("  metrics: {accuracy", "  metrics: {top")
    again = again.replace("{of: logits, target: label}", "{op: accuracy, of: logits, target: label, k: 2}")
    told = {(change.kind, change.path): change.details for change in changes(tmp_path, SPEC + TRAIN, first)}
    assert told == {("added", "train.other"): (), ("changed", "train"): ("loss_weights.loss: 1 → 2",)}
    told = {(change.kind, change.path): change.details for change in changes(tmp_path, second, again)}
    assert told.keys() == {("removed", "train.accuracy"), ("added", "train.top")}


def test_training_itself_and_assertions(tmp_path: Path) -> None:
    (change,) = changes(tmp_path, SPEC, SPEC + TRAIN)
    assert (change.kind, change.before, change.after, change.op) == ("added", None, "train", "train")
    (change,) = changes(tmp_path, SPEC + TRAIN, SPEC + TRAIN + ASSERT)
    assert (change.kind, change.after, change.op, change.details) == ("added", "accuracy", "assert", ("≥ 0.9",))
    (change,) = changes(tmp_path, SPEC + TRAIN + ASSERT, SPEC + TRAIN + ASSERT.replace("0.9", "0.8"))
    assert change.details == ("≥ 0.9 → ≥ 0.8",)


def test_an_artifact_does_not_differ_from_its_spec(tmp_path: Path) -> None:
    """Its lock has neither files nor assertions."""
    text = SPEC + TRAIN + ASSERT
    (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
    assert changes(tmp_path, write_lock(stackc.check(tmp_path / "spec.yaml")), text) == []
