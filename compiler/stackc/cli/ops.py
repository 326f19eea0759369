"""stackc ops [NAME]."""

from __future__ import annotations

import dataclasses
import json
import shutil
import textwrap

import click

from stackc.cli.options import completing, json_option


def _ops() -> list[str]:
    from stackc.reference.ops import families

    return [op for ops in families().values() for op in ops]


@click.command("ops")
@click.argument("name", required=False, shell_complete=completing(_ops))
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the components by family; with NAME, tell one: formula, ports, fields, parameters, papers, an example."""
    from stackc.reference.ops import families, formula_of, page_of

    if name is None:
        listed = {family: {op: formula_of(op) for op in ops} for family, ops in families().items()}
        if as_json:
            click.echo(json.dumps(listed, ensure_ascii=False, indent=2))
        else:
            _table(listed)
        return
    if name not in (known := _ops()):
        from stackc.diagnostics import near

        raise click.BadParameter(f"no component is called '{name}'; {near(name, known) or 'see `stackc ops`'}")
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(page_of(name)), ensure_ascii=False, indent=2))
    else:
        _page(name)


def _table(listed: dict[str, dict[str, str]]) -> None:
    width = max(len(op) for ops in listed.values() for op in ops)
    for family, ops in listed.items():
        click.echo(click.style(family, bold=True))
        for op, formula in ops.items():
            click.echo(f"  {click.style(op.ljust(width), fg='cyan')}  {formula}")


def _page(name: str) -> None:
    from stackc.reference.ops import page_of

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
