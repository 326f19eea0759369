"""stackc plan SPEC."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from stackc.cli.options import json_option, override_options, spec_argument
from stackc.fit import fits, largest_sizes, peak, smallest_sizes
from stackc.front import Overrides, check_spec
from stackc.plan import PRECISIONS, Needs, Plan, make_plan
from stackc.view.figures import bytes_text, scaled, sum_text, type_text

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_MEMORY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?\s*", re.IGNORECASE)
_LABELS = {"float16": "float16, bfloat16", "int8": "int8 weights"}


def _bytes(ctx: click.Context, option: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    match = _MEMORY.fullmatch(text)
    if match is None or match[2].upper() not in _UNITS:
        raise click.BadParameter(f"'{text}' is no memory; write 24GB (of 10⁹ bytes) or 24GiB (of 2³⁰)", ctx, option)
    return int(Decimal(match[1]) * _UNITS[match[2].upper()])


@click.command("plan")
@spec_argument
@override_options
@click.option(
    "--depth", type=click.IntRange(min=1), default=1, show_default=True,
    help="How many levels of blocks and stacks to tell; 1 leaves all of them closed.",
)  # fmt: skip
@click.option(
    "--dtype", type=click.Choice([*PRECISIONS, "bfloat16"]), default="float32", show_default=True,
    help="Of the memory in the table. int8 is of weight matrices, the rest being float16.",
)  # fmt: skip
@click.option("--memory", callback=_bytes, metavar="SIZE", help="Tell what fits in this much: 24GB, 80GiB.")
@json_option
def command(spec: Path, overrides: Overrides, depth: int, dtype: str, memory: int | None, as_json: bool) -> None:
    """Tell what SPEC needs, block by block: shapes, parameters, FLOPs, memory of weights and activations.

    Sizes that --dims leaves open stay in the figures as names. Activations are all that is made in a forward pass, as
    training keeps it; their peak is what lives at once when only the outputs are wanted.
    """
    plan = make_plan(check_spec(spec, overrides).typed, depth)
    if as_json:
        click.echo(json.dumps(_facts(plan, memory), ensure_ascii=False))
        return
    _print_blocks(plan, "float16" if dtype == "bfloat16" else dtype)
    _print_memory(plan)
    if memory is not None:
        _print_fits(plan, memory)


# -- for people


def _print_blocks(plan: Plan, dtype: str) -> None:
    label = _LABELS.get(dtype, dtype)
    columns = ["", "output", "parameters", "FLOPs", f"weights, {label}", f"activations, {label}"]
    rows = []
    for row in plan.rows:
        name = "  " * row.level + row.path.rpartition(".")[2]
        title = " ".join(
            [name, *([row.op] if row.op != name.strip() else []), *([f"×{row.repeat}"] * (row.repeat > 1))]
        )
        rows.append([title, ", ".join(map(type_text, row.outputs)), *_figures(row.needs, dtype)])
    _print_table(columns, rows, [plan.name, "", *_figures(plan.total, dtype)])


def _figures(needs: Needs, dtype: str) -> list[str]:
    precision, cost = PRECISIONS[dtype], needs.cost
    weights, made = needs.weights.bytes(precision), needs.activations.bytes(precision)
    cells = [(cost.parameters, scaled(cost.parameters)), (cost.flops, sum_text(cost.flops))]
    cells += [(weights, bytes_text(weights)), (made, bytes_text(made))]
    return [text if number != 0 else "" for number, text in cells]


def _corners(plan: Plan) -> Iterator[dict[str, int]]:
    """The sizes at which peaks are told: the least, and the largest where they have an end."""
    yield smallest_sizes(plan.contract)
    largest = largest_sizes(plan.contract)
    if plan.contract and largest is not None:
        yield largest


def _print_memory(plan: Plan) -> None:
    corners = list(_corners(plan))
    columns = ["memory", "weights", "activations", *(f"peak{_at(sizes)}" for sizes in corners)]
    rows = []
    for name, precision in PRECISIONS.items():
        made = bytes_text(plan.total.activations.bytes(precision))
        peaks = [bytes_text(peak(plan.root, sizes, precision)) for sizes in corners]
        rows.append([_LABELS.get(name, name), bytes_text(plan.total.weights.bytes(precision)), made, *peaks])
    _print_table(columns, rows)


def _print_fits(plan: Plan, memory: int) -> None:
    rows = [[_LABELS.get(name, name), told] for name in PRECISIONS for told in _fits_told(plan, name, memory)]
    _print_table([f"in {bytes_text(memory)}", "what fits, as weights and peak"], rows)


def _fits_told(plan: Plan, dtype: str, memory: int) -> Iterator[str]:
    precision, (least, *most) = PRECISIONS[dtype], list(_corners(plan))
    weights = plan.total.weights.bytes(precision)
    for sizes, told in ((most[0] if most else least, "fits"), (least, "nothing fits")):
        needed = weights + peak(plan.root, sizes, precision)
        if (needed <= memory) == (told == "fits"):
            yield f"{told}: it takes {bytes_text(needed)}{_at(sizes)}"
            return
    for fit in fits(plan, precision, memory):
        if fit.largest is None:
            yield f"no {fit.dim}{_at(fit.beside)}"
        elif fit.limited == "nothing":
            yield f"any {fit.dim}{_at(fit.beside)}"
        else:
            end = " (all that the contract allows)" if fit.limited == "contract" else ""
            yield f"{fit.dim} up to {fit.largest:,}{_at(fit.beside)}{end}"


def _at(sizes: Mapping[str, int]) -> str:
    return f" at {', '.join(f'{name} {size:,}' for name, size in sizes.items())}" if sizes else ""


def _print_table(columns: list[str], rows: list[list[str]], total: list[str] | None = None) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_footer=total is not None, pad_edge=False)
    for number, column in enumerate(columns):
        numeric = number > 1 and len(columns) > 2
        table.add_column(
            Text(column),
            Text(total[number] if total else ""),
            justify="right" if numeric else "left",
            no_wrap=number == 0,
        )
    for row in rows:
        table.add_row(*map(Text, row))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 300
    Console(width=width, highlight=False).print(table)


# -- for programs


def _facts(plan: Plan, memory: int | None) -> dict[str, Any]:
    corners = list(_corners(plan))
    facts: dict[str, Any] = {
        "name": plan.name,
        "inputs": {name: str(type_) for name, type_ in plan.inputs.items()},
        "outputs": {name: str(type_) for name, type_ in plan.outputs.items()},
        "total": plan.total.facts(),
        "peaks": [
            {"dims": sizes, "bytes": {name: peak(plan.root, sizes, each) for name, each in PRECISIONS.items()}}
            for sizes in corners
        ],
        "blocks": [
            {"path": row.path, "op": row.op, "repeat": row.repeat, "level": row.level}
            | {"outputs": list(map(str, row.outputs))}
            | row.needs.facts()
            for row in plan.rows
        ],
    }
    if memory is not None:
        found = {name: list(map(asdict, fits(plan, each, memory))) for name, each in PRECISIONS.items()}
        facts["memory"] = {"bytes": memory, "fits": found}
    return facts
