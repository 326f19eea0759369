"""stackc zoo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from stackc.cli.options import json_option
from stackc.cli.screen import echo, echo_json

if TYPE_CHECKING:
    from stackc.hub.catalog import CatalogEntry

COLUMNS = ("spec", "task", "parameters", "error / PyTorch's", "time / eager", "at", "held to", "date")


@click.command("zoo")
@click.option("--markdown", is_flag=True, help="Print a table in Markdown.")
@json_option
def command(markdown: bool, as_json: bool) -> None:
    """Print the verified catalog: every spec of the zoo, and what a real build of it came to.

    The error is how many times as far from the float64 truth as PyTorch the ONNX file is at most; the time is that of
    the file over that of eager PyTorch, with its 95 % interval. `stackc init --template SPEC` writes one of the specs,
    `stackc import FOLDER` fills it with the sizes and the weights of a model.
    """
    from stackc.cli.table import Column, print_table
    from stackc.hub.catalog import catalog

    entries = catalog()
    if as_json:
        echo_json([asdict(entry) for entry in entries], indent=2)
        return

    rows = [_cells(entry) for entry in entries]
    if markdown:
        _print_markdown(rows)
    else:
        right = {"parameters", "error / PyTorch's", "time / eager"}
        print_table([Column(title, align="right" if title in right else "left") for title in COLUMNS], rows)
    for line in _settings(entries):
        echo(line)


def _cells(entry: CatalogEntry) -> list[str]:
    record = entry.record
    if record is None:
        return [entry.name, entry.task, "", "", "", "", entry.reference, "not recorded"]

    low, high = record.interval
    speed = f"{record.speed:.2f} ({low:.2f} to {high:.2f})"
    sizes = ", ".join([*(f"{name} {value}" for name, value in record.params.items()), record.sizes])
    figures = [f"{record.parameters:,}", f"{record.error:.1f}", speed, sizes]
    return [entry.name, entry.task, *figures, entry.reference, record.date]


def _print_markdown(rows: Sequence[Sequence[str]]) -> None:
    echo(f"| {' | '.join(COLUMNS)} |")
    echo(f"|{'---|' * len(COLUMNS)}")
    for row in rows:
        echo(f"| {' | '.join(row)} |")
    echo()


def _settings(entries: Sequence[CatalogEntry]) -> list[str]:
    """Return a line for each processor and set of versions that records were made with."""
    records = [entry.record for entry in entries if entry.record]
    lines = (
        f"{record.processor}; {', '.join(f'{name} {number}' for name, number in record.versions.items())}"
        for record in records
    )
    return [*dict.fromkeys(lines)]
