"""stackc tune SPEC."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackc.cli.budget_options import task_budget_options
from stackc.cli.options import FilePath, json_option, override_options, provider_option, spec_argument, threads_option
from stackc.cli.report import stage_report
from stackc.cli.screen import echo, echo_json, safe_json, style
from stackc.cli.table import Column, print_table
from stackc.frontend import Overrides, check_spec
from stackc.ir.budget import Budget
from stackc.precision.request import Tuning

if TYPE_CHECKING:
    from stackc.precision.tuned import Tuned, TunedCandidate


@click.command("tune")
@spec_argument
@override_options
@click.option(
    "--weights", type=FilePath(), multiple=True, help="A file of tensors, or a folder; may be repeated. See `build`."
)
@click.option("-o", "--out", type=FilePath(), show_default="exported", help="The folder to write NAME/ to.")
@click.option(
    "--keep", multiple=True, metavar="NAMES",
    help="Components or weights that stay float32, or patterns of their names: encoder.0,*.mlp.down.",
)  # fmt: skip
@task_budget_options
@click.option("--no-mixed", is_flag=True, help="Try one format for all weights at a time, not mixed ones.")
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), default=1.6, show_default=True,
    help="How long to time each candidate.",
)  # fmt: skip
@click.option("--plan", is_flag=True, help="Print what will be tried, and end.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of random weights and of drawn inputs.")
@provider_option
@threads_option
@click.option("--no-cache", is_flag=True, help="Measure everything again, and keep no results.")
@json_option
def command(
    spec: Path, overrides: Overrides, weights: tuple[Path, ...], out: Path | None, keep: tuple[str, ...],
    budget: Budget | None, data: Path | None, no_mixed: bool, seconds: float, plan: bool, seed: int, provider: str,
    threads: int | None, no_cache: bool, as_json: bool,
) -> None:  # fmt: skip
    """Build SPEC in the format that is fastest here within a budget of error.

    Tries formats of weights, mixed ones by component, other engines and settings, and measures the error and the speed
    of each. Results are kept: an interrupted search goes on from them.
    """
    kept = tuple(name for names in keep for name in names.split(",") if name)
    wanted = Tuning(kept, budget, data, not no_mixed, seconds)
    if plan:
        _print_plan(spec, overrides, wanted, seed, as_json=as_json)
        return

    from stackc.artifact.folder import MANIFEST
    from stackc.pipeline import Options, build

    options = Options(
        overrides=overrides, weights=weights or None, out=out, seed=seed, provider=provider, threads=threads,
        cache=not no_cache, measure=False, tune=wanted,
    )  # fmt: skip
    built = build(spec, options, stage_report(quiet=as_json))
    if as_json:
        click.echo(safe_json((built.folder / MANIFEST).read_text(encoding="utf-8")), nl=False)
        return
    assert built.precision is not None, "it was searched"
    assert built.precision.tuned is not None, "it was searched"
    _print_candidates(built.precision.tuned)
    echo(style("built", fg="green", bold=True), f" {built.folder}/: {built.precision.tuned.describe()}")


def _print_plan(spec: Path, overrides: Overrides, wanted: Tuning, seed: int, *, as_json: bool) -> None:
    from stackc.artifact.packaging import value_infos
    from stackc.tuning.plan import plan_search

    checked = check_spec(spec, overrides)
    planned = plan_search(checked, value_infos(checked.program.inputs, checked.ranges), wanted, seed=seed)
    if as_json:
        echo_json(planned.to_json(), indent=2)
        return
    for line in planned.lines():
        echo(line)


def _print_candidates(tuned: Tuned) -> None:
    """Print every candidate, the chosen one first."""
    columns = [Column("candidate", wrap="never"), *(Column(title, wrap="never") for title in _TITLES), Column("why")]
    print_table(columns, list(map(_row, tuned.candidates)), caption=f"At {tuned.measured}, over the float32 file:")


_TITLES = ("ms", "of its time", "largest error", "smallest cosine", "MB")


def _row(candidate: TunedCandidate) -> list[str]:
    from stackc.precision.figures import cosine_text

    speed = candidate.speed
    return [
        candidate.name,
        "–" if speed is None else f"{speed.milliseconds:.3g}",
        "–" if speed is None else f"{speed.ratio:.2f}",
        "–" if candidate.max_error is None else f"{candidate.max_error:.1e}",
        "–" if candidate.cosine is None else cosine_text(candidate.cosine),
        "–" if candidate.bytes is None else f"{candidate.bytes / 1e6:,.1f}",
        candidate.reason,
    ]
