"""stackc schema."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stackc.diagnostics import Diagnostic, SpecError


@click.command("schema")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The file to write; default: the screen.")
def command(out: Path | None) -> None:
    """Print the JSON Schema of specs in YAML, for editors.

    In an editor with a YAML language server, `# yaml-language-server: $schema=stackc.schema.json` as the first line
    of a spec gives completion, hover and red lines.
    """
    from stackc.schema import schema

    text = json.dumps(schema(), indent=2, ensure_ascii=False)
    if out is None:
        click.echo(text)
        return
    try:
        out.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise SpecError(Diagnostic("V103", f"cannot write {out}: {error.strerror}")) from error
    click.echo(f"wrote {out}")
