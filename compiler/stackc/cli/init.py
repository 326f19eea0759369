"""stackc init [DIAGRAM]."""

from __future__ import annotations

from pathlib import Path

import click

from stackc.cli.options import completing
from stackc.core.diagnostics import Diagnostic, SpecError


def _templates() -> list[str]:
    from stackc.authoring.starter_specs import starters

    return [*starters()]


@click.command("init")
@click.argument("diagram", type=click.Path(path_type=Path), required=False)
@click.option(
    "--template",
    metavar="NAME",
    shell_complete=completing(_templates),
    help="Write this working spec instead; `--list` tells which there are.",
)
@click.option("--list", "listed", is_flag=True, help="List the templates.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="The file to write; default: NAME.spec.mmd, or the template's."
)
@click.option("--force", is_flag=True, help="Overwrite the file if there is one.")
def command(diagram: Path | None, template: str | None, listed: bool, out: Path | None, force: bool) -> None:
    """Turn DIAGRAM, a bare Mermaid drawing, into a spec to fill in; or write a template, a spec that works.

    DIAGRAM is a Mermaid file, or a block in Markdown: FILE.md#NAME, by its title or the heading above it. The drawing
    stays as it is. Above it the front matter lists every node that has no op yet, with what it could be, and the inputs
    that the drawing needs.
    """
    if listed:
        _list()
    elif template and diagram:
        raise click.UsageError("a diagram or a template, not both")
    elif template:
        _template(template, out, force)
    elif diagram:
        _outline(diagram, out, force)
    else:
        raise click.UsageError("name a Mermaid file, or a template: `stackc init --template mlp`")


def _list() -> None:
    from stackc.authoring.starter_specs import description_of, starters

    found = starters()
    width = max(map(len, found))
    for name, starter in found.items():
        click.echo(f"{click.style(name.ljust(width), fg='cyan')}  {description_of(starter)}")


def _template(name: str, out: Path | None, force: bool) -> None:
    from stackc.authoring.starter_specs import starters
    from stackc.core.diagnostics import did_you_mean

    found = starters()
    if name not in found:
        raise click.BadParameter(f"no template is called '{name}'; {did_you_mean(name, found)}")
    target = out or Path(found[name].name)
    _write(target, found[name].read_text(encoding="utf-8"), force)
    click.echo(f"wrote {target}; next: stackc build {target}")


def _outline(diagram: Path, out: Path | None, force: bool) -> None:
    from stackc.authoring.scaffold import scaffold
    from stackc.spec.source import load_drawing

    _check_kind(diagram)
    source = load_drawing(diagram)
    file, _, block = diagram.name.partition("#")
    target = out or diagram.with_name(f"{block or Path(file).stem}.spec.mmd")
    made = scaffold(source.text, source.file, target.name.partition(".")[0])
    _write(target, made.text, force)
    waiting = f"; fill in {', '.join(made.waiting)}" if made.waiting else ""
    click.echo(f"wrote {target}{waiting}; then: stackc check {target}")


def _check_kind(diagram: Path) -> None:
    """Wrong usage where the name says that it is no drawing."""
    from stackc.spec.source import MARKDOWN, MERMAID_SUFFIXES, YAML_SUFFIXES

    suffix = diagram.suffix.lower()
    if MARKDOWN.fullmatch(diagram.name) or suffix in (*MERMAID_SUFFIXES, ".txt", ""):
        return
    message = (
        f"'{diagram}' is no Mermaid drawing; init takes a .mmd or .mermaid file, or a block of Markdown: FILE.md#NAME"
    )
    spec = "; a spec in YAML is checked by `stackc check`" if suffix in YAML_SUFFIXES else ""
    raise click.BadParameter(f"{message}{spec}", param_hint="DIAGRAM")


def _write(path: Path, text: str, force: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        hint = "--force overwrites it, -o names another file"
        raise SpecError(Diagnostic("S012", f"{path} is there already", hint=hint)) from None
    except OSError as error:
        raise SpecError(Diagnostic("V103", f"cannot write {path}: {error.strerror}")) from error
