"""What `stackc train` prints while it runs: a bar on a terminal, a line for each epoch in a pipe, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stackc.cli.screen import echo, echo_json, rich_console
from stackc.core.diagnostics import printable

if TYPE_CHECKING:
    from rich.console import Console

    from stackc.training.run import Report

TEXTS = ("loss", "means", "epsilon", "speed")
"""What stands beside the bar."""
MOST_FINDINGS = 4
"""The most components named after an epoch."""


@contextmanager
def train_progress(*, as_json: bool) -> Iterator[Report]:
    """Yield what is called with each step and epoch."""
    if as_json:
        yield echo_json
    elif not sys.stdout.isatty():
        yield _print_epoch
    else:
        with progress_bar(rich_console()) as report:
            yield report


@contextmanager
def progress_bar(console: Console) -> Iterator[Report]:
    """Show a bar: steps, loss, the latest means over the validation data, the epsilon spent if there is a budget,
    examples a second, the time left.

    Lines of epochs are printed above it.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    texts = (TextColumn(f"{{task.fields[{name}]}}", markup=False) for name in TEXTS)
    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), *texts, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar: TaskID | None = None

        def report(event: dict[str, Any]) -> None:
            nonlocal bar
            if bar is not None and event["step"] < progress.tasks[0].completed:  # the next variant of a sweep
                progress.remove_task(bar)
                bar = None
            if bar is None:  # with the first step, so that those of a resumed run do not count as made just now
                start = event["step"] - 1
                empty: dict[str, Any] = dict.fromkeys(TEXTS, "")
                bar = progress.add_task("train", total=event["steps"], completed=start, **empty)
            if "epoch" in event:
                for line in _epoch_lines(event):
                    progress.console.print(line, highlight=False, markup=False)
                progress.update(bar, means=means_text(event["validation"]), epsilon=_epsilon_text(event))
                return
            pace = progress.tasks[0].speed
            speed = f"{pace * event['examples']:,.0f} examples/s" if pace else ""
            progress.update(bar, completed=event["step"], loss=f"loss {event['loss']:.4g}", speed=speed)

        yield report


def _print_epoch(event: dict[str, Any]) -> None:
    if "epoch" in event:
        for line in _epoch_lines(event):
            echo(line)


def _epoch_lines(event: dict[str, Any]) -> list[str]:
    """Return an epoch as a line, and one for each component where gradients vanish or explode."""
    findings = event.get("findings", [])
    found = [f"  {printable(each['line'])}: {printable(each['message'])}" for each in findings[:MOST_FINDINGS]]
    if len(findings) > MOST_FINDINGS:
        found.append(f"  and at {len(findings) - MOST_FINDINGS} more components; history.jsonl has all")
    return [_epoch_line(event), *found]


def _epoch_line(event: dict[str, Any]) -> str:
    """Return an epoch as a line: the loss over its batches, then the means over the validation data."""
    line = f"epoch {event['epoch']:3}  step {event['step']:6,} of {event['steps']:,}  loss {event['loss']:.4f}"
    line += f"  validation: {means_text(event['validation'])}" if event["validation"] else ""
    return f"{line}  {_epsilon_text(event)}".rstrip()


def _epsilon_text(event: dict[str, Any]) -> str:
    return f"epsilon {event['epsilon']:.3g}" if "epsilon" in event else ""


def means_text(means: dict[str, float]) -> str:
    """Return means by name as a line."""
    return printable(", ".join(f"{name} {mean:.4f}" for name, mean in means.items()))
