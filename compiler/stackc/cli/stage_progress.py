"""Progress of commands that run in stages: a line for each on the output, below them a bar that says what remains.

The bar is drawn on the error stream, and only if that is a terminal; it is gone when the command ends.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stackc.cli.report import stage_report
from stackc.cli.screen import rich_console
from stackc.core.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def stage_progress(expected: Sequence[str] = (), *, quiet: bool = False) -> Iterator[Progress]:
    """Yield the callback for finished stages. `expected` has the names of all that will come, if they are known."""
    report = stage_report(quiet=quiet)
    if not sys.stderr.isatty():
        yield report
        return
    with stage_bar(rich_console(err=True), report, expected) as with_bar:
        yield with_bar


@contextmanager
def stage_bar(console: Console, report: Progress, expected: Sequence[str]) -> Iterator[Progress]:
    """Show the bar below the lines that `report` prints; without expected stages it only moves."""
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    left = list(expected)
    columns = (SpinnerColumn(), BarColumn(bar_width=24), TextColumn("{task.fields[left]}", markup=False))
    with Bar(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("stages", total=len(expected) or None, left=_remaining(left))

        def report_above(stage: str, summary: str) -> None:
            bar.stop()  # which clears its line: the report may go to another stream of the same terminal
            report(stage, summary)
            if stage in left:
                left.remove(stage)
                bar.update(task, completed=len(expected) - len(left), left=_remaining(left))
            bar.start()

        yield report_above


def _remaining(left: Sequence[str]) -> str:
    return f"{len(left)} to go: {', '.join(left)}" if left else "working"
