"""Shell completion from the spec on the command line: its params, its dims, its components.

A spec that cannot be read, or does not stand on the line yet, completes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from stackc.core.diagnostics import SpecError

if TYPE_CHECKING:
    from stackc.ir.program import Program
    from stackc.spec.document import Document


def complete_params(ctx: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return `NAME=` for the params of the spec, after a comma too."""
    document = _document(ctx)
    return _after_comma(incomplete, [f"{name}=" for name in document.params] if document else [])


def complete_dims(ctx: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return `NAME=` for the dims of the inputs of the spec."""
    program = _program(ctx)
    sizes = [size for x in program.inputs.values() for size in x.shape] if program else []
    return _after_comma(incomplete, sorted({f"{name}=" for size in sizes for name in size.symbols()}))


def complete_components(ctx: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the paths of the nodes of the spec: components, blocks and stacks."""
    program = _program(ctx)
    if program is None:
        return []
    paths = [*(frame.path for frame in program.frames), *(call.path for call in program.calls)]
    return _after_comma(incomplete, sorted(filter(None, dict.fromkeys(paths))))


def _spec_path(ctx: click.Context) -> Path | None:
    """Return the path of the spec that the line has so far; of several the first.

    An option that still lacks its value keeps click from reading arguments: they are left in `ctx.args` then.
    """
    given = ctx.params.get("spec") or next((word for word in ctx.args if not word.startswith("-")), None)
    return Path(given) if given else None


def _document(ctx: click.Context) -> Document | None:
    from stackc.spec.reader import parse
    from stackc.spec.source import load_source

    path = _spec_path(ctx)
    try:
        return parse(load_source(path), recover=True) if path else None
    except SpecError:
        return None


def _program(ctx: click.Context) -> Program | None:
    from stackc.frontend import check_spec

    path = _spec_path(ctx)
    try:
        return check_spec(path).program if path else None
    except SpecError:
        return None


def _after_comma(incomplete: str, names: list[str]) -> list[CompletionItem]:
    before, comma, last = incomplete.rpartition(",")
    return [CompletionItem(before + comma + name) for name in names if name.startswith(last)]
