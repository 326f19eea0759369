"""stackc run ARTIFACT."""

from __future__ import annotations

from pathlib import Path

import click

from stackc.cli.options import FilePath, provider_option, require_option, threads_option
from stackc.cli.screen import echo


@click.command("run")
@click.argument("artifact", type=FilePath())
@click.option(
    "-i",
    "--input",
    "source",
    type=FilePath(),
    required=True,
    help="An .npz file with an array for every input.",
)
@click.option(
    "-o",
    "--output",
    "target",
    type=FilePath(),
    required=True,
    help="The .npz file to write the outputs to.",
)
@provider_option
@require_option
@threads_option
def command(
    artifact: Path, source: Path, target: Path, provider: str, require_provider: bool, threads: int | None
) -> None:
    """Run ARTIFACT (exported/NAME) on the arrays of an .npz file. Does not import PyTorch."""
    if target.exists() and source.exists() and target.samefile(source):
        message = f"'{target}' is an input of this command and would be lost; name another file"
        raise click.BadParameter(message, param_hint="--output")

    from stackc.artifact.folder import run_artifact
    from stackc.runtime import read_npz, write_npz

    outputs = run_artifact(artifact, read_npz(source), provider, threads=threads, require_provider=require_provider)
    write_npz(target, outputs)
    for name, array in outputs.items():
        echo(f"{name}: {array.dtype}{list(array.shape)}")
