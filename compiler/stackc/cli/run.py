"""stackc run ARTIFACT."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stackc.cli.options import FilePath, flush_option, json_option, provider_option, require_option, threads_option
from stackc.cli.screen import echo, echo_json

if TYPE_CHECKING:
    from stackc.runtime import Array


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
    help="The .npz file to write the outputs to; with --json it may be left out.",
)
@provider_option
@require_option
@threads_option
@flush_option
@json_option
def command(
    artifact: Path,
    source: Path,
    target: Path | None,
    provider: str,
    require_provider: bool,
    threads: int | None,
    flush_denormals: bool,
    as_json: bool,
) -> None:
    """Run ARTIFACT (exported/NAME) on the arrays of an .npz file. Does not import PyTorch."""
    if target is None and not as_json:
        raise click.UsageError("say where the outputs go: --output FILE.npz, or --json prints them")
    if target and target.exists() and source.exists() and target.samefile(source):
        message = f"'{target}' is an input of this command and would be lost; name another file"
        raise click.BadParameter(message, param_hint="--output")

    from stackc.artifact.folder import run_artifact
    from stackc.artifact.verify import hold_to_recorded
    from stackc.runtime import read_npz, write_npz

    prove = hold_to_recorded if flush_denormals else None
    outputs = run_artifact(
        artifact, read_npz(source), provider, threads=threads, require_provider=require_provider, prove=prove
    )
    if target:
        write_npz(target, outputs)
    if as_json:
        echo_json({"outputs": {name: _as_json(array) for name, array in outputs.items()}})
        return
    for name, array in outputs.items():
        echo(f"{name}: {array.dtype}{list(array.shape)}")


def _as_json(array: Array) -> dict[str, Any]:
    """Return an array for programs; numbers that JSON lacks are the texts nan, inf and -inf."""
    import numpy as np

    values = array.tolist() if np.isfinite(array).all() else _finite_or_text(array.tolist())
    return {"dtype": str(array.dtype), "shape": list(array.shape), "values": values}


def _finite_or_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite_or_text(each) for each in value]
    return value if math.isfinite(value) else str(value)
