"""stackc show SPEC."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

import click

from stackc.cli.options import FilePath, override_options, spec_argument
from stackc.cli.pictures import SUFFIXES, draw_picture, picture_target, write_file
from stackc.cli.screen import echo, echo_text, rich_console
from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides, check_source, check_spec
from stackc.ir.document_printer import print_document
from stackc.ir.printer import print_graph, print_program, print_typed
from stackc.resolve.resolve import resolve
from stackc.spec.binary_kinds import is_model_file
from stackc.spec.reader import parse
from stackc.spec.source import MERMAID_SUFFIXES, YAML_SUFFIXES, Source, load_source
from stackc.spec.writer import convert_syntax
from stackc.view.forms import DrawnModel
from stackc.view.picture import Picture

Form = Literal["yaml", "mermaid", "graph", "typed", "program", "torch"]
FORMS: dict[Form, tuple[str, ...]] = {
    "yaml": YAML_SUFFIXES,
    "mermaid": MERMAID_SUFFIXES,
    "graph": (".txt",),
    "typed": (".txt",),
    "program": (".txt",),
    "torch": (".py",),
}
"""The forms of --as, in the order of the stages, each with the suffixes of its files."""


@click.command("show")
@spec_argument
@override_options
@click.option(
    "-o", "--out", type=FilePath(),
    help=(
        f"Write to this file: a picture ({', '.join(SUFFIXES)}); with --as yaml or mermaid a spec, with --as torch a "
        ".py file, with --as graph, typed or program a .txt file."
    ),
)  # fmt: skip
@click.option(
    "--depth", type=click.IntRange(min=1), default=1, show_default=True,
    help="How many levels of blocks and stacks to open; 1 keeps all of them closed.",
)  # fmt: skip
@click.option(
    "--tree/--mermaid", default=None,
    help="Print a tree for reading, or Mermaid; the default is a tree on a terminal and Mermaid in a pipe.",
)  # fmt: skip
@click.option(
    "--as", "form", type=click.Choice(list(FORMS)),
    help=(
        "Print the spec as YAML or Mermaid, with its comments; what the compiler makes of it: the graph, the typed "
        "graph, the flat program; or the model as a file of plain PyTorch."
    ),
)  # fmt: skip
@click.option(
    "--with-training", is_flag=True,
    help="With --as torch: below the model its losses, and the loop that trains it as `stackc train` does.",
)  # fmt: skip
def command(
    spec: Path,
    overrides: Overrides,
    out: Path | None,
    depth: int,
    tree: bool | None,
    form: Form | None,
    with_training: bool,
) -> None:
    """Draw SPEC as a tree, as Mermaid, or as a picture in a file; or print it in another form, with --as.

    Arrows carry shapes; nodes carry parameters and FLOPs. Equal members of a stack are drawn once, with ×12. A page
    (-o page.html) can be coloured by parameters and FLOPs, that of an artifact by time and error too.

    Of an ONNX file of any origin, show opset, inputs, outputs, tensors, and operators by the scopes of their names;
    --depth opens them. External data is not read.

    With --as graph, a SPEC with errors is printed as far as it can be understood; the errors follow.
    """
    _check_usage(spec, overrides, out, tree, form)
    if with_training and form != "torch":
        raise click.UsageError("--with-training is for --as torch")

    if is_model_file(spec):
        _show_file(spec, depth, plain=not (overrides.params or overrides.dims or overrides.trust or out or form))
        return

    if tree or (tree is None and not (form or out) and sys.stdout.isatty()):
        checked = check_spec(spec, overrides)
        _print_tree(DrawnModel(checked.typed, checked.training).picture(depth))
        return

    if form == "graph":
        _show_graph(load_source(spec), overrides, out)
        return

    shown = _in_form(spec, overrides, form, with_training=with_training) if form else _draw(spec, overrides, out, depth)
    _emit(shown, out)


def _show_file(path: Path, depth: int, *, plain: bool) -> None:
    """Show what is in an ONNX file. Raises click.UsageError for options that are for specs."""
    if not plain:
        raise click.UsageError("an ONNX file is shown as text, with --depth alone; all other options are for specs")
    from stackc.analysis.onnx_files.outline import outline_file
    from stackc.analysis.onnx_files.tree import outline_lines

    for line in outline_lines(outline_file(path), depth):
        echo(line)


def _check_usage(spec: Path, overrides: Overrides, out: Path | None, tree: bool | None, form: Form | None) -> None:
    """Refuse options that do not go together, as wrong usage."""
    if out is not None:
        suited = next((other for other, suffixes in FORMS.items() if out.suffix.lower() in suffixes), None)
        hint = f"; with `--as {suited}` it may" if suited and suited != form else ""
        suffixes, writes_specs = FORMS[form] if form else SUFFIXES, form in ("yaml", "mermaid")
        picture_target(out, "--out", (spec,), suffixes, hint, writes_specs=writes_specs)

    if form in ("yaml", "mermaid") and (overrides.params or overrides.dims):
        raise click.UsageError(f"--as {form} writes the spec as it stands; --set and --dims apply to all other forms")
    if tree is not None and (form or out):
        raise click.UsageError("--tree and --mermaid are for the screen; use them without --as and --out")


def _show_graph(source: Source, overrides: Overrides, out: Path | None) -> None:
    """Show the graph. If the spec has errors, show what was recovered of it first, then raise them as SpecError."""
    try:
        _emit(print_graph(check_source(source, overrides).graph), out)
    except SpecError:
        if recovered := _recovered(source, overrides):
            _emit(recovered, out)
        raise


def _recovered(source: Source, overrides: Overrides) -> str | None:
    """Return the last value before the error as text: the graph, else the document; None if the text is not a spec."""
    try:
        document = parse(source, recover=True)
    except SpecError:
        return None

    try:
        return print_graph(resolve(document, overrides.params, overrides.dims, overrides.trust, overrides.spelling))
    except SpecError:
        return print_document(document)


def _in_form(spec: Path, overrides: Overrides, form: Form, *, with_training: bool) -> str:
    if form == "yaml" or form == "mermaid":
        return convert_syntax(load_source(spec), form)

    checked = check_spec(spec, overrides)
    if form == "typed":
        return print_typed(checked.typed)
    if form == "program":
        steps = [checked.decoding.program] if checked.decoding else []
        return "\n".join(map(print_program, (checked.program, *steps)))

    if with_training:
        from stackc.torch_backend.training_file import write_training

        return write_training(checked)

    from stackc.torch_backend.torch_file import write_torch

    return write_torch(checked.typed)


def _draw(spec: Path, overrides: Overrides, out: Path | None, depth: int) -> str | bytes:
    checked, suffix = check_spec(spec, overrides), out.suffix.lower() if out else ".mmd"
    if suffix != ".html" or not os.path.isdir(spec):
        return draw_picture(checked, suffix, depth)

    from stackc.artifact.overlays import stored_overlays

    return draw_picture(checked, suffix, depth, stored_overlays(spec))


def _emit(shown: str | bytes, out: Path | None) -> None:
    """Print, or write to a file and say so."""
    if out is None:
        if isinstance(shown, bytes):
            click.echo(shown, nl=False)
        else:
            echo_text(shown, nl=False)
        return
    write_file(out, shown)
    echo(f"wrote {out}")


def _print_tree(picture: Picture) -> None:
    from stackc.view.tree import tree_of

    width = None if sys.stdout.isatty() else 1000  # a pipe has no edge to break lines at
    rich_console(width=width).print(tree_of(picture))
