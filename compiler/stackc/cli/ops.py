"""stackc ops [NAME]."""

from __future__ import annotations

import dataclasses
import json
import shutil
import textwrap
from collections.abc import Mapping, Sequence

import click

from stackc.cli.options import completing, json_option


def _ops() -> list[str]:
    from stackc.authoring.reference.ops import families

    return [op for ops in families().values() for op in ops]


@click.command("ops")
@click.argument("name", required=False, shell_complete=completing(_ops))
@click.option(
    "--search", metavar="WORD", help="List those that have the word in their names, formulas, texts or fields."
)
@json_option
def command(name: str | None, search: str | None, as_json: bool) -> None:
    """List the components by family; with NAME, tell one: formula, ports, fields, parameters, papers, an example.

    NAME may be a family, too, whose components are listed then. Its case does not matter.
    """
    from stackc.authoring.reference.ops import families, page_of, search_ops

    if search is not None and name is not None:
        raise click.UsageError("NAME or --search, not both")
    known = {op.lower(): op for op in _ops()}
    if name is not None and (op := known.get(name.lower())):
        if as_json:
            click.echo(json.dumps(dataclasses.asdict(page_of(op)), ensure_ascii=False, indent=2))
        else:
            _page(op)
        return
    listed = families() if search is None else search_ops(search)
    if search is not None and not listed:
        raise click.BadParameter(f"no component speaks of '{search}'; see `stackc ops`", param_hint="--search")
    if name is not None:
        if name.lower() not in listed:
            from stackc.core.diagnostics import did_you_mean

            hint = did_you_mean(name.lower(), [*known, *listed]) or "see `stackc ops`, or `stackc ops --search WORD`"
            raise click.BadParameter(f"no component is called '{name}'; {hint}")
        listed = {name.lower(): listed[name.lower()]}
    _list(listed, as_json)


def _list(listed: Mapping[str, Sequence[str]], as_json: bool) -> None:
    from stackc.authoring.reference.ops import formula_of

    formulas = {family: {op: formula_of(op) for op in ops} for family, ops in listed.items()}
    if as_json:
        click.echo(json.dumps(formulas, ensure_ascii=False, indent=2))
    else:
        _table(formulas)


def _table(listed: dict[str, dict[str, str]]) -> None:
    width = max(len(op) for ops in listed.values() for op in ops)
    for family, ops in listed.items():
        click.echo(click.style(family, bold=True))
        for op, formula in ops.items():
            click.echo(f"  {click.style(op.ljust(width), fg='cyan')}  {formula}")


def _page(name: str) -> None:
    from stackc.authoring.reference.ops import page_of

    page = page_of(name)
    click.echo(f"{click.style(page.op, fg='cyan', bold=True)} ({page.family})\n\n{_wrapped(page.formula)}")
    if page.text:
        click.echo(f"\n{_wrapped(page.text)}")
    for paper in page.papers:
        click.echo(f"  {paper}")
    ports = [
        port.name + (", optional" if port.optional else ", one or more arrows" if port.variadic else "")
        for port in page.ports
    ]
    _section("ports", [("in", port) for port in ports] + [("out", f"{n}: {t}") for n, t in page.outputs.items()])
    rows = [
        (f.name, f"{f.value}, {f'default {f.default}' if f.default else 'required'}: {f.meaning}") for f in page.fields
    ]
    _section("fields", rows)
    _section("parameters of the example", [*page.parameters.items()])
    click.echo(f"\n{click.style('example', bold=True)}\n")
    click.echo("".join(f"    {line}\n" for line in page.example.splitlines()), nl=False)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, width=shutil.get_terminal_size().columns)


def _section(title: str, rows: list[tuple[str, str]]) -> None:
    if rows:
        width = max(len(name) for name, _ in rows)
        click.echo(f"\n{click.style(title, bold=True)}\n")
        for name, text in rows:
            click.echo(f"  {click.style(name.ljust(width), fg='cyan')}  {text}")
