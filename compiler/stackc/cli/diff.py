"""stackc diff A B."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stackc.analysis.diff.changes import Change
from stackc.analysis.diff.comparison import Difference, compare_specs
from stackc.analysis.diff.report import write_markdown, write_page, write_text
from stackc.artifact.atomic import MANIFEST
from stackc.artifact.folder import load_artifact
from stackc.cli.options import FilePath, SpecPath, json_option, override_options
from stackc.cli.pictures import picture_target, write_file
from stackc.cli.screen import echo, echo_json, echo_text
from stackc.frontend import Checked, Overrides, check_spec
from stackc.precision.formats import FLOAT32
from stackc.spec.binary_kinds import is_model_file

if TYPE_CHECKING:
    from stackc.analysis.diff.measured import MeasuredFigure


@click.command("diff")
@click.argument("before", metavar="A", type=SpecPath())
@click.argument("after", metavar="[B]", type=SpecPath(), required=False)
@click.option(
    "--git", "revision_range", metavar="REV..REV",
    help="Compare A, one spec, in two revisions of its git repository; REV alone: with the file as it is.",
)  # fmt: skip
@override_options
@click.option("--markdown", is_flag=True, help="Print Markdown, for a pull request.")
@click.option("--html", type=FilePath(), help="Write an HTML page with both pictures side by side.")
@click.option(
    "--depth", type=click.IntRange(min=1), default=1, show_default=True,
    help="How many levels of blocks and stacks the page initially opens.",
)  # fmt: skip
@json_option
def command(
    before: Path, after: Path | None, revision_range: str | None, overrides: Overrides, markdown: bool,
    html: Path | None, depth: int, as_json: bool,
) -> None:  # fmt: skip
    """Compare two specs: components added, removed, changed, renamed, rewired; parameters and FLOPs; training.

    Of two artifacts, latency and error too. Two ONNX files of any origin are compared by interface, operators and
    tensors. `stackc diff --git main..HEAD SPEC` compares one spec in two revisions.

    --set and --dims apply to both. The exit status is 0 whether or not they differ.
    """
    if markdown and as_json:
        raise click.UsageError("--markdown or --json, not both: each replaces the other output")
    if html is not None:
        picture_target(html, "--html", (before, after or before), (".html",))

    if revision_range is not None and after is not None:
        raise click.UsageError("--git compares one spec in two revisions: name one")
    if after is not None and (is_model_file(before) or is_model_file(after)):
        _compare_files(before, after, plain=not (markdown or html or overrides != Overrides()), as_json=as_json)
        return

    if revision_range is not None:
        left, right = _in_revisions(before, revision_range, overrides)
    elif after is not None:
        left, right = check_spec(before, overrides), check_spec(after, overrides)
    else:
        raise click.UsageError("name two specs, or one with --git REV..REV")
    difference = compare_specs(left, right)
    measured = _measured(before, after or before)

    formats = _formats(before, after or before)
    if html is not None:
        page = write_page(difference, (left.typed, left.sources), (right.typed, right.sources), depth)
        write_file(html, page)
    if as_json:
        precision = dict(zip(("before", "after"), formats, strict=True))
        echo_json(_facts(difference) | {"precision": precision, "measured": [asdict(figure) for figure in measured]})
    elif markdown:
        echo_text(write_markdown(difference), nl=False)
    elif html is None:
        echo_text(write_text(difference), nl=False)
        if formats[0] != formats[1]:
            echo(f"  precision    {formats[0]} → {formats[1]}")
        for figure in measured:
            echo(f"  {figure}")
    else:
        echo(f"wrote {html}")


def _formats(before: Path, after: Path) -> tuple[str, str]:
    """Return the formats of the weights; those of a spec are float32."""
    return _format(before), _format(after)


def _format(path: Path) -> str:
    return load_artifact(path).manifest.format if (path / MANIFEST).is_file() else FLOAT32


def _in_revisions(spec: Path, revision_range: str, overrides: Overrides) -> tuple[Checked, Checked]:
    """Return a spec as two revisions have it. Raises SpecError, click.BadParameter."""
    from stackc.cli.git_revisions import inside_revision, revisions

    first, second = revisions(revision_range)
    with inside_revision(first, spec) as path:
        left = check_spec(path, overrides)
    with inside_revision(second, spec) as path:
        return left, check_spec(path, overrides)


def _measured(before: Path, after: Path) -> tuple[MeasuredFigure, ...]:
    """Return what two artifacts have measured; nothing unless both are artifacts."""
    if not (os.path.isdir(before) and os.path.isdir(after)):
        return ()
    from stackc.analysis.diff.measured import measured_figures

    return measured_figures(before, after)


def _compare_files(before: Path, after: Path, *, plain: bool, as_json: bool) -> None:
    """Compare two ONNX files. Raises click.UsageError for options that are for specs, or one file that is none."""
    if not (is_model_file(before) and is_model_file(after)):
        raise click.UsageError(
            "an ONNX file is compared with another; `stackc verify --against` runs one beside an artifact"
        )
    if not plain:
        raise click.UsageError("two ONNX files are compared as text or --json; all other options are for specs")
    from stackc.analysis.onnx_files.difference import compare_files
    from stackc.analysis.onnx_files.outline import outline_file

    difference = compare_files(outline_file(before), outline_file(after))
    if as_json:
        echo_json(difference.to_json())
    else:
        for line in difference.lines():
            echo(line)


def _change(change: Change) -> dict[str, Any]:
    before, after = (span and str(span) for span in change.at)
    return {**asdict(change), "at": {"before": before, "after": after}}


def _facts(difference: Difference) -> dict[str, Any]:
    return {
        "names": difference.names,
        "changes": list(map(_change, difference.changes)),
        "before": difference.before.facts(),
        "after": difference.after.facts(),
    }
