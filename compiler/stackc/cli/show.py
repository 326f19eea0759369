"""stackc show SPEC."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from stackc.cli.options import override_options, spec_argument
from stackc.cli.pictures import SUFFIXES, draw, write_file
from stackc.front import Overrides, check_spec
from stackc.spec.markdown import Skin
from stackc.spec.source import MERMAID_SUFFIXES, YAML_SUFFIXES, load_source
from stackc.spec.writer import write_skin
from stackc.view.compose import compose
from stackc.view.picture import Picture

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
@click.option(
    "--tree/--mermaid", default=None,
    help="Print a tree to read, or Mermaid; by default a tree on a screen, Mermaid into a pipe.",
)  # fmt: skip
@click.option(
    "--as", "skin", type=click.Choice(list(SKINS)),
    help="Write the spec itself, as YAML or as Mermaid; comments and the order of its keys stay.",
)  # fmt: skip
def command(
    spec: Path, overrides: Overrides, out: Path | None, depth: int, tree: bool | None, skin: Skin | None
) -> None:
    """Draw SPEC: a tree or Mermaid on the screen, or a picture in a file. With --as, write SPEC in its other language.

    Shapes stand on the arrows, parameters and FLOPs on the nodes; equal members of a stack are drawn once, with ×12.
    """
    _check_suffix(out, skin)
    if skin and (overrides.params or overrides.dims):
        raise click.UsageError("--as writes the spec as it stands; --set and --dims are for pictures")
    if tree is not None and (skin or out):
        raise click.UsageError("--tree and --mermaid are for the screen; they go with neither --as nor --out")
    if tree or (tree is None and not (skin or out) and sys.stdout.isatty()):
        _print_tree(compose(check_spec(spec, overrides).typed, depth))
        return
    suffix = out.suffix.lower() if out else ".mmd"
    drawn = write_skin(load_source(spec), skin) if skin else draw(check_spec(spec, overrides), suffix, depth)
    if out is None:
        click.echo(drawn, nl=False)
        return
    write_file(out, drawn)
    click.echo(f"wrote {out}")


def _print_tree(picture: Picture) -> None:
    from rich.console import Console

    from stackc.view.tree import tree_of

    width = None if sys.stdout.isatty() else 1000  # a pipe has no edge to break lines at
    Console(highlight=False, width=width).print(tree_of(picture))
