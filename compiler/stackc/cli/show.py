"""stackc show SPEC."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from stackc.cli.options import override_options, spec_argument
from stackc.diagnostics import Diagnostic, SpecError
from stackc.front import Overrides, check_spec
from stackc.spec.markdown import Skin
from stackc.spec.source import MERMAID_SUFFIXES, YAML_SUFFIXES, load_source
from stackc.spec.writer import write_skin
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
SKINS: dict[Skin, tuple[str, ...]] = {"yaml": YAML_SUFFIXES, "mermaid": MERMAID_SUFFIXES}


def _check_suffix(out: Path | None, skin: Skin | None) -> None:
    known = SKINS[skin] if skin else SUFFIXES
    if out is not None and out.suffix.lower() not in known:
        raise click.BadParameter(f"'{out}' has to end in one of {', '.join(known)}", param_hint="--out")


@click.command("show")
@spec_argument
@override_options
@click.option(
    "-o", "--out", type=click.Path(path_type=Path),
    help=f"A file to write instead: {', '.join(SUFFIXES)}.",
)  # fmt: skip
@click.option(
    "--depth", type=click.IntRange(min=1), default=1, show_default=True,
    help="How many levels of blocks and stacks to open; 1 leaves all of them closed.",
)  # fmt: skip
@click.option("--tree", is_flag=True, help="Print a tree to read on the screen instead of Mermaid.")
@click.option(
    "--as", "skin", type=click.Choice(list(SKINS)),
    help="Write the spec itself, as YAML or as Mermaid; comments and the order of its keys stay.",
)  # fmt: skip
def command(spec: Path, overrides: Overrides, out: Path | None, depth: int, tree: bool, skin: Skin | None) -> None:
    """Draw SPEC: Mermaid or a tree on the screen, or a picture in a file. With --as, write SPEC in its other language.

    Shapes stand on the arrows, parameters and FLOPs on the nodes; equal members of a stack are drawn once, with ×12.
    """
    _check_suffix(out, skin)
    if skin and (overrides.params or overrides.dims):
        raise click.UsageError("--as writes the spec as it stands; --set and --dims are for pictures")
    if tree and (skin or out):
        raise click.UsageError("--tree is for the screen; it goes with neither --as nor --out")
    if tree:
        _print_tree(compose(check_spec(spec, overrides).typed, depth))
        return
    drawn = write_skin(load_source(spec), skin) if skin else _picture(spec, overrides, out, depth)
    if out is None:
        click.echo(drawn, nl=False)
        return
    try:
        out.write_bytes(drawn.encode() if isinstance(drawn, str) else drawn)
    except OSError as error:
        raise SpecError(Diagnostic("V103", f"cannot write {out}: {error.strerror}")) from error
    click.echo(f"wrote {out}")


def _print_tree(picture: Picture) -> None:
    from rich.console import Console

    from stackc.view.tree import tree_of

    width = None if sys.stdout.isatty() else 1000  # a pipe has no edge to break lines at
    Console(highlight=False, width=width).print(tree_of(picture))


def _picture(spec: Path, overrides: Overrides, out: Path | None, depth: int) -> str | bytes:
    if out and out.suffix.lower() == ".html":
        from stackc.view.html import write_html

        checked = check_spec(spec, overrides)
        return write_html(checked.typed, {checked.source.file: checked.source.text}, depth)
    write = WRITERS[out.suffix.lower()] if out else write_mermaid
    return write(compose(check_spec(spec, overrides).typed, depth))
