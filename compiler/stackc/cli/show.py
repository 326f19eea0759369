"""stackc show SPEC."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from stackc.cli.options import override_options, spec_argument
from stackc.cli.pictures import SUFFIXES, draw_picture, picture_target, write_file
from stackc.frontend import Overrides, check_spec
from stackc.spec.source import MERMAID_SUFFIXES, YAML_SUFFIXES, load_source
from stackc.spec.writer import convert_syntax
from stackc.view.compose import compose
from stackc.view.picture import Picture

Form = Literal["yaml", "mermaid", "torch"]
FORMS: dict[Form, tuple[str, ...]] = {"yaml": YAML_SUFFIXES, "mermaid": MERMAID_SUFFIXES, "torch": (".py",)}


@click.command("show")
@spec_argument
@override_options
@click.option(
    "-o", "--out", type=click.Path(path_type=Path),
    help=f"A file to write instead: {', '.join(SUFFIXES)}; .py with --as torch.",
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
    "--as", "form", type=click.Choice(list(FORMS)),
    help="Write the spec itself, as YAML or Mermaid, comments and order kept; or the model as a file of plain PyTorch.",
)  # fmt: skip
def command(
    spec: Path, overrides: Overrides, out: Path | None, depth: int, tree: bool | None, form: Form | None
) -> None:
    """Draw SPEC: a tree or Mermaid on the screen, or a picture in a file. With --as, write SPEC in another language.

    Shapes stand on the arrows, parameters and FLOPs on the nodes; equal members of a stack are drawn once, with ×12.
    """
    if out is not None:
        meant = next((each for each, known in FORMS.items() if out.suffix.lower() in known), None)
        hint = f"; with `--as {meant}` it may" if meant and meant != form else ""
        known, writes_specs = FORMS[form] if form else SUFFIXES, form in ("yaml", "mermaid")
        picture_target(out, "--out", (spec,), known, hint, writes_specs=writes_specs)
    if form in ("yaml", "mermaid") and (overrides.params or overrides.dims):
        raise click.UsageError(f"--as {form} writes the spec as it stands; --set and --dims are for all else")
    if tree is not None and (form or out):
        raise click.UsageError("--tree and --mermaid are for the screen; they go with neither --as nor --out")
    if tree or (tree is None and not (form or out) and sys.stdout.isatty()):
        _print_tree(compose(check_spec(spec, overrides).typed, depth))
        return
    shown = _written(spec, overrides, form) if form else _drawn(spec, overrides, out, depth)
    if out is None:
        click.echo(shown, nl=False)
        return
    write_file(out, shown)
    click.echo(f"wrote {out}")


def _written(spec: Path, overrides: Overrides, form: Form) -> str:
    if form != "torch":
        return convert_syntax(load_source(spec), form)
    from stackc.torch_backend.torch_file import write_torch

    return write_torch(check_spec(spec, overrides).typed)


def _drawn(spec: Path, overrides: Overrides, out: Path | None, depth: int) -> str | bytes:
    return draw_picture(check_spec(spec, overrides), out.suffix.lower() if out else ".mmd", depth)


def _print_tree(picture: Picture) -> None:
    from rich.console import Console

    from stackc.view.tree import tree_of

    width = None if sys.stdout.isatty() else 1000  # a pipe has no edge to break lines at
    Console(highlight=False, width=width).print(tree_of(picture))
