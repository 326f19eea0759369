"""stackc evaluate ARTIFACT|SPEC."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stackc.cli.options import (
    FilePath,
    SpecPath,
    json_option,
    override_options,
    provider_option,
    threads_option,
)
from stackc.cli.report import diagnostics_as_json
from stackc.cli.screen import echo, echo_json
from stackc.cli.stage_progress import stage_progress
from stackc.cli.table import Column, print_table
from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides

if TYPE_CHECKING:
    from stackc.training.evaluation import Evaluation, OutputRow


@click.command("evaluate")
@click.argument("target", metavar="ARTIFACT|SPEC", type=SpecPath())
@override_options
@click.option("--data", type=FilePath(), required=True, metavar="FILE", help="The file of examples.")
@click.option(
    "--weights", type=FilePath(), multiple=True,
    help="The folder of a run, or any file of tensors; by default those of the artifact, or those that the spec names.",
)  # fmt: skip
@click.option("-o", "--out", type=FilePath(), show_default="exported", help="The folder to build a spec's NAME/ in.")
@provider_option
@threads_option
@json_option
def command(
    target: Path, overrides: Overrides, data: Path, weights: tuple[Path, ...], out: Path | None, provider: str,
    threads: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Compute losses and metrics of ARTIFACT on examples, from the ONNX file and from PyTorch; a SPEC is built first.

    They are those under `train:` of the spec; the examples are read in batches. Fails if an output of the file is
    further from PyTorch's than rounding allows.
    """
    from stackc.training.evaluation import evaluate_artifact, is_artifact

    if is_artifact(target):
        if out is not None:
            raise click.UsageError("--out is where a spec is built; an artifact is evaluated where it is")
        found = evaluate_artifact(target, data, overrides, weights or None, provider, threads=threads)
    else:
        found = _evaluate_spec(
            target, overrides, data, weights, out, provider=provider, threads=threads, quiet=as_json
        )  # fmt: skip

    if as_json:
        echo_json(_facts(found), indent=2)
    else:
        _print_figures(found, data)
    if found.diagnostics:
        if as_json:
            sys.exit(1)
        raise SpecError(*found.diagnostics)


def _evaluate_spec(
    spec: Path, overrides: Overrides, data: Path, weights: tuple[Path, ...], out: Path | None, *, provider: str,
    threads: int | None, quiet: bool,
) -> Evaluation:  # fmt: skip
    """Build a spec, and evaluate what was built."""
    from stackc.artifact.stored_weights import find_all_weights
    from stackc.frontend import check_spec
    from stackc.pipeline import Options, build
    from stackc.training.evaluation import evaluate_session, require_outputs

    require_outputs(check_spec(spec, overrides))  # before the build, which would be in vain
    options = Options(
        overrides=overrides,
        weights=weights or None,
        out=out,
        measure=False,
        asserts=False,
        provider=provider,
        threads=threads,
    )
    with stage_progress(quiet=quiet) as progress:
        built = build(spec, options, progress)
    assert built.session is not None, "the build has opened the file to prove it"
    found = find_all_weights(built.checked, weights or None)
    return evaluate_session(
        built.checked, built.session, data, found, seed=options.seed, random_weights=built.random_weights
    )


def _print_figures(found: Evaluation, data: Path) -> None:
    """Print each figure beside PyTorch's, and the outputs that they are computed of."""
    rows = [
        [name, f"{onnx:.6f}", f"{found.torch[name]:.6f}", _difference(onnx - found.torch[name])]
        for name, onnx in found.onnx.items()
    ]
    columns = [Column(""), *(Column(title, align="right") for title in ("ONNX", "PyTorch", "difference"))]
    print_table(columns, rows)
    for row in found.outputs:
        echo(f"{row.output}: {_held_text(row)}")
    weights = ", with random weights" if found.random_weights else ""
    echo(f"{found.examples:,} examples of {data}{weights}")


def _difference(number: float) -> str:
    return f"{number:+.1e}" if number else "0"


def _held_text(row: OutputRow) -> str:
    if row.verdict is None:
        return "not held to PyTorch's: it follows a choice, which a rounding may turn"
    return f"at most {row.verdict.onnx:.1e} from the truth, {row.verdict.allowed:.1e} is allowed there"


def _facts(found: Evaluation) -> dict[str, Any]:
    """Return the figures for programs."""
    outputs = [
        {"output": row.output, "rows": list(row.rows), "held": row.verdict is not None}
        | {"distance": row.verdict and row.verdict.onnx, "allowed": row.verdict and row.verdict.allowed}
        for row in found.outputs
    ]
    return {
        "examples": found.examples,
        "random_weights": found.random_weights,
        "onnx": dict(found.onnx),
        "torch": dict(found.torch),
        "outputs": outputs,
        "diagnostics": diagnostics_as_json(SpecError(*found.diagnostics)),
    }
