"""stackc card ARTIFACT."""

from __future__ import annotations

from pathlib import Path

import click

from stackc.cli.options import FilePath
from stackc.cli.screen import echo, echo_text


@click.command("card")
@click.argument("artifact", type=FilePath())
@click.option(
    "--license", "license_name", metavar="ID", help="The license to state, by its SPDX identifier: apache-2.0."
)
@click.option("-o", "--out", type=FilePath(dir_okay=False), help="The file to write. Default: the standard output.")
def command(artifact: Path, license_name: str | None, out: Path | None) -> None:
    """Write a Hugging Face model card of ARTIFACT (exported/NAME): drawing, contract, proof and figures.

    As README.md beside the files of the artifact it is what the hub shows of the model.
    """
    from stackc.artifact.folder import load_artifact
    from stackc.artifact.model_card import write_card
    from stackc.cli.pictures import refuse_spec, write_file
    from stackc.frontend import check_spec

    if out is not None:
        refuse_spec(out, "--out", ())
    loaded = load_artifact(artifact)
    text = write_card(loaded, check_spec(artifact).cost.parameters, license_name)
    if out is None:
        echo_text(text, nl=False)
        return
    write_file(out, text)
    echo(f"wrote {out}")
