"""stackc init [DIAGRAM]."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from stackc.cli.options import FilePath, completing
from stackc.cli.screen import echo, style
from stackc.core.diagnostics import Diagnostic, SpecError


def _templates() -> list[str]:
    from stackc.authoring.starter_specs import templates

    return [*templates()]


@click.command("init")
@click.argument("diagram", type=FilePath(), required=False)
@click.option(
    "--template",
    metavar="NAME",
    shell_complete=completing(_templates),
    help="Write this working spec instead; `--list` lists the templates.",
)
@click.option("--list", "listed", is_flag=True, help="List the templates, by what they are for.")
@click.option(
    "-o",
    "--out",
    type=FilePath(),
    help="The file to write. Default: NAME.spec.mmd, or the name of the template.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def command(diagram: Path | None, template: str | None, listed: bool, out: Path | None, force: bool) -> None:
    """Turn DIAGRAM, a bare Mermaid drawing, into a spec to fill in, or write a template, a working spec.

    DIAGRAM is a Mermaid file or a block in Markdown, FILE.md#NAME, named by its title or the heading above it. The
    front matter above it has the op of every node that is certain, suggestions for the others, and the inputs that the
    drawing needs. In the drawing, an arrow's label that names an operation becomes a node. Without either it asks, on a
    terminal, for the task, the template and its sizes.
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
        if not _is_terminal():
            raise click.UsageError("name a Mermaid file, or a template: `stackc init --template mlp`")
        _ask(out, force)


def _list() -> None:
    from stackc.authoring.starter_specs import description_of, templates_by_task

    groups = templates_by_task()
    width = max(len(name) for specs in groups.values() for name in specs)
    for number, (group, specs) in enumerate(groups.items()):
        if number:
            echo()
        echo(style(group, bold=True))
        for name, spec in specs.items():
            echo("  ", style(name.ljust(width), fg="cyan"), f"  {description_of(spec)}")


def _is_terminal() -> bool:
    """Return whether somebody can answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _ask(out: Path | None, force: bool) -> None:
    """Ask for the task, the template and the values of its params, and write it with them. Raises SpecError."""
    from stackc.authoring.starter_specs import description_of, templates_by_task, with_params
    from stackc.frontend import check_source
    from stackc.spec.reader import parse
    from stackc.spec.source import Source

    groups = templates_by_task()
    specs = groups[_choice("task", {task: ", ".join(names) for task, names in groups.items()})]
    name = _choice("template", {name: description_of(spec) for name, spec in specs.items()})
    text = specs[name].read_text(encoding="utf-8")
    source = Source(specs[name].name, text)

    values: dict[str, str] = {}
    for param in parse(source).params.values():
        if isinstance(param.default.data, int | float | str) and not isinstance(param.default.data, bool):
            default = str(param.default.data)
            answer = click.prompt(param.name, default=default)
            values |= {param.name: answer} if answer != default else {}

    text = with_params(source, values)
    check_source(Source(source.file, text))
    target = out or Path(source.file)
    _write(target, text, force)
    echo(f"wrote {target}; next: stackc build {target}")


def _choice(what: str, texts: Mapping[str, str]) -> str:
    """Ask for one of several by its number."""
    for number, (name, text) in enumerate(texts.items(), 1):
        echo(f"{number:3} ", style(name, fg="cyan"), f"  {text}")
    number = click.prompt(what, type=click.IntRange(1, len(texts)), default=1)
    return [*texts][number - 1]


def _write_template(name: str, out: Path | None, force: bool) -> None:
    from stackc.authoring.starter_specs import templates
    from stackc.core.diagnostics import did_you_mean

    specs = templates()
    if name not in specs:
        hint = did_you_mean(name, specs) or "`stackc init --list` lists them"
        raise click.BadParameter(f"no template is called '{name}'; {hint}")

    target = out or Path(specs[name].name)
    _write(target, specs[name].read_text(encoding="utf-8"), force)
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
