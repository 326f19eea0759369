"""Options that bound the error of a file of lower precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from stackc.cli.options import FilePath, comma_separated
from stackc.ir.budget import DEFAULT, Budget

F = TypeVar("F", bound=Callable[..., Any])

max_error_option = click.option(
    "--max-error", type=click.FloatRange(min=0, min_open=True), metavar="DISTANCE",
    help="The largest distance that a number of an output may have from PyTorch's.",
)  # fmt: skip
cosine_option = click.option(
    "--cosine", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="COSINE",
    help="The smallest cosine that a vector of an output may have with PyTorch's. Default: 0.99.",
)  # fmt: skip
held_outputs_option = click.option(
    "--outputs", metavar="NAME,…", **comma_separated(click.STRING),
    help="The outputs that --max-error and --cosine are for. Default: all.",
)  # fmt: skip
user_data_option = click.option(
    "--data", type=FilePath(), metavar="FILE.npz",
    help="Inputs by name, with the first axis for examples: the budget holds on them too.",
)  # fmt: skip


def budget_options(command: F) -> F:
    """Add `--data`, and `--max-error` and `--cosine`, which the command receives as `budget`: None for the spec's."""

    @max_error_option
    @cosine_option
    @held_outputs_option
    @user_data_option
    @wraps(command)
    def with_budget(
        *args: Any, max_error: float | None, cosine: float | None, outputs: tuple[str, ...], data: Path | None,
        **kwargs: Any,
    ) -> Any:  # fmt: skip
        budget = _budget(Budget(max_error, cosine, outputs=outputs))
        return command(*args, budget=budget, data=data, **kwargs)

    return with_budget  # type: ignore[return-value]  # click passes keywords, which the type cannot express


def task_budget_options(command: F) -> F:
    """Add the options of `budget_options`, and those of budgets that are measured on examples."""

    @max_error_option
    @cosine_option
    @held_outputs_option
    @click.option("--metric", metavar="NAME", help="A metric of `train` that may get worse by --drop on --data.")
    @click.option("--drop", type=click.FloatRange(min=0), metavar="AMOUNT", help="By how much --metric may get worse.")
    @click.option(
        "--perplexity-ratio", type=click.FloatRange(min=1), metavar="RATIO",
        help="How many times as large the perplexity of the next token may be on --data.",
    )  # fmt: skip
    @user_data_option
    @wraps(command)
    def with_budget(
        *args: Any, max_error: float | None, cosine: float | None, metric: str | None, drop: float | None,
        perplexity_ratio: float | None, outputs: tuple[str, ...], data: Path | None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        if (metric is None) != (drop is None):
            raise click.UsageError("--metric and --drop go together: --metric accuracy --drop 0.005")
        budget = _budget(Budget(max_error, cosine, metric, drop, perplexity_ratio, outputs=outputs))
        return command(*args, budget=budget, data=data, **kwargs)

    return with_budget  # type: ignore[return-value]  # click passes keywords, which the type cannot express


def _budget(budget: Budget) -> Budget | None:
    """Return the budget of the options; the default bound for outputs that are named alone, None without any option."""
    if budget == Budget():
        return None
    bounds = budget.on_outputs or budget.metric is not None or budget.perplexity_ratio is not None
    return budget if bounds else replace(budget, cosine=DEFAULT.cosine)
