"""Failures of the command line itself, as the JSON that `--json` prints of those of a spec, and its published schema.

A wrong use of a command is X004, an interrupt (Ctrl-C) X005, an error in stackc X006.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import click

from stackc.cli.report import diagnostics_as_json
from stackc.cli.screen import echo_json
from stackc.core.diagnostics import Diagnostic, SpecError

INTERRUPTED = 130
"""The exit status after Ctrl-C: 128 and the number of SIGINT, as shells have it."""


def asks_for_json(words: Sequence[str]) -> bool:
    """Return whether a command line has `--json` or `--format json` among its options."""
    options = [*words[: words.index("--")]] if "--" in words else [*words]
    return "--json" in options or "--format=json" in options or ("--format", "json") in pairwise(options)


def print_failure(error: BaseException) -> None:
    """Print a failure that is no SpecError as JSON to the standard output."""
    echo_json({"diagnostics": diagnostics_as_json(SpecError(_diagnostic(error)))})


def _diagnostic(error: BaseException) -> Diagnostic:
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        hint = f"see `{context.command_path} --help`" if context else None
        return Diagnostic("X004", error.format_message(), hint=hint)
    if isinstance(error, click.Abort):
        return Diagnostic("X005", "interrupted")
    message = f"{type(error).__name__}: {error}"
    return Diagnostic("X006", message, hint="please report it, with the spec and the command")


def failure_schema() -> dict[str, Any]:
    """Return the JSON Schema of what every command prints with `--json` when it ends with another status than 0."""
    span = _record(
        "A place in a file; line 0 is none, as for an option of the command line.",
        file={"type": "string"},
        line={"type": "integer", "minimum": 0},
        column={"type": "integer", "minimum": 0},
        end={"type": "integer", "minimum": 0, "description": "The column after the last character."},
    )

    note = _record(
        "A second place that the message refers to.", message={"type": "string"}, span={"$ref": "#/$defs/span"}
    )
    diagnostic = _record(
        "One problem.",
        code={"type": "string", "pattern": "^[A-Z][0-9]{3}$", "description": "`stackc explain CODE` says more."},
        message={"type": "string"},
        span={"oneOf": [{"$ref": "#/$defs/span"}, {"type": "null"}]},
        hint={"type": ["string", "null"], "description": "What makes the problem go away."},
        notes={"type": "array", "items": {"$ref": "#/$defs/note"}},
    )

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A failure of stackc",
        **_record(
            "What every command prints with --json where it fails. Exit status: 1 the spec or the proof, 2 wrong use "
            "of the command (X004), 130 Ctrl-C (X005).",
            diagnostics={"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/diagnostic"}},
        ),
        "$defs": {"diagnostic": diagnostic, "note": note, "span": span},
    }


def _record(description: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": description,
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }
