"""stackc schema."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stackc.cli.options import FilePath
from stackc.cli.screen import echo, echo_text


@click.command("schema")
@click.option("-o", "--out", type=FilePath(), help="The file to write. Default: the standard output.")
def command(out: Path | None) -> None:
    """Print the JSON Schema of specs in YAML, for editors.

    In an editor with a YAML language server, the first line `# yaml-language-server: $schema=stackc.schema.json` of a
    spec enables completion, hover and red lines.
    """
    from stackc.authoring.schema import schema
    from stackc.cli.pictures import refuse_spec, write_file

    if out is not None:
        refuse_spec(out, "--out", ())

    text = json.dumps(schema(), indent=2, ensure_ascii=False)
    if out is None:
        echo_text(text)
        return
    write_file(out, f"{text}\n")
    echo(f"wrote {out}")
