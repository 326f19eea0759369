"""The stage of a build that gives the weights of a proven file another format: the one that is asked for, or the one
that a search finds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from stackc.artifact.build_options import Options
from stackc.artifact.packaging import value_infos
from stackc.cache import user_cache
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.progress import Progress
from stackc.frontend import Checked
from stackc.ir.budget import DEFAULT
from stackc.onnx_format.files import MODEL
from stackc.precision.quantize import ReducedPrecision, quantize_file
from stackc.precision.request import Quantization
from stackc.proof.components import Reference
from stackc.runtime import ValueInfo, open_session
from stackc.tuning.search import SearchSettings, tune_file
from stackc.tuning.task_budget import figures_of, task_budgets
from stackc.weights.sources import Weights


@dataclass(frozen=True)
class ReducedFile:
    """What has become of the file: its precision, and its files, none if it stays as it is."""

    precision: ReducedPrecision
    files: tuple[Path, ...]


def reduce_precision(
    folder: Path,
    checked: Checked,
    reference: Reference | None,
    weights: Weights | None,
    options: Options,
    progress: Progress,
) -> ReducedFile:
    """Replace the file in the folder by one in the format of the options, or in the one that a search finds.

    Raises SpecError as `quantize_file` and `tune_file` do, and P731 for a figure of a task that is beyond the budget.
    """
    inputs = value_infos(checked.program.inputs, checked.ranges)
    wanted, tuned = options.quantize, None
    if options.tune is not None:
        assert reference is not None, "a search needs the module"
        cache = user_cache() if options.cache else None
        settings = SearchSettings(options.provider, options.threads, options.seed, cache, progress)
        tuned = tune_file(folder, checked, inputs, options.tune, reference, weights, settings)
        if not tuned.chosen.formats:
            return ReducedFile(ReducedPrecision(tuned=tuned), ())
        formats, data = tuned.chosen.formats, options.tune.data or tuned.budget.data
        wanted = Quantization(tuned.format, budget=tuned.budget, data=data, formats=formats)

    assert wanted is not None, "a format is asked for"
    precision, files = _quantized(folder, checked, reference, weights, options, wanted, inputs)
    return ReducedFile(replace(precision, tuned=tuned), files)


def _quantized(
    folder: Path,
    checked: Checked,
    reference: Reference | None,
    weights: Weights | None,
    options: Options,
    wanted: Quantization,
    inputs: tuple[ValueInfo, ...],
) -> tuple[ReducedPrecision, tuple[Path, ...]]:
    budget = wanted.budget or checked.budget or DEFAULT
    tasks = task_budgets(checked, budget, wanted.data, inputs, weights) if reference is not None else ()
    plain = figures_of(tasks, open_session(folder / MODEL, options.provider, threads=options.threads)) if tasks else {}

    precision, files = quantize_file(
        folder, checked, inputs, wanted, reference,
        provider=options.provider, threads=options.threads, seed=options.seed,
    )  # fmt: skip
    if tasks:
        session = open_session(folder / MODEL, options.provider, threads=options.threads)
        reduced = figures_of(tasks, session)
        problems = [text for task in tasks if (text := task.problem(reduced[task.name], plain[task.name]))]
        hint = "choose a format that is closer to float32, or name with --keep what stays float32"
        if problems:
            message = f"{wanted.format} is beyond the budget: {'; '.join(problems)}"
            raise SpecError(Diagnostic("P731", message, budget.span, hint))
        precision = replace(precision, figures={name: [plain[name], reduced[name]] for name in plain})
    return precision, files
