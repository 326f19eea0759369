"""stackc verify ARTIFACT."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from stackc.cli.options import FilePath, json_option, provider_option, threads_option
from stackc.cli.screen import echo, echo_json, style


@click.command("verify")
@click.argument("artifact", type=FilePath())
@provider_option
@threads_option
@json_option
def command(artifact: Path, provider: str, threads: int | None, as_json: bool) -> None:
    """Verify ARTIFACT (exported/NAME): hashes, ONNX validity, recorded outputs. Does not import PyTorch.

    Compares every file with its hash, checks the model with onnx's checker, and runs it on the recorded inputs.
    """
    from stackc.artifact.verify import verify

    verified = verify(artifact, provider, threads=threads)
    manifest = verified.artifact.manifest
    if as_json:
        facts = {"artifact": str(artifact), "files": len(manifest.files), "bytes": verified.bytes}
        facts |= {"random_weights": manifest.weights is None, "precision": manifest.format}
        rows = [dataclasses.asdict(distance) for distance in verified.distances]
        echo_json(facts | {"provider": verified.provider, "outputs": rows, "proven": manifest.proven_sizes}, indent=2)
        return

    tick = style("✓", fg="green")
    echo(tick, f" files    {len(manifest.files)} unchanged since the build, {verified.bytes:,} bytes")
    weights = "" if manifest.weights is not None else ", with random weights"
    echo(tick, f" model    valid ONNX, opset {manifest.opset}, {manifest.format}{weights}")
    for distance in verified.distances:
        difference = f"differs from the recorded one by {distance.found:.1e}, of {distance.allowed:.1e} allowed"
        if not distance.numbers:
            difference = f"nothing is verified: none of its {distance.nonfinite:,} recorded numbers is finite"
        elif distance.nonfinite:
            difference += f", in {distance.numbers:,} numbers; {distance.nonfinite:,} are not finite, as recorded"
        else:
            difference += f", in {distance.numbers:,} numbers"
        mark = tick if distance.numbers else "-"
        echo(mark, f" output   {distance.output}: {difference}, on {verified.provider}")
    if manifest.proven_sizes:
        echo(tick, f" sizes    {manifest.proven_sizes}")
    if not verified.distances:
        echo(f"- outputs  none recorded: built without a proof (opened on {verified.provider})")
