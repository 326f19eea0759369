"""stackc watch SPEC."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click

from stackc.cli.options import FilePath, override_options, spec_argument
from stackc.cli.screen import echo, style
from stackc.frontend import Checked, Overrides


@click.command("watch")
@spec_argument
@override_options
@click.option("-o", "--out", type=FilePath(), help="A picture or page to redraw: .svg, .html, …")
@click.option(
    "--depth", type=click.IntRange(min=1), default=1, show_default=True,
    help="How many levels of blocks and stacks to open in the picture.",
)  # fmt: skip
def command(spec: Path, overrides: Overrides, out: Path | None, depth: int) -> None:
    """Check and redraw SPEC whenever it, or a file that it includes, is saved. Stop with Ctrl-C."""
    from stackc.cli.file_watch import saves
    from stackc.spec.source import load_source

    redraw = _drawer(out, depth, spec) if out else None
    first = Path(load_source(spec).file)
    files = [first]

    try:
        for _ in saves(lambda: files):
            click.clear()
            if checked := _check(spec, overrides, redraw):
                files[:] = [first, *(Path(source.file) for source in checked.graph.includes)]
    except KeyboardInterrupt:
        echo()
        raise


def _drawer(out: Path, depth: int, spec: Path) -> Callable[[Checked], None]:
    from stackc.cli.pictures import draw_picture, picture_target, write_file

    picture_target(out, "--out", (spec,))
    suffix = out.suffix.lower()
    return lambda checked: write_file(out, draw_picture(checked, suffix, depth))


def _check(spec: Path, overrides: Overrides, redraw: Callable[[Checked], None] | None) -> Checked | None:
    """Check and draw the spec, and print the result. Return None if the spec has errors."""
    from stackc.cli.report import report_diagnostics, rounded
    from stackc.core.diagnostics import SpecError
    from stackc.core.plurals import counted
    from stackc.frontend import check_spec

    start = time.perf_counter()
    try:
        checked = check_spec(spec, overrides)
        if redraw:
            redraw(checked)
    except SpecError as error:
        report_diagnostics(error)
        return None

    milliseconds = (time.perf_counter() - start) * 1000
    number = checked.cost.parameters
    parameters = f"{rounded(number)} parameter{'' if number == 1 else 's'}"
    summary = f"{counted(len(checked.program.calls), 'component')}, {parameters} ({milliseconds:.0f} ms)"
    echo(style("✓", fg="green"), f" {time.strftime('%H:%M:%S')} {checked.program.name}: OK, {summary}")
    return checked
