"""stackc weights SPEC [FILE…]."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stackc.cli.options import FilePath, json_option, override_options, spec_argument
from stackc.cli.report import diagnostics_as_json, report_diagnostics
from stackc.cli.screen import echo, echo_json, style
from stackc.cli.table import Column, print_table
from stackc.core.diagnostics import Span, SpecError, shortened
from stackc.core.plurals import counted
from stackc.core.types import TensorType
from stackc.frontend import Checked, Overrides, check_spec
from stackc.ir.program import Program
from stackc.spec.yaml.yaml_reader import parse_scalar

if TYPE_CHECKING:
    from stackc.weights.match import WeightComparison
    from stackc.weights.proposals import Proposal


@click.command("weights")
@spec_argument
@click.argument("files", nargs=-1, metavar="[FILE]...", type=FilePath())
@override_options
@click.option(
    "-o", "--out", type=FilePath(dir_okay=False), metavar="FILE.safetensors",
    help="Write the tensors under the names of the spec.",
)  # fmt: skip
@json_option
def command(spec: Path, files: tuple[Path, ...], overrides: Overrides, out: Path | None, as_json: bool) -> None:
    """List the parameters of SPEC: names, shapes, types, and the lines that they come from.

    With a FILE of weights, or a folder, or several: say what each parameter is read from, and propose entries of
    `weights: {map: …}` for those that the file has under other names. Without one, where parts of SPEC bring weights:
    say what each is read from.
    """
    if out is not None and out.suffix != ".safetensors":
        raise click.UsageError(f"{out} is written as .safetensors: call it {out.with_suffix('.safetensors')}")
    checked = check_spec(spec, overrides)
    rows = list_tensors(checked.program)
    comparison = _compare(checked, files, required=out is not None)
    if comparison is None:
        _show_names(checked, rows, as_json=as_json)
        return

    proposals = _propose(comparison)
    if as_json:
        echo_json(_facts(checked, rows, comparison, proposals))
    else:
        _print_comparison(rows, comparison, proposals)
    if comparison.diagnostics:
        sys.exit(1)
    if out is not None:
        _write(comparison, out, quiet=as_json)


@dataclass(frozen=True, slots=True)
class TensorRow:
    """A parameter or a buffer of a model, and the line of the component that owns it."""

    name: str
    type_: TensorType
    trainable: bool
    span: Span

    @property
    def shape(self) -> list[int]:
        """Its sizes."""
        return [dim.evaluate({}) for dim in self.type_.shape]


def list_tensors(program: Program) -> list[TensorRow]:
    """Return every parameter and buffer of a program under its own name, in running order."""
    rows: dict[str, TensorRow] = {}
    for call in program.calls:
        for names, types, trainable in (
            (call.parameters, call.signature.parameters, True),
            (call.buffers, call.signature.buffers, False),
        ):
            for local, name in names.items():
                rows.setdefault(name, TensorRow(name, types[local], trainable, call.span))
    return list(rows.values())


def _compare(checked: Checked, files: Sequence[Path], *, required: bool) -> WeightComparison | None:
    """Compare the spec with the files, or, if they are `required`, with those that it names. None without any."""
    from stackc.artifact.stored_weights import find_all_weights, open_all_weights
    from stackc.weights.files import describe_paths
    from stackc.weights.match import WeightComparison, compare_weights, weights_path

    if not files and checked.program.parts and (weights := find_all_weights(checked, None)):
        return WeightComparison(weights, (), (), ())
    paths, span = weights_path(checked.document, tuple(files) or None) if files or required else (None, None)
    if paths is None:
        if required:
            raise click.UsageError("-o writes the tensors of a file: name one")
        return None
    program, decl = checked.program, checked.document.weights
    return compare_weights(
        open_all_weights(paths, span), program.tensors(), decl, describe_paths(paths), span,
        params=checked.graph.params, aliases=program.aliases(),
    )  # fmt: skip


def _propose(comparison: WeightComparison) -> tuple[Proposal, ...]:
    from stackc.weights.mismatch import common_prefix
    from stackc.weights.proposals import propose_entries

    if common_prefix(comparison.missing, comparison.unused):
        return ()  # the message has the line that fixes it
    return propose_entries(comparison.missing, comparison.unused, comparison.weights.file.shapes)


def _write(comparison: WeightComparison, out: Path, *, quiet: bool) -> None:
    from stackc.weights.files.writing import write_safetensors

    try:
        types = {name: comparison.weights.types[name] for name in comparison.weights}
        write_safetensors(out, comparison.weights, types)
    except OSError as error:
        raise click.FileError(str(out), error.strerror) from None
    if not quiet:
        echo(style("wrote", fg="green", bold=True), f" {out}")


# -- for people


def _show_names(checked: Checked, rows: Sequence[TensorRow], *, as_json: bool) -> None:
    if as_json:
        echo_json({"name": checked.program.name, "tensors": list(map(_row_facts, rows))})
        return
    cells = [[row.name, str(row.shape), _kind(row), str(row.span)] for row in rows]
    total = ["", f"{checked.cost.parameters:,} parameters", "", ""]
    print_table([Column(title, wrap="never") for title in ("tensor", "shape", "type", "line")], cells, total)


def _kind(row: TensorRow) -> str:
    return row.type_.dtype if row.trainable else f"{row.type_.dtype}, not trained"


def _print_comparison(rows: Sequence[TensorRow], comparison: WeightComparison, proposals: Sequence[Proposal]) -> None:
    sources = comparison.weights.sources
    missing = {item.name for item in comparison.missing}
    random = {} if comparison.diagnostics else dict.fromkeys(comparison.weights.missing, "random")
    cells = [
        [
            row.name,
            str(row.shape),
            "missing" if row.name in missing else str(sources.get(row.name, random.get(row.name, "?"))),
        ]
        for row in rows
    ]
    print_table([Column("tensor", wrap="never"), Column("shape", wrap="never"), Column("read from")], cells)
    for note in comparison.weights.notes:
        echo(f"note: {note}")

    # what is proposed below need not be said twice
    proposed = bool(proposals) and sum(proposal.count for proposal in proposals) == len(missing)
    shown = [d for d in comparison.diagnostics if not (proposed and d.code in ("W801", "W802"))]
    if shown:
        report_diagnostics(SpecError(*shown))
    if not comparison.diagnostics:
        echo(f"{counted(len(sources), 'tensor')}: all match")
    if proposals:
        _print_proposals(proposals, comparison.unused, counted(len(missing), "tensor"))


def _print_proposals(proposals: Sequence[Proposal], unused: Sequence[str], missing: str) -> None:
    echo(f"{missing} missing; to add under `weights: {{map: …}}`, guessed from names, shapes and order:")
    for proposal in proposals:
        echo(f"    {_quoted(proposal.key)}: {_quoted(proposal.text)}")

    reads = {name for proposal in proposals for name in proposal.reads}
    if left := [name for name in unused if name not in reads]:
        more = f" and {len(left) - 8} more" if len(left) > 8 else ""
        echo(f"no parameter would use {', '.join(map(shortened, left[:8]))}{more}")


def _quoted(text: str) -> str:
    """Return a text as YAML has it: in quotes if it would be read as something else."""
    is_plain = re.fullmatch(r"\w[\w.*{}\[\]:/+(), -]*(?<![: ])", text) and ": " not in text
    return text if is_plain and parse_scalar(text) == text else json.dumps(text, ensure_ascii=False)


# -- for programs


def _row_facts(row: TensorRow) -> dict[str, Any]:
    place = {"file": row.span.file, "line": row.span.line}
    return {"name": row.name, "shape": row.shape, "dtype": row.type_.dtype, "trainable": row.trainable, "span": place}


def _facts(
    checked: Checked, rows: Sequence[TensorRow], comparison: WeightComparison, proposals: Sequence[Proposal]
) -> dict[str, Any]:
    sources = comparison.weights.sources
    return {
        "name": checked.program.name,
        "tensors": [
            _row_facts(row) | {"read_from": str(sources[row.name]) if row.name in sources else None} for row in rows
        ],
        "missing": [item.name for item in comparison.missing],
        "unused": list(comparison.unused),
        "notes": list(comparison.weights.notes),
        "proposals": {proposal.key: proposal.text for proposal in proposals},
        "diagnostics": diagnostics_as_json(SpecError(*comparison.diagnostics)),
    }
