"""stackc explain CODE."""

from __future__ import annotations

import dataclasses
import json
import shutil
import textwrap

import click

from stackc.cli.options import completing, json_option


def _codes() -> list[str]:
    from stackc.authoring.reference.codes import code_pages

    return [*code_pages()]


@click.command("explain")
@click.argument("code", required=False, shell_complete=completing(_codes))
@json_option
def command(code: str | None, as_json: bool) -> None:
    """Explain the CODE of a message: what it means, an example, what to write instead. Without CODE, list all."""
    from stackc.authoring.reference.codes import code_pages

    pages = code_pages()
    if code is None:
        titles = {page.code: page.title for page in pages.values()}
        rows = [f"{click.style(c, fg='cyan')}  {title}" for c, title in titles.items()]
        click.echo(json.dumps(titles, ensure_ascii=False, indent=2) if as_json else "\n".join(rows))
        return
    page = pages.get(code.upper())
    if page is None:
        from stackc.core.diagnostics import did_you_mean

        raise click.BadParameter(
            f"no message has the code '{code}'; {did_you_mean(code.upper(), pages) or 'see `stackc explain`'}"
        )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(page), ensure_ascii=False, indent=2))
        return
    click.echo(f"{click.style(page.code, fg='red', bold=True)} {click.style(page.title, bold=True)}\n")
    click.echo(textwrap.fill(page.text, width=shutil.get_terminal_size().columns))
    for title, snippet in (("for example", page.wrong), ("write instead", page.right)):
        if snippet:
            click.echo(f"\n{click.style(title, bold=True)}\n\n{textwrap.indent(snippet.text, '    ')}", nl=False)
