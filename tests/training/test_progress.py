"""What is seen while a run goes on: the bar, TensorBoard's files, a compiled module."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tests.training.digits import write_digits

import stackc
from stackc.cli.train_progress import progress_bar
from stackc.core.diagnostics import SpecError
from stackc.training import TrainOptions

EVIL = "x[bold]\x1b[2J"


def shown(events: list[dict[str, Any]]) -> str:
    screen = io.StringIO()
    with progress_bar(Console(file=screen, force_terminal=True, width=160)) as report:
        for event in events:
            report(event)
    return screen.getvalue()


def test_the_bar_has_steps_loss_metrics_and_the_time_left() -> None:
    steps = [{"step": step, "loss": 1 / step, "lr": 0.1, "steps": 8, "examples": 50} for step in range(3, 7)]
    epoch = {"epoch": 1, "step": 6, "loss": 0.25, "validation": {"accuracy": 0.75}, "steps": 8}
    text = shown([*steps, epoch])
    assert "epoch   1  step      6 of 8  loss 0.2500  validation: accuracy 0.7500" in text
    assert "6/8" in text
    assert "loss 0.1667" in text
    assert "examples/s" in text


def test_each_variant_of_a_sweep_has_a_bar() -> None:
    event = {"loss": 0.5, "lr": 0.1, "examples": 50}
    text = shown([event | {"step": step, "steps": 8} for step in range(1, 9)] + [event | {"step": 1, "steps": 5}])
    assert "1/5" in text  # rich shows a moment now and then; the last one always
    assert text.rindex("1/5") > text.rindex("/8")


def test_foreign_names_are_text() -> None:
    epoch = {"epoch": 1, "step": 6, "loss": 0.25, "validation": {EVIL: 0.5}, "steps": 8}
    assert "x[bold]�[2J 0.5000" in shown([epoch])


@pytest.mark.slow
def test_tensorboard_has_the_curves(tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    spec, folder = write_digits(tmp_path), tmp_path / "run"
    stackc.train(spec, TrainOptions(out=folder, tensorboard=True))
    events = [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]

    board = event_accumulator.EventAccumulator(str(folder / "tensorboard"))
    board.Reload()
    losses = [(each.step, each.value) for each in board.Scalars("train/loss")]
    assert losses == [(each["step"], pytest.approx(each["loss"], rel=1e-6)) for each in events if "lr" in each]
    accuracy = [(each.step, each.value) for each in board.Scalars("validation/accuracy")]
    assert [step for step, _ in accuracy] == [7, 14, 21]
    assert accuracy[-1][1] == pytest.approx(events[-1]["validation"]["accuracy"])


@pytest.mark.slow
def test_error_no_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(SpecError, match="L208") as caught:
        stackc.train(write_digits(tmp_path), TrainOptions(out=tmp_path / "run", tensorboard=True))
    assert caught.value.diagnostics[0].hint == "pip install 'stackc[train]'"
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_compiled_module_trains_alike(tmp_path: Path) -> None:
    """The same files too: what a run is continued from does not depend on it."""
    spec = write_digits(tmp_path)
    runs = []
    for name in ("eager", "compiled"):
        stackc.train(spec, TrainOptions(out=tmp_path / name, compiled=name == "compiled"))
        lines = (tmp_path / name / "history.jsonl").read_text(encoding="utf-8").splitlines()
        runs.append([json.loads(line)["loss"] for line in lines])
    np.testing.assert_allclose(runs[1], runs[0], rtol=1e-4)
    stackc.train(spec, TrainOptions(out=tmp_path / "compiled", resume=True))
