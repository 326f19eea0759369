"""stackc ops [NAME]."""

from __future__ import annotations

import dataclasses
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from stackc.cli.options import completing, json_option
from stackc.cli.screen import echo_json

if TYPE_CHECKING:
    from stackc.authoring.reference.ops import OpPage


def _ops() -> list[str]:
    from stackc.authoring.reference.ops import families

    return [op for ops in families().values() for op in ops]


@click.command("ops")
@click.argument("name", required=False, shell_complete=completing(_ops))
@click.option(
    "--search",
    metavar="WORD",
    help="List only components with this word in their name, formula, text or fields, or what stands for this name of"
    " torch.nn, Keras or ONNX.",
)
@json_option
def command(name: str | None, search: str | None, as_json: bool) -> None:
    """List the components by family, or describe NAME: formula, ports, fields, parameters, papers, an example.

    If NAME is a family, list its components. Its case does not matter.
    """
    from stackc.authoring.reference.ops import families, page_of, search_ops

    if search is not None and name is not None:
        raise click.UsageError("NAME or --search, not both")
    if search is not None:
        matches, elsewhere = search_ops(search), _without_component(search)
        if not matches and not elsewhere:
            raise click.BadParameter(f"no component mentions '{search}'; see `stackc ops`", param_hint="--search")
        _list(matches, as_json, elsewhere)
        return
    if name is None:
        _list(families(), as_json)
        return

    ops_by_key, all_families = {op.lower(): op for op in _ops()}, families()
    key = name.lower()
    if op := ops_by_key.get(key):
        _describe(page_of(op), as_json)
    elif key in all_families:
        _list({key: all_families[key]}, as_json)
    else:
        from stackc.core.diagnostics import did_you_mean

        hint = did_you_mean(key, [*ops_by_key, *all_families]) or "see `stackc ops`, or `stackc ops --search WORD`"
        raise click.BadParameter(f"no component is called '{name}'; {hint}")


def _without_component(word: str) -> dict[str, str]:
    """Return the names of other libraries that a recipe stands for, or nothing, with the recipe or the reason."""
    from stackc.authoring.reference.equivalents import find_equivalents

    return {
        each.full_name: each.recipe.spec if each.recipe else each.reason or ""
        for each in find_equivalents(word)
        if not each.ops
    }


def _list(
    ops_by_family: Mapping[str, Sequence[str]], as_json: bool, elsewhere: Mapping[str, str] = MappingProxyType({})
) -> None:
    """List components by family; `elsewhere` has names of other libraries, and what to write in their place."""
    from stackc.authoring.reference.ops import formula_of

    formulas = {family: {op: formula_of(op) for op in ops} for family, ops in ops_by_family.items()}
    if as_json:
        listed = formulas | ({"elsewhere": dict(elsewhere)} if elsewhere else {})
        echo_json(listed, indent=2)
        return

    width = max((len(op) for ops in formulas.values() for op in ops), default=0)
    for family, ops in formulas.items():
        click.echo(click.style(family, bold=True))
        for op, formula in ops.items():
            click.echo(f"  {click.style(op.ljust(width), fg='cyan')}  {formula}")
    for name, text in elsewhere.items():
        click.echo(f"{click.style(name, bold=True)}\n{textwrap.indent(text.strip(), '  ')}")


def _describe(page: OpPage, as_json: bool) -> None:
    if as_json:
        echo_json(dataclasses.asdict(page), indent=2)
    else:
        _print_page(page)


def _print_page(page: OpPage) -> None:
    click.echo(f"{click.style(page.op, fg='cyan', bold=True)} ({page.family})\n\n{_wrapped(page.formula)}")
    if page.text:
        click.echo(f"\n{_wrapped(page.text)}")
    for paper in page.papers:
        click.echo(f"  {paper}")

    ports = [
        port.name + (", optional" if port.optional else ", one or more arrows" if port.variadic else "")
        for port in page.ports
    ]
    fields = [
        (f.name, f"{f.value}, {f'default {f.default}' if f.default else 'required'}: {f.meaning}") for f in page.fields
    ]
    _section("ports", [("in", port) for port in ports] + [("out", f"{n}: {t}") for n, t in page.outputs.items()])
    _section("fields", fields)
    buffers = [(name, f"{type_}, a buffer") for name, type_ in page.buffers.items()]
    _section("state_dict of the example", [*page.parameters.items(), *buffers])

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
