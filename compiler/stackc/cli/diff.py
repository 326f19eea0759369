"""stackc diff A B."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

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

    `stackc diff --git main..HEAD SPEC` compares one spec in two revisions. --set and --dims apply to both. The
    exit status is 0 whether or not they differ.
    """
    if markdown and as_json:
        raise click.UsageError("--markdown or --json, not both: each replaces the other output")
    if html is not None:
        picture_target(html, "--html", (before, after or before), (".html",))

    if revision_range is not None and after is not None:
        raise click.UsageError("--git compares one spec in two revisions: name one")
    if revision_range is not None:
        left, right = _in_revisions(before, revision_range, overrides)
    elif after is not None:
        left, right = check_spec(before, overrides), check_spec(after, overrides)
    else:
        raise click.UsageError("name two specs, or one with --git REV..REV")
    difference = compare_specs(left, right)

    formats = _formats(before, after or before)
    if html is not None:
        page = write_page(difference, (left.typed, left.sources), (right.typed, right.sources), depth)
        write_file(html, page)
    if as_json:
        echo_json(_facts(difference) | {"precision": dict(zip(("before", "after"), formats, strict=True))})
    elif markdown:
        echo_text(write_markdown(difference), nl=False)
    elif html is None:
        echo_text(write_text(difference), nl=False)
        if formats[0] != formats[1]:
            echo(f"  precision    {formats[0]} → {formats[1]}")
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
