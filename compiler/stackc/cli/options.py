"""Arguments and options that several commands share, defined once."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click
from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


class SpecPath(click.Path):
    """A spec, or an artifact, which is put back first where a build was killed in the middle of replacing it."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path. Wrong usage where it names nothing, or something on the network."""
        text = os.fsdecode(value)
        if not text:
            self.fail("the name of the spec is empty", param, ctx)
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
            self.fail(f"'{text}' is a URL; a spec is a file: download it, and name that", param, ctx)
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not os.path.lexists(path):
            from stackc.artifact.atomic import recover

            recover(path)
        return path


def comma_separated(item: click.ParamType[Any]) -> dict[str, Any]:
    """What makes an option take several values, with commas between them or said again: each once, in order."""

    def convert(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> tuple[Any, ...]:
        parts = (part.strip() for text in texts for part in text.split(","))
        return tuple(dict.fromkeys(item.convert(part, option, ctx) for part in parts))

    def complete(ctx: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        return [CompletionItem(before + comma + found.value) for found in item.shell_complete(ctx, option, last)]

    return {"multiple": True, "callback": convert, "shell_complete": complete}


spec_argument = click.argument("spec", type=SpecPath())
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
provider_option = click.option(
    "--provider",
    type=click.Choice(["auto", "cpu", "cuda", "tensorrt"]),
    default="auto",
    show_default=True,
    help="ONNX Runtime's execution provider; one that is asked for and does not open is an error.",
)
require_option = click.option(
    "--require-provider", is_flag=True, help="Fail where a node of the model went to another provider than that."
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), help="Threads for one operation; default: all cores."
)


Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[str]]


def completing(names: Callable[[], Iterable[str]]) -> Completer:
    """What a shell completes an argument with: the names that begin as it does, whatever their case."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        return [name for name in names() if name.lower().startswith(incomplete.lower())]

    return complete


def override_options(command: F) -> F:
    """`--set`, `--dims` and `--trust`, handed to the command as `overrides`."""

    @click.option(
        "--set",
        "params",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_pairs,
        help="Set a param of the spec; several at once with commas: dim=3,layers=4.",
    )
    @click.option(
        "--dims",
        "dims",
        multiple=True,
        metavar="NAME=SIZE",
        callback=_sizes,
        help="Fix the size of a dim; several at once with commas: batch=8,seq=128.",
    )
    @click.option(
        "--trust", multiple=True, metavar="MODULE", callback=_modules,
        help="Let the code of a Python module run, whose classes `op: torch` names.",
    )  # fmt: skip
    @wraps(command)
    def with_overrides(
        *args: Any, params: dict[str, str], dims: dict[str, int], trust: tuple[str, ...], **kwargs: Any
    ) -> Any:
        from stackc.frontend import Overrides

        return command(*args, overrides=Overrides(params, dims, trust), **kwargs)

    return with_overrides  # type: ignore[return-value]  # click passes keywords, which no type of a decorator says


def diagnostics_option(command: F) -> F:
    """`--format`: how diagnostics are told; `json` and `github` go to the standard output.

    The command gets `as_json`, which `--json` sets as well.
    """

    @click.option(
        "--format", "form", type=click.Choice(["text", "json", "github"]), default="text", show_default=True,
        help="How mistakes are told: with their lines, as JSON, or as annotations of a GitHub workflow.",
    )  # fmt: skip
    @json_option
    @wraps(command)
    def with_format(*args: Any, form: str, as_json: bool, **kwargs: Any) -> Any:
        from stackc.cli.report import diagnostics_as_json, github_annotation
        from stackc.core.diagnostics import SpecError

        as_json = as_json or form == "json"
        try:
            return command(*args, as_json=as_json, **kwargs)
        except SpecError as error:
            if as_json:
                click.echo(json.dumps({"diagnostics": diagnostics_as_json(error)}, ensure_ascii=False))
            elif form == "github":
                click.echo("\n".join(map(github_annotation, error.diagnostics)))
            else:
                raise
            sys.exit(1)

    return with_format  # type: ignore[return-value]  # click passes keywords, which no type of a decorator says


def _pairs(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """`a=1 b=2`, also as `a=1,b=2`; wrong usage where a name has two values."""
    pairs: dict[str, str] = {}
    for text in (part for value in values for part in value.split(",")):
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"'{text}' is not NAME=VALUE", ctx, option)
        name, value = name.strip(), value.strip()
        if pairs.setdefault(name, value) != value:
            raise click.BadParameter(f"{name} is given twice, as {pairs[name]} and as {value}", ctx, option)
    return pairs


def _modules(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name for value in values for name in value.split(","))
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise click.BadParameter(f"'{name}' is not the dotted name of a Python module", ctx, option)
    return names


def _sizes(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    sizes = {}
    for name, value in _pairs(ctx, option, values).items():
        if not value.isdecimal() or int(value) < 1:
            raise click.BadParameter(f"{name}={value}: a size is a whole number from 1 up", ctx, option)
        sizes[name] = int(value)
    return sizes
