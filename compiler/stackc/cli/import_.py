"""stackc import FOLDER|FILE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackc.cli.options import FilePath, json_option
from stackc.cli.screen import echo, echo_json, style
from stackc.cli.stage_progress import stage_progress
from stackc.core.plurals import counted

if TYPE_CHECKING:
    from stackc.hub.importing import Imported


@click.command("import")
@click.argument("source", metavar="FOLDER|FILE.gguf", type=FilePath())
@click.option("-o", "--out", type=FilePath(), help="The folder to write to. Default: NAME.")
@click.option("--name", help="The name of the spec. Default: that of FOLDER.")
@click.option(
    "--architecture", metavar="CLASS", help="The class of transformers to import. Default: that of config.json."
)
@click.option("--copy", is_flag=True, help="Copy the weights beside the spec, instead of naming them where they are.")
@click.option(
    "--check", is_flag=True,
    help="Build the spec with its proof; where transformers is installed, record what it computes, and compare.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@json_option
def command(
    source: Path, out: Path | None, name: str | None, architecture: str | None, copy: bool, check: bool, force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Import the model of FOLDER, as Hugging Face saves it: config.json with .safetensors or .bin, in one file or more;
    or of a GGUF, out of its metadata.

    Writes OUT/NAME.yaml, a spec of the zoo with the sizes of the config, which is yours to edit, and copies the config
    and the files of the tokenizer. Whatever the config says and the spec does not express is an error. Nothing is
    downloaded.
    """
    from stackc.hub.importing import ImportOptions, import_from

    options = ImportOptions(name=name, architecture=architecture, copy=copy, force=force, check=check)
    with stage_progress(quiet=as_json) as progress:
        imported = import_from(source, out, options, progress)
    if as_json:
        echo_json(_facts(imported))
    else:
        _print(imported)


def _print(imported: Imported) -> None:
    params = ", ".join(f"{name} {json.dumps(value)}" for name, value in imported.params.items())
    echo(f"{imported.zoo_spec} with {params}")
    echo(f"weights: {imported.weights}, {counted(imported.checked.cost.parameters, 'parameter')}")
    beside = [path.name for path in imported.files if path not in (imported.spec, imported.weights)]
    if beside:
        echo(f"beside it: {', '.join(beside)}")
    echo(style("imported", fg="green", bold=True), f" {imported.spec}; next: stackc build {imported.spec}")


def _facts(imported: Imported) -> dict[str, object]:
    return {
        "spec": str(imported.spec),
        "zoo_spec": imported.zoo_spec,
        "params": dict(imported.params),
        "weights": str(imported.weights),
        "files": [str(path) for path in imported.files],
        "parameters": imported.checked.cost.parameters,
    }
