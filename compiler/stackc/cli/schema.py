"""stackc schema."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stackc.cli.options import FilePath
from stackc.cli.screen import echo, echo_text


@click.command("schema")
@click.option("--failures", is_flag=True, help="The schema of what `--json` prints of a failure, instead.")
@click.option("-o", "--out", type=FilePath(), help="The file to write. Default: the standard output.")
def command(failures: bool, out: Path | None) -> None:
    """Print the JSON Schema of specs in YAML, for editors.

    In an editor with a YAML language server, the first line `# yaml-language-server: $schema=stackc.schema.json` of a
    spec enables completion, hover and red lines.

    With --failures: the schema of what every command prints with --json when it fails.
    """
    from stackc.authoring.schema import schema
    from stackc.cli.failures import failure_schema
    from stackc.cli.pictures import refuse_spec, write_file

    if out is not None:
        refuse_spec(out, "--out", ())

    text = json.dumps(failure_schema() if failures else schema(), indent=2, ensure_ascii=False)
    if out is None:
        echo_text(text)
        return
    write_file(out, f"{text}\n")
    echo(f"wrote {out}")
