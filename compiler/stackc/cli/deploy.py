"""stackc deploy ARTIFACT."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from stackc.cli.options import FilePath, json_option
from stackc.cli.screen import echo, echo_json

if TYPE_CHECKING:
    from stackc.deployment.kinds import Kind


@click.command("deploy")
@click.argument("artifact", type=FilePath())
@click.option(
    "--to",
    "kind",
    type=click.Choice(["package", "openvino", "triton"]),
    required=True,
    help="A wheel that needs ONNX Runtime and NumPy alone, OpenVINO's files, or a model repository of Triton.",
)
@click.option("-o", "--out", "folder", type=FilePath(), required=True, help="The folder to write; it may not exist.")
@click.option("--name", help="The name of the package or of the model in the server. Default: that of the spec.")
@click.option("--release", help="package: its version. Default: 1.0.0.")
@click.option("--max-batch", type=click.IntRange(min=1), help="triton: entries that are joined at most.")
@click.option("--instances", type=click.IntRange(min=1), help="triton: sessions that run at once. Default: 1.")
@click.option("--gpu", is_flag=True, help="triton: run on GPUs.")
@click.option("--threads", type=click.IntRange(min=1), help="triton: threads per operation. Default: all cores.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, /, artifact: Path, kind: str, folder: Path, name: str | None, as_json: bool, **settings: Any
) -> None:
    """Deploy ARTIFACT (exported/NAME): write it in the form of those who run it. Does not import PyTorch."""
    _require_fitting(ctx, kind, name, settings)
    from stackc.deployment.kinds import DeploymentOptions, write_deployment
    from stackc.deployment.triton_config import TritonSettings

    chosen = TritonSettings(
        settings["max_batch"], settings["instances"] or 1, settings["gpu"], settings["threads"] or 0
    )
    options = DeploymentOptions(name, settings["release"] or "1.0.0", chosen)
    done = write_deployment(artifact, cast("Kind", kind), folder, options)
    if as_json:
        echo_json({"kind": kind, "folder": str(folder), "files": [*done.files], **done.facts}, indent=2)
        return
    for note in done.notes:
        echo(f"  {note}")
    echo(f"deployed {folder}/: {', '.join(done.files)}")


def _require_fitting(ctx: click.Context, kind: str, name: str | None, settings: dict[str, Any]) -> None:
    """Refuse options of another kind, and a kind whose library is not installed."""
    from stackc.deployment.package import INSTALL, has_wheel_builder
    from stackc.runtime.openvino import INSTALL as INSTALL_OPENVINO
    from stackc.runtime.openvino import has_openvino

    for option, value in settings.items():
        owner = "package" if option == "release" else "triton"
        if value and kind != owner:
            raise click.UsageError(f"--{option.replace('_', '-')} is an option of `--to {owner}`", ctx)
    if name is not None and kind == "openvino":
        raise click.UsageError("--name is an option of `--to package` and `--to triton`", ctx)
    if kind == "package" and not has_wheel_builder():
        raise click.UsageError(f"--to package needs hatchling: {INSTALL}", ctx)
    if kind == "openvino" and not has_openvino():
        raise click.UsageError(f"--to openvino needs OpenVINO: {INSTALL_OPENVINO}", ctx)
