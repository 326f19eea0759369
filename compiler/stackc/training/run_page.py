"""runs/NAME/report.html: the curves of a run beside the drawing of its model, on one self-contained page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from stackc.core.diagnostics import SpecError
from stackc.core.plurals import counted
from stackc.frontend import Checked
from stackc.training.history import write_whole
from stackc.training.run import TrainingRun
from stackc.training.watch_components import KINDS
from stackc.view.curves import Chart, Series, chart_coordinates
from stackc.view.html import page_data, render_page

REPORT = "report.html"
MOST_ROWS = 1000
"""The most epochs of the table, the latest ones; history.jsonl has all of them."""


@contextmanager
def run_page(checked: Checked, run: TrainingRun) -> Iterator[None]:
    """Write the page of a run when the block ends, also by Ctrl-C or an error. Raises SpecError L205."""

    def write() -> None:
        best = run.state.position.best_epoch
        write_whole(run.folder / REPORT, run_report(checked, run.history.events(), best, run.total_steps))

    try:
        yield
    except (KeyboardInterrupt, SpecError):
        with suppress(SpecError):  # what ended the run is reported, and not what came after
            write()
        raise
    write()


def run_report(checked: Checked, events: Iterable[Mapping[str, Any]], best_epoch: int, total_steps: int) -> str:
    """Return the page of a run: charts of losses, metrics and the learning rate, a table of its epochs."""
    curves = RunCurves.of(events)
    best = next((epoch for epoch in curves.epochs if epoch["epoch"] == best_epoch), None)
    heads = [(f"{curves.steps:,}", f"of {counted(total_steps, 'step')}")]
    if best is not None:
        heads.append((str(best_epoch), "is the best epoch"))
        heads += [(f"{value:.4g}", name) for name, value in best["validation"].items()]

    budget = checked.training.settings.privacy if checked.training else None
    if budget is not None and curves.epochs:
        spent = curves.epochs[-1]["epsilon"]
        heads.append((f"{spent:.3g}", f"epsilon spent of {budget.epsilon:g}, at delta {budget.delta:g}"))

    names = list(curves.validation)
    shown = curves.epochs[-MOST_ROWS:]
    return render_page(
        "run.html",
        title=checked.document.name,
        subtitle=f"Trained by {checked.document.file.rpartition('/')[2]}",
        heads=heads,
        view=drawing_of(checked),
        charts=[drawn for chart in curves.charts() if (drawn := chart_coordinates(chart))],
        components=norm_rows(curves.epochs),
        table={
            "title": "Epochs",
            "columns": ["epoch", "step", "training loss", *names],
            "rows": [[*_cells(epoch, names), "best" if epoch["epoch"] == best_epoch else ""] for epoch in shown],
        },
    )


def norm_rows(epochs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the norms of each component in the last epoch, and what was found there; none unless it was watched."""
    watched = next((epoch for epoch in reversed(epochs) if "components" in epoch), None)
    if watched is None:
        return []
    findings = {each["path"]: each for each in watched["findings"]}
    return [
        {"path": path, "cells": [f"{norms[kind]:.2e}" if kind in norms else "–" for kind in KINDS]}
        | {"finding": f"gradients {findings[path]['gradients']}" if path in findings else ""}
        for path, norms in watched["components"].items()
    ]


def drawing_of(checked: Checked) -> dict[str, Any] | None:
    """Return the data of the drawing; None where it cannot be laid out, which takes no weights from anyone."""
    try:
        return page_data(checked.typed, checked.sources, depth=1) | {"quiet": True, "scrolls": True}
    except SpecError:
        return None


@dataclass
class RunCurves:
    """The points of a run: the loss and learning rate of each step, the means over the validation data by name."""

    losses: list[tuple[float, float]] = field(default_factory=list)
    rates: list[tuple[float, float]] = field(default_factory=list)
    validation: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    epochs: list[Mapping[str, Any]] = field(default_factory=list)

    @staticmethod
    def of(events: Iterable[Mapping[str, Any]]) -> RunCurves:
        """Collect the events of a history."""
        curves = RunCurves()
        for event in events:
            step = event["step"]
            if "epoch" not in event:
                curves.losses.append((step, event["loss"]))
                curves.rates.append((step, event["lr"]))
                continue
            curves.epochs.append(event)
            for name, value in event["validation"].items():
                curves.validation.setdefault(name, []).append((step, value))
        return curves

    @property
    def steps(self) -> int:
        """The steps made."""
        return int(self.losses[-1][0]) if self.losses else 0

    def charts(self) -> list[Chart]:
        """Return the loss beside that over the validation data, then a chart for every metric, then the rate."""
        watched = next((name for name in ("total", "loss") if name in self.validation), None)
        losses = [Series("training", self.losses)]
        if watched:
            losses.append(Series("validation", self.validation[watched]))
        others = [
            Chart(name, [Series("validation", points)]) for name, points in self.validation.items() if name != watched
        ]
        return [Chart("loss", losses), *others, Chart("learning rate", [Series("lr", self.rates)], may_be_log=False)]


def _cells(epoch: Mapping[str, Any], names: list[str]) -> list[str]:
    numbers = [epoch["loss"], *(epoch["validation"].get(name, float("nan")) for name in names)]
    return [str(epoch["epoch"]), f"{epoch['step']:,}", *(f"{number:.5g}" for number in numbers)]
