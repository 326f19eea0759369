"""stackc show SPEC."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from stackc.cli.options import override_options, spec_argument
from stackc.diagnostics import Diagnostic, SpecError
from stackc.front import Overrides, check_spec
from stackc.view.compose import compose
from stackc.view.dot import write_dot
from stackc.view.mermaid import write_mermaid
from stackc.view.picture import Picture
from stackc.view.svg import write_svg


def _png(picture: Picture) -> bytes:
    """The PNG; says what its fonts cannot show."""
    from stackc.view.png import draw_png

    raster = draw_png(write_svg(picture))
    if raster.missing:
        shown = raster.missing[:20] + "…" * (len(raster.missing) > 20)
        message = f"no font here has {shown}: empty boxes stand for it in the PNG"
        click.echo(f"{click.style('warning:', fg='yellow')} {message}", err=True)
        click.echo("help: install a font that has it (for Chinese on Debian: fonts-noto-cjk), or write SVG", err=True)
    return raster.data


WRITERS: dict[str, Callable[[Picture], str | bytes]] = {
    ".svg": write_svg,
    ".png": _png,
    ".mmd": write_mermaid,
    ".dot": write_dot,
}


def _known_format(ctx: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in WRITERS:
        raise click.BadParameter(f"'{path}' has to end in one of {', '.join(WRITERS)}", ctx, option)
    return path


@click.command("show")
@spec_argument
@override_options
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), callback=_known_format,
    help=f"A file to write instead: {', '.join(WRITERS)}.",
)  # fmt: skip
@click.option(
    "--depth", type=click.IntRange(min=1), default=1, show_default=True,
    help="How many levels of blocks and stacks to open; 1 leaves all of them closed.",
)  # fmt: skip
def command(spec: Path, overrides: Overrides, out: Path | None, depth: int) -> None:
    """Draw SPEC: Mermaid on the screen, or a picture in a file.

    Shapes stand on the arrows, parameters and FLOPs on the nodes; equal members of a stack are drawn once, with ×12.
    """
    picture = compose(check_spec(spec, overrides).typed, depth)
    if out is None:
        click.echo(write_mermaid(picture), nl=False)
        return
    drawn = WRITERS[out.suffix.lower()](picture)
    try:
        out.write_bytes(drawn.encode() if isinstance(drawn, str) else drawn)
    except OSError as error:
        raise SpecError(Diagnostic("V103", f"cannot write {out}: {error.strerror}")) from error
    click.echo(f"wrote {out}")
