"""Pictures for files, by how the file's name ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from stackc.diagnostics import Diagnostic, SpecError
from stackc.front import Checked
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
SUFFIXES = (*WRITERS, ".html")
"""How a file that holds a picture may end."""


def draw(checked: Checked, suffix: str, depth: int) -> str | bytes:
    """What a file that ends in one of SUFFIXES holds."""
    if suffix == ".html":
        from stackc.view.html import write_html

        return write_html(checked.typed, checked.sources, depth)
    return WRITERS[suffix](compose(checked.typed, depth))


def write_file(out: Path, drawn: str | bytes) -> None:
    """Write a picture or page. SpecError V103 where that cannot be done."""
    try:
        out.write_bytes(drawn.encode() if isinstance(drawn, str) else drawn)
    except OSError as error:
        raise SpecError(Diagnostic("V103", f"cannot write {out}: {error.strerror}")) from error
