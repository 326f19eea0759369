"""Tables on the screen, laid out by rich. Tables of thousands of rows, which take rich many seconds, bypass it.

print_table(["candidate", "on", "p50 ms"], rows)                       # numbers from the third column on
print_table([Column("component", wrap="anywhere"), Column("line", wrap="never")], rows, caption="Errors:")
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from stackc.cli.screen import echo, rich_console
from stackc.core.diagnostics import printable

if TYPE_CHECKING:
    from rich.table import Table

LONG = 1000
"""The number of rows from which a table is written without rich, at its full width."""

WIDTH_WITHOUT_SCREEN = 300
"""Columns of output that goes to a file or a pipe, which has no edge to break lines at."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, the alignment of its cells, and where they may wrap if the screen is too narrow."""

    title: str
    align: Literal["left", "right"] = "left"
    wrap: Literal["at spaces", "anywhere", "never"] = "at spaces"


def print_table(
    columns: Sequence[str | Column],
    rows: Sequence[Sequence[str]],
    total: Sequence[str] | None = None,
    *,
    caption: str | None = None,
) -> None:
    """Print rows below their columns, `total` as a last row below a rule, and `caption` on a line above.

    Columns given as plain titles have the default layout: the first column never wraps, and those from the third on are
    aligned as numbers.
    """
    if caption is not None:
        echo(caption)

    layout = _layout(columns)
    rows = [[printable(cell) for cell in row] for row in rows]
    if len(rows) >= LONG:
        click.echo(long_table(layout, rows, total))
        return

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH_WITHOUT_SCREEN
    rich_console(width=width).print(_rich_table(layout, rows, total))


def _layout(columns: Sequence[str | Column]) -> list[Column]:
    """Return the columns, with the default layout for those given as plain titles."""
    return [
        column
        if isinstance(column, Column)
        else Column(
            column,
            align="right" if index > 1 and len(columns) > 2 else "left",
            wrap="never" if index == 0 else "at spaces",
        )
        for index, column in enumerate(columns)
    ]


def _rich_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], total: Sequence[str] | None) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_footer=total is not None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(
            Text(column.title),
            footer=Text(total[index] if total else ""),
            justify=column.align,
            no_wrap=column.wrap == "never",
            overflow="fold" if column.wrap == "anywhere" else "ellipsis",
        )

    for row in rows:
        table.add_row(*map(Text, row))
    return table


def long_table(
    columns: Sequence[str | Column], rows: Sequence[Sequence[str]], total: Sequence[str] | None = None
) -> str:
    """Return the table as rich writes it on a screen of unlimited width."""
    from rich.cells import cell_len

    layout = _layout(columns)
    lines_of_cells = ([column.title for column in layout], *rows, *([total] if total else []))
    sizes = [[cell_len(cell) for cell in cells] for cells in lines_of_cells]
    widths = [max(column) for column in zip(*sizes, strict=True)]

    def line(cells: Sequence[str], cell_sizes: Sequence[int]) -> str:
        padded = []
        for column, cell, size, width in zip(layout, cells, cell_sizes, widths, strict=True):
            padding = " " * (width - size)
            padded.append(padding + cell if column.align == "right" else cell + padding)
        return " " + "   ".join(padded)

    rule = "─" * (sum(widths) + 3 * len(widths) - 1)
    head, *lines = map(line, lines_of_cells, sizes)
    lines = [*lines[:-1], rule, lines[-1]] if total else lines
    return "\n".join(["", head, rule, *lines, ""])
