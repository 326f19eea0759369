"""stackc doctor."""

from __future__ import annotations

import dataclasses

import click

from stackc.cli.options import json_option
from stackc.cli.screen import echo, echo_json, style

_SIGNS = {"ok": ("✓", "green"), "missing": ("✗", "red"), "failed": ("✗", "red"), "untested": ("?", "yellow")}


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Diagnose this installation and suggest fixes: versions, providers, the libraries of CUDA."""
    from stackc.cli.diagnose import diagnose

    rows = diagnose()
    if as_json:
        echo_json([dataclasses.asdict(row) for row in rows], indent=2)
        return

    width = max(len(row.subject) for row in rows)
    for row in rows:
        sign, colour = _SIGNS[row.state]
        echo(style(sign, fg=colour), f" {row.subject:{width}}  {row.detail}")
        if row.fix:
            echo(" " * (width + 4), style("help:", fg="cyan"), f" {row.fix}")
