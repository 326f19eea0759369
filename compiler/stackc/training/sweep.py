"""`stackc train SPEC --sweep layers=2,4,8`: variants of a spec, trained one after the other, and compared.

runs/NAME/
  layers=2/     the run of a variant, as that of a single spec
  report.html   the curves of all variants
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked, Overrides
from stackc.spec.names import as_file_name
from stackc.training.history import History, report_full_disk, write_whole
from stackc.training.loop import train_model
from stackc.training.run import HISTORY, Report, Trained, TrainOptions
from stackc.training.run_page import REPORT, RunCurves
from stackc.view.curves import Chart, Series, chart_coordinates
from stackc.view.html import render_page


@dataclass(frozen=True)
class Variant:
    """A spec with some params set, under the name of its folder: `layers=2,norm=batch`."""

    name: str
    params: Mapping[str, str]
    checked: Checked


def make_variants(
    values: Mapping[str, Sequence[str]], overrides: Overrides, check: Callable[[Overrides], Checked]
) -> list[Variant]:
    """Check every combination of values, before any is trained.

    Raises SpecError as `check` does for the first that is not sound, and L209 for two values of one folder.
    """
    variants: dict[str, Variant] = {}
    for combination in product(*values.values()):
        params = dict(zip(values, combination, strict=True))
        name = ",".join(f"{as_file_name(param)}={as_file_name(value)}" for param, value in params.items())
        if name in variants:
            message = f"two variants of the sweep would be the folder '{name}'"
            raise SpecError(Diagnostic("L209", message, hint="leave one of the two values out"))
        checked = check(replace(overrides, params={**overrides.params, **params}))
        variants[name] = Variant(name, params, checked)
    return list(variants.values())


def train_variants(
    variants: Sequence[Variant], folder: Path, options: TrainOptions, report: Report = lambda event: None
) -> Iterator[tuple[Variant, Trained]]:
    """Train each variant into its folder, and yield it; then write the page of all.

    With `options.resume`, what was trained before is not trained again, and the others are continued or started. Raises
    SpecError and KeyboardInterrupt as `train_model`.
    """
    all_trained = []
    for variant in variants:
        out = folder / variant.name
        resume = options.resume and (out / HISTORY).exists()
        trained = train_model(variant.checked, replace(options, out=out, resume=resume), report)
        all_trained.append((variant, trained))
        yield variant, trained

    with report_full_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / REPORT, sweep_report(all_trained))


def sweep_report(all_trained: Sequence[tuple[Variant, Trained]]) -> str:
    """Return the page of a sweep: each loss and metric of all variants in one chart, and their best means."""
    curves = {variant.name: RunCurves.of(History(run.folder / HISTORY).events()) for variant, run in all_trained}
    names = list(dict.fromkeys(name for each in curves.values() for name in each.validation))
    charts = [Chart("training loss", [Series(variant, each.losses) for variant, each in curves.items()])]
    for name in names:
        series = [Series(variant, each.validation.get(name, [])) for variant, each in curves.items()]
        charts.append(Chart(f"validation: {name}", series))

    document = all_trained[0][0].checked.document
    columns, rows = sweep_table(all_trained)
    return render_page(
        "run.html",
        title=document.name,
        subtitle=f"{len(all_trained)} variants of {document.file.rpartition('/')[2]}",
        heads=[],
        view=None,
        charts=[drawn for chart in charts if (drawn := chart_coordinates(chart))],
        components=[],
        table={"title": "Variants", "columns": columns, "rows": [[*row, ""] for row in rows]},
    )


def sweep_table(all_trained: Sequence[tuple[Variant, Trained]]) -> tuple[list[str], list[list[str]]]:
    """Return titles and cells: the values of each variant, its size, its best epoch and the means of that."""
    params = list(all_trained[0][0].params)
    names = list(dict.fromkeys(name for _, trained in all_trained for name in trained.means))
    columns = [*params, "parameters", "best epoch", *names]
    rows = []
    for variant, trained in all_trained:
        means = [f"{trained.means[name]:.5g}" if name in trained.means else "–" for name in names]
        size = f"{variant.checked.cost.parameters:,}"
        rows.append([*variant.params.values(), size, str(trained.best_epoch), *means])
    return columns, rows


def sweep_json(variant: Variant, trained: Trained) -> dict[str, Any]:
    """Return a variant for programs."""
    outcome = {"folder": str(trained.folder), "best_epoch": trained.best_epoch, "validation": trained.means}
    return {"params": dict(variant.params), **outcome}
