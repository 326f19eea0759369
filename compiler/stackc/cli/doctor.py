"""stackc doctor."""

from __future__ import annotations

import dataclasses
import json

import click

from stackc.cli.options import json_option

_SIGNS = {"ok": ("✓", "green"), "missing": ("✗", "red"), "failed": ("✗", "red"), "untested": ("?", "yellow")}


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Diagnose this installation and suggest fixes: versions, providers, the libraries of CUDA."""
    from stackc.cli.diagnose import diagnose

    rows = diagnose()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        return

    width = max(len(row.subject) for row in rows)
    for row in rows:
        sign, colour = _SIGNS[row.state]
        click.echo(f"{click.style(sign, fg=colour)} {row.subject:{width}}  {row.detail}")
        if row.fix:
            click.echo(f"  {'':{width}}  {click.style('help:', fg='cyan')} {row.fix}")
