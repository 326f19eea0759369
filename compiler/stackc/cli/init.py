"""stackc init [DIAGRAM]."""

from __future__ import annotations

from pathlib import Path

import click

from stackc.cli.options import completing
from stackc.cli.screen import echo, style
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
    help="Write this working spec instead; `--list` lists the templates.",
)
@click.option("--list", "listed", is_flag=True, help="List the templates.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="The file to write. Default: NAME.spec.mmd, or the name of the template.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def command(diagram: Path | None, template: str | None, listed: bool, out: Path | None, force: bool) -> None:
    """Turn DIAGRAM, a bare Mermaid drawing, into a spec to fill in, or write a template, a working spec.

    DIAGRAM is a Mermaid file or a block in Markdown, FILE.md#NAME, named by its title or the heading above it. The
    drawing is left unchanged. The front matter above it lists every node without an op, with suggestions, and the
    inputs that the drawing needs.
    """
    if listed:
        _list()
    elif template and diagram:
        raise click.UsageError("a diagram or a template, not both")
    elif template:
        _write_template(template, out, force)
    elif diagram:
        _write_scaffold(diagram, out, force)
    else:
        raise click.UsageError("name a Mermaid file, or a template: `stackc init --template mlp`")


def _list() -> None:
    from stackc.authoring.starter_specs import description_of, starters

    templates = starters()
    width = max(map(len, templates))
    for name, starter in templates.items():
        echo(style(name.ljust(width), fg="cyan"), f"  {description_of(starter)}")


def _write_template(name: str, out: Path | None, force: bool) -> None:
    from stackc.authoring.starter_specs import starters
    from stackc.core.diagnostics import did_you_mean

    templates = starters()
    if name not in templates:
        raise click.BadParameter(f"no template is called '{name}'; {did_you_mean(name, templates)}")

    target = out or Path(templates[name].name)
    _write(target, templates[name].read_text(encoding="utf-8"), force)
    echo(f"wrote {target}; next: stackc build {target}")


def _write_scaffold(diagram: Path, out: Path | None, force: bool) -> None:
    from stackc.authoring.scaffold import scaffold
    from stackc.spec.source import load_drawing

    _check_kind(diagram)
    source = load_drawing(diagram)
    file, _, block = diagram.name.partition("#")
    target = out or diagram.with_name(f"{block or Path(file).stem}.spec.mmd")

    result = scaffold(source.text, source.file, target.name.partition(".")[0])
    _write(target, result.text, force)
    waiting = f"; fill in {', '.join(result.waiting)}" if result.waiting else ""
    echo(f"wrote {target}{waiting}; then: stackc check {target}")


def _check_kind(diagram: Path) -> None:
    """Raise click.BadParameter if the suffix of the file is not that of a drawing."""
    from stackc.spec.source import MARKDOWN, MERMAID_SUFFIXES, YAML_SUFFIXES

    suffix = diagram.suffix.lower()
    if MARKDOWN.fullmatch(diagram.name) or suffix in (*MERMAID_SUFFIXES, ".txt", ""):
        return

    message = (
        f"'{diagram}' is not a Mermaid drawing; init takes a .mmd or .mermaid file, or a Markdown block: FILE.md#NAME"
    )
    hint = "; to check a spec in YAML, use `stackc check`" if suffix in YAML_SUFFIXES else ""
    raise click.BadParameter(f"{message}{hint}", param_hint="DIAGRAM")


def _write(path: Path, text: str, force: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        hint = "--force overwrites it, -o names another file"
        raise SpecError(Diagnostic("S012", f"{path} already exists", hint=hint)) from None
    except OSError as error:
        raise SpecError(Diagnostic("V103", f"cannot write {path}: {error.strerror}")) from error
