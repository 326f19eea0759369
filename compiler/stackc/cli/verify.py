"""stackc verify ARTIFACT."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackc.cli.options import FilePath, json_option, provider_option, threads_option
from stackc.cli.screen import echo, echo_json, style

if TYPE_CHECKING:
    from stackc.analysis.onnx_files.against import Beside

MOST_MISSING = 10


@click.command("verify")
@click.argument("artifact", type=FilePath())
@provider_option
@threads_option
@click.option(
    "--against", type=FilePath(), metavar="FILE.onnx",
    help="Run an ONNX file of any origin instead, and compare it output by output and component by component.",
)  # fmt: skip
@json_option
def command(artifact: Path, provider: str, threads: int | None, against: Path | None, as_json: bool) -> None:
    """Verify ARTIFACT (exported/NAME): hashes, ONNX validity, recorded outputs. Does not import PyTorch.

    Compares every file with its hash, checks the model with onnx's checker, and runs it on the recorded inputs.

    With --against, runs FILE.onnx on these inputs: its outputs are held to PyTorch's by what the proof allows, and the
    values of the components are looked for among its tensors.
    """
    if against is not None:
        _verify_against(artifact, against, provider, threads, as_json=as_json)
        return

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


def _verify_against(artifact: Path, file: Path, provider: str, threads: int | None, *, as_json: bool) -> None:
    """Compare a file with an artifact. Raises SpecError P721 if an output differs."""
    from stackc.analysis.onnx_files.against import run_beside

    beside = run_beside(artifact, file, provider, threads)
    if as_json:
        rows = [{**dataclasses.asdict(each), "span": str(each.span)} for each in beside.components]
        outputs = [dataclasses.asdict(output) for output in beside.outputs]
        echo_json({"outputs": outputs, "components": rows, "reason": beside.reason}, indent=2)
    else:
        _print_beside(beside, file)
    beside.require_equal(file)


def _print_beside(beside: Beside, file: Path) -> None:
    from stackc.core.plurals import counted

    for output in beside.outputs:
        mark = style("✓", fg="green") if output.agrees else style("✗", fg="red")
        found = f"{output.found:.1e} from PyTorch's, of {output.allowed:.1e} allowed"
        echo(mark, f" output   {output.output} ({output.name}): {found}")
    if beside.reason:
        echo(f"- components not compared: {beside.reason}")
        return

    there = len(beside.components) - len(beside.missing)
    echo(f"  values   {there} of {counted(len(beside.components), 'component')} found in {file}")
    for component in beside.missing[:MOST_MISSING]:
        echo(f"           nowhere: {component.path} ({component.op}), {component.span}")
    if len(beside.missing) > MOST_MISSING:
        echo(f"           and {len(beside.missing) - MOST_MISSING} more")
