"""stackc evaluate SPEC."""

from __future__ import annotations

from pathlib import Path

import click

from stackc.cli.options import FilePath, json_option, override_options, spec_argument
from stackc.cli.report import stage_report
from stackc.cli.screen import echo, echo_json
from stackc.cli.table import Column, print_table
from stackc.frontend import Overrides


@click.command("evaluate")
@spec_argument
@override_options
@click.option("--data", type=FilePath(), required=True, metavar="FILE", help="The file of examples.")
@click.option(
    "--weights", type=FilePath(), multiple=True,
    help="The folder of a run, or any file of tensors; by default those that the spec names.",
)  # fmt: skip
@click.option("-o", "--out", type=FilePath(), show_default="exported", help="The folder to build NAME/ in.")
@json_option
def command(
    spec: Path, overrides: Overrides, data: Path, weights: tuple[Path, ...], out: Path | None, as_json: bool
) -> None:
    """Build SPEC, and compute its losses and metrics on examples, from the ONNX file and from PyTorch.

    Losses are those under `train:` of the spec; the file is read in batches.
    """
    from stackc.frontend import check_spec
    from stackc.pipeline import Options, build
    from stackc.runtime import open_session
    from stackc.training.evaluation import evaluate_session, require_outputs

    require_outputs(check_spec(spec, overrides))  # before the build, which would be in vain
    options = Options(overrides=overrides, weights=weights or None, out=out, measure=False)
    built = build(spec, options, stage_report(quiet=as_json))
    session = built.session or open_session(built.folder / "model.onnx")
    found = evaluate_session(built.checked, session, data, weights or None)

    if as_json:
        echo_json({"examples": found.examples, "onnx": found.onnx, "torch": found.torch}, indent=2)
        return
    rows = [[name, f"{found.onnx[name]:.6f}", f"{found.torch[name]:.6f}"] for name in found.onnx]
    print_table([Column(""), Column("ONNX"), Column("PyTorch")], rows)
    echo(f"{found.examples:,} examples of {data}")
