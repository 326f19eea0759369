"""stackc explain CODE."""

from __future__ import annotations

import dataclasses
import shutil
import textwrap
from typing import TYPE_CHECKING

import click

from stackc.cli.options import completing, json_option
from stackc.cli.screen import echo_json

if TYPE_CHECKING:
    from stackc.authoring.reference.codes import CodePage


def _codes() -> list[str]:
    from stackc.authoring.reference.codes import code_pages

    return [*code_pages()]


@click.command("explain")
@click.argument("code", required=False, shell_complete=completing(_codes))
@json_option
def command(code: str | None, as_json: bool) -> None:
    """Explain the CODE of a diagnostic: meaning, example, what to write instead. Without CODE, list all codes."""
    from stackc.authoring.reference.codes import code_pages

    pages = code_pages()
    if code is None:
        _list({page.code: page.title for page in pages.values()}, as_json)
        return

    page = pages.get(code.upper())
    if page is None:
        from stackc.core.diagnostics import did_you_mean

        hint = did_you_mean(code.upper(), pages) or "see `stackc explain`"
        raise click.BadParameter(f"no diagnostic has the code '{code}'; {hint}")
    if as_json:
        echo_json(dataclasses.asdict(page), indent=2)
    else:
        _print(page)


def _list(titles: dict[str, str], as_json: bool) -> None:
    rows = [f"{click.style(code, fg='cyan')}  {title}" for code, title in titles.items()]
    if as_json:
        echo_json(titles, indent=2)
    else:
        click.echo("\n".join(rows))


def _print(page: CodePage) -> None:
    click.echo(f"{click.style(page.code, fg='red', bold=True)} {click.style(page.title, bold=True)}\n")
    click.echo(textwrap.fill(page.text, width=shutil.get_terminal_size().columns))
    for title, snippet in (("for example", page.wrong), ("write instead", page.right)):
        if snippet:
            click.echo(f"\n{click.style(title, bold=True)}\n\n{textwrap.indent(snippet.text, '    ')}", nl=False)
