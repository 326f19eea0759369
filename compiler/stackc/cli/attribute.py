"""stackc attribute SPEC."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stackc.cli.options import FilePath, SpecPath, json_option, override_options
from stackc.cli.pictures import write_file
from stackc.cli.screen import echo, echo_json, style
from stackc.cli.table import Column, print_table
from stackc.frontend import Overrides

if TYPE_CHECKING:
    from stackc.attribution import Attributions
    from stackc.frontend import Checked
    from stackc.runtime import Array, Feeds

METHODS = ("integrated_gradients", "saliency", "input_x_gradient", "deep_lift", "occlusion", "feature_ablation")


def _numbers(ctx: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...]:
    """Parse `3,8,8`. Raises click.BadParameter for anything but numbers of 1 or more."""
    try:
        sizes = tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        sizes = (0,)
    if any(size < 1 for size in sizes):
        raise click.BadParameter(f"'{text}' is no list of sizes, such as 3,8,8", ctx, option)
    return sizes


@click.command("attribute")
@click.argument("target", metavar="SPEC", type=SpecPath())
@override_options
@click.option(
    "--data", type=FilePath(), required=True, metavar="FILE", help="An .npz file with an array for every input."
)
@click.option(
    "--output", required=True, metavar="NAME:INDEX",
    help="The number to attribute: an output, and its place on each axis after the batch, as logits:3.",
)  # fmt: skip
@click.option("--method", type=click.Choice(METHODS), default=METHODS[0], show_default=True, help="A method of captum.")
@click.option(
    "--baseline", "baselines", multiple=True, metavar="FILE",
    help="What stands for no input: an .npz file with an array for some inputs, or NAME=NUMBER. Default: 0.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(min=2), default=50, show_default=True,
    help="The points at which gradients are integrated; more of them close the completeness gap.",
)  # fmt: skip
@click.option(
    "--window", metavar="SIZES", callback=_numbers,
    help="The sizes that occlusion hides together, along the axes after the batch, as 3,8,8. Default: single elements.",
)  # fmt: skip
@click.option(
    "--depth", type=click.IntRange(min=0), default=1, show_default=True,
    help="Attribute to components and blocks down to this depth too; 0 for inputs alone.",
)  # fmt: skip
@click.option("--attention", is_flag=True, help="Show the probabilities of every attention by layer and head.")
@click.option("--tokenizer", type=FilePath(), help="A tokenizer.json with words for ids. Default: that beside SPEC.")
@click.option("--weights", type=FilePath(), multiple=True, help="A file of tensors, or the folder of a run.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of random weights.")
@click.option(
    "-o", "--out", type=FilePath(dir_okay=False), default="attribution.npz", show_default=True,
    help="The .npz file to write attributions to; the page is written beside it, as .html.",
)  # fmt: skip
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    target: Path,
    overrides: Overrides,
    data: Path,
    output: str,
    method: str,
    baselines: tuple[str, ...],
    steps: int,
    window: tuple[int, ...],
    depth: int,
    attention: bool,
    tokenizer: Path | None,
    weights: tuple[Path, ...],
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Attribute an output of SPEC, a spec or an artifact, to its inputs and components, by captum.

    Ids are attributed at the embedding that reads them. Attributions of integrated_gradients and deep_lift add up to
    the change of the output from its baseline, up to the gap that is printed.
    """
    from stackc.attribution.methods import INSTALL, is_installed

    if not is_installed():
        raise click.UsageError(f"attribute needs captum: {INSTALL}", ctx)
    if out.suffix != ".npz":
        raise click.BadParameter(f"'{out}' does not end in .npz; the page is written beside it", param_hint="--out")
    if out.exists() and data.exists() and out.samefile(data):
        raise click.BadParameter(f"'{out}' holds the examples and would be lost; name another file", param_hint="--out")

    from stackc.attribution import AttributionOptions, attribute_examples
    from stackc.attribution.read import read_attributed_model, read_baselines, read_examples
    from stackc.attribution.tokens import TOKENIZER, read_tokens

    checked, module = read_attributed_model(target, overrides, weights or None, seed)
    feeds = read_examples(checked, data)
    options = AttributionOptions(output, method, read_baselines(baselines), steps, window, depth)
    found = attribute_examples(checked, module, feeds, options)

    beside = (target if target.is_dir() else target.parent) / TOKENIZER
    path = tokenizer or (beside if beside.exists() else None)
    probabilities = _attention(ctx, checked, module, feeds) if attention else {}
    page = _write(out, checked, found, feeds, read_tokens(path) if path else None, probabilities)

    if as_json:
        echo_json(_as_json(found, [out, page]), indent=2)
    else:
        _print(found, [out, page])


def _attention(ctx: click.Context, checked: Checked, module: Any, feeds: Feeds) -> dict[str, Array]:
    from stackc.attribution.attention import attention_probabilities

    probabilities = attention_probabilities(module, checked.program, feeds)
    if not probabilities:
        raise click.UsageError("the model has no attention to show; leave out `--attention`", ctx)
    return probabilities


def _write(
    out: Path,
    checked: Checked,
    found: Attributions,
    feeds: Feeds,
    tokens: dict[int, str] | None,
    attention: dict[str, Array],
) -> Path:
    """Write the arrays and the page, and return the path of the page."""
    from stackc.attribution.page import write_attribution_page
    from stackc.runtime import write_npz

    arrays = {f"input.{name}": array for name, array in found.inputs.items()}
    arrays |= {f"component.{part.path}": array for part, array in found.components.items()}
    arrays |= {f"attention.{path}": array for path, array in attention.items()}
    arrays["value"] = found.values
    if found.baseline_values is not None:
        arrays["baseline_value"] = found.baseline_values
    if found.gaps is not None:
        arrays["gap"] = found.gaps
    write_npz(out, arrays)

    page = out.with_suffix(".html")
    write_file(page, write_attribution_page(checked, found, feeds, tokens=tokens, attention=attention))
    return page


def _as_json(found: Attributions, files: list[Path]) -> dict[str, Any]:
    return {
        "output": str(found.target),
        "method": found.method.name,
        "values": found.values.tolist(),
        "baseline_values": None if found.baseline_values is None else found.baseline_values.tolist(),
        "gaps": None if found.gaps is None else found.gaps.tolist(),
        "inputs": {name: x.reshape(len(x), -1).sum(axis=1).tolist() for name, x in found.inputs.items()},
        "fixed": list(found.fixed),
        "components": [
            {"path": part.path, "op": part.op, "line": str(part.span), "attributions": values.tolist()}
            for part, values in found.components.items()
        ],
        "files": [str(file) for file in files],
    }


def _print(found: Attributions, files: list[Path]) -> None:
    """Print sums over each input and each component: of the first example, and the mean of their sizes over all."""
    columns = [Column("attributed to"), Column("op"), Column("line"), Column("example 0", "right")]
    columns += [Column("mean size", "right")] * (len(found.values) > 1)
    rows = [(f"input {name}", "", "", x.reshape(len(x), -1).sum(axis=1)) for name, x in found.inputs.items()]
    rows += [(part.path, part.op, str(part.span), values) for part, values in found.components.items()]
    print_table(
        columns,
        [
            [*texts, f"{values[0]:.4g}", *[f"{abs(values).mean():.4g}"] * (len(found.values) > 1)]
            for *texts, values in rows
        ],
    )

    if found.fixed:
        echo(f"held as they are: {', '.join(found.fixed)}")
    echo(
        f"{found.target}: {found.values[0]:.6g}", "" if len(found.values) == 1 else f", {len(found.values):,} examples"
    )
    if found.gaps is not None:
        echo(f"completeness gap, at most: {abs(found.gaps).max():.2g}")
    echo(style("wrote ", fg="green", bold=True), ", ".join(map(str, files)))
