"""Tables on the screen, by rich; those of thousands of rows, which take it many seconds, without it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import click

LONG = 1000
"""Rows from which on a table is written without rich, as wide as it is."""


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str] | None = None) -> None:
    """Print rows under their columns, and a last row below a rule; from the third column on they are numbers.

    On a screen that is too narrow cells are broken, but for those of the first column.
    """
    if len(rows) >= LONG:
        click.echo(long_table(columns, rows, total))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_footer=total is not None, pad_edge=False)
    for number, column in enumerate(columns):
        footer = Text(total[number] if total else "")
        table.add_column(
            Text(column),
            footer,
            justify="right" if _is_numeric(number, columns) else "left",
            no_wrap=number == 0,
        )
    for row in rows:
        table.add_row(*map(Text, row))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 300
    Console(width=width, highlight=False).print(table)


def long_table(columns: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str] | None = None) -> str:
    """The table as rich writes it where nothing has to be broken."""
    from rich.cells import cell_len

    sizes = [[cell_len(cell) for cell in row] for row in (columns, *rows, *([total] if total else []))]
    widths = [max(column) for column in zip(*sizes, strict=True)]

    def line(cells: Sequence[str], size: Sequence[int]) -> str:
        padded = []
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            room = " " * (width - size[number])
            padded.append(room + cell if _is_numeric(number, columns) else cell + room)
        return " " + "   ".join(padded)

    rule = "─" * (sum(widths) + 3 * len(widths) - 1)
    head, *lines = map(line, (columns, *rows, *([total] if total else [])), sizes)
    lines = [*lines[:-1], rule, lines[-1]] if total else lines
    return "\n".join(["", head, rule, *lines, ""])


def _is_numeric(number: int, columns: Sequence[str]) -> bool:
    return number > 1 and len(columns) > 2
