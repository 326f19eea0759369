"""stackc plan SPEC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from stackc.analysis.plan.fit import memory_of, memory_text
from stackc.analysis.plan.footprint import PRECISIONS, Footprint
from stackc.analysis.plan.planning import Plan, make_plan
from stackc.cli.options import json_option, override_options, spec_argument
from stackc.cli.screen import echo_json
from stackc.cli.table import print_table
from stackc.frontend import Checked, Overrides, check_spec
from stackc.ir.optimizers import OPTIMIZERS
from stackc.ir.ranks import RankGrid, TrainPlanOptions, ranks_of
from stackc.view.figures import bytes_text, scaled, sum_text, type_text

F = TypeVar("F", bound=Callable[..., Any])
_LABELS = {"float16": "float16, bfloat16", "int8": "int8 weights"}


def _memory(ctx: click.Context, option: click.Parameter, text: str | None) -> tuple[int, str] | None:
    """Return the memory in bytes, and as text in the unit that the user chose."""
    try:
        return None if text is None else (memory_of(text), memory_text(text))
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, option) from None


def _ranks(ctx: click.Context, option: click.Parameter, text: str | None) -> RankGrid | None:
    try:
        return None if text is None else ranks_of(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, option) from None


def _training_options(command: F) -> F:
    """Add the options that only `--train` has, which the command receives as `training`; None without `--train`."""

    @click.option("--train", is_flag=True, help="Report the memory of training by rank instead, and how to start it.")
    @click.option(
        "--ranks", callback=_ranks, metavar="N",
        help="With --train: the processes that train together, as 1000, or as 125x8, machines and ranks on each.",
    )  # fmt: skip
    @click.option("--shard", is_flag=True, help="With --train: share weights among ranks, as `train --shard`.")
    @click.option(
        "--optimizer", type=click.Choice(list(OPTIMIZERS)), help="With --train: in place of that of the spec."
    )
    @click.option("--batch", type=click.IntRange(min=1), help="With --train: in place of the batch of the spec.")
    @wraps(command)
    def with_training(
        *args: Any,
        train: bool,
        ranks: RankGrid | None,
        shard: bool,
        optimizer: str | None,
        batch: int | None,
        **kwargs: Any,
    ) -> Any:
        given = {"--ranks": ranks, "--shard": shard or None, "--optimizer": optimizer, "--batch": batch}
        for option, value in given.items():
            if value is not None and not train:
                raise click.UsageError(f"{option} needs --train")
        options = TrainPlanOptions(ranks or RankGrid(), shard, optimizer, batch) if train else None
        return command(*args, training=options, **kwargs)

    return with_training  # type: ignore[return-value]  # click passes keywords, which the type cannot express


@click.command("plan")
@spec_argument
@override_options
@click.option(
    "--depth", type=click.IntRange(min=1), default=1, show_default=True,
    help="How many levels of blocks and stacks to list; 1 leaves all of them closed.",
)  # fmt: skip
@click.option(
    "--dtype", type=click.Choice([*PRECISIONS, "bfloat16"]), default="float32", show_default=True,
    help="Element type of the memory in the table. int8 applies to weight matrices, the rest is float16.",
)  # fmt: skip
@click.option("--memory", callback=_memory, metavar="SIZE", help="Report what fits in this much memory: 24GB, 80GiB.")
@_training_options
@json_option
def command(
    spec: Path,
    overrides: Overrides,
    depth: int,
    dtype: str,
    memory: tuple[int, str] | None,
    training: TrainPlanOptions | None,
    as_json: bool,
) -> None:
    """Report what SPEC needs, block by block: shapes, parameters, FLOPs, memory of weights and activations.

    Sizes that --dims leaves open appear in the figures as names. Activations are all values of a forward pass, as kept
    for training; their peak is what inference holds at once. With --train, a step is traced as it runs on the CPU, its
    tensors without numbers; a spec without `train:` is planned as if its loss were the sum of its outputs.
    """
    size, size_text = memory or (None, "")
    if training is not None:
        _plan_training(check_spec(spec, overrides), replace(training, memory=size), size_text or None, as_json=as_json)
        return

    plan = make_plan(check_spec(spec, overrides).typed, depth, size)
    if as_json:
        echo_json(_facts(plan))
        return

    _print_blocks(plan, "float16" if dtype == "bfloat16" else dtype)
    _print_memory(plan)
    if plan.memory is not None:
        _print_fits(plan, plan.memory, size_text)


def _plan_training(checked: Checked, options: TrainPlanOptions, memory: str | None, *, as_json: bool) -> None:
    from stackc.cli.training_plan import print_train_plan
    from stackc.training.train_plan import plan_training

    print_train_plan(plan_training(checked, options), memory, as_json=as_json)


# -- for people


def _print_blocks(plan: Plan, dtype: str) -> None:
    label = _LABELS.get(dtype, dtype)
    columns = ["", "output", "parameters", "FLOPs", f"weights, {label}", f"activations, {label}"]
    rows = []
    for row in plan.rows:
        name = "  " * row.level + row.path.rpartition(".")[2]
        op = [row.op] if row.op != name.strip() else []
        title = " ".join([name, *op, *([f"×{row.repeat}"] * (row.repeat > 1))])
        rows.append([title, ", ".join(map(type_text, row.outputs)), *_figures(row.footprint, dtype)])
    print_table(columns, rows, [plan.name, "", *_figures(plan.total, dtype)])


def _figures(footprint: Footprint, dtype: str) -> list[str]:
    precision, cost = PRECISIONS[dtype], footprint.cost
    weights, activations = footprint.weights.bytes(precision), footprint.activations.bytes(precision)
    cells = [(cost.parameters, scaled(cost.parameters)), (cost.flops, sum_text(cost.flops))]
    cells += [(weights, bytes_text(weights)), (activations, bytes_text(activations))]
    return [text if number != 0 else "" for number, text in cells]


def _print_memory(plan: Plan) -> None:
    columns = ["memory", "weights", "activations", *(f"peak{_at(peak.dims)}" for peak in plan.peaks)]
    rows = []
    for name, precision in PRECISIONS.items():
        weights = bytes_text(plan.total.weights.bytes(precision))
        activations = bytes_text(plan.total.activations.bytes(precision))
        peaks = [bytes_text(peak.bytes[name]) for peak in plan.peaks]
        rows.append([_LABELS.get(name, name), weights, activations, *peaks])
    print_table(columns, rows)


def _print_fits(plan: Plan, memory: int, size_text: str) -> None:
    rows = [[_LABELS.get(name, name), line] for name in PRECISIONS for line in _describe_fits(plan, name, memory)]
    print_table([f"in {size_text}", "what fits (weights and peak)"], rows)


def _describe_fits(plan: Plan, dtype: str, memory: int) -> Iterator[str]:
    """Yield what fits: everything, nothing, or how far each dim may grow."""
    weights = plan.total.weights.bytes(PRECISIONS[dtype])
    smallest, largest = plan.peaks[0], plan.peaks[-1]

    # If a dim is unbounded, there is only one peak, at the smallest sizes, which says little about the others.
    is_bounded = len(plan.peaks) > 1 or not plan.contract
    most, least = weights + largest.bytes[dtype], weights + smallest.bytes[dtype]
    if is_bounded and most <= memory:
        yield f"all sizes fit: {bytes_text(most)}{_at(largest.dims)}"
        return
    if least > memory:
        yield f"nothing fits: at least {bytes_text(least)}{_at(smallest.dims)}"
        return

    for fit in plan.fits[dtype]:
        if fit.largest is None:
            yield f"no {fit.dim} fits{_at(fit.beside)}"
        elif fit.limited == "nothing":
            yield f"any {fit.dim} fits{_at(fit.beside)}"
        else:
            end = " (the maximum of its contract)" if fit.limited == "contract" else ""
            yield f"{fit.dim} up to {fit.largest:,}{_at(fit.beside)}{end}"


def _at(sizes: Mapping[str, int]) -> str:
    return f" at {', '.join(f'{name} {size:,}' for name, size in sizes.items())}" if sizes else ""


# -- for programs


def _facts(plan: Plan) -> dict[str, Any]:
    blocks = [
        {"path": row.path, "op": row.op, "repeat": row.repeat, "level": row.level}
        | {"outputs": list(map(str, row.outputs))}
        | row.footprint.facts()
        for row in plan.rows
    ]
    facts: dict[str, Any] = {
        "name": plan.name,
        "inputs": {name: str(type_) for name, type_ in plan.inputs.items()},
        "outputs": {name: str(type_) for name, type_ in plan.outputs.items()},
        "total": plan.total.facts(),
        "peaks": list(map(asdict, plan.peaks)),
        "blocks": blocks,
    }

    if plan.memory is not None:
        fits = {name: list(map(asdict, rows)) for name, rows in plan.fits.items()}
        facts["memory"] = {"bytes": plan.memory, "fits": fits}
    return facts
