"""Arguments and options shared by several commands."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click
from click.shell_completion import CompletionItem

from stackc.cli.spec_completion import complete_dims, complete_params
from stackc.core.diagnostics import SpecError, shortened
from stackc.ir.assertions import SPEED_FIGURES

F = TypeVar("F", bound=Callable[..., Any])


class FilePath(click.Path):
    """A path that need not exist, but could."""

    def __init__(self, *, dir_okay: bool = True) -> None:
        super().__init__(path_type=Path, dir_okay=dir_okay)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path. Raises click.BadParameter if it is longer than the file system allows."""
        text = os.fsdecode(value)
        try:
            os.lstat(text)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                self.fail(f"'{shortened(text)}' is longer than a name or a path may be", param, ctx)
        return super().convert(value, param, ctx)


class SpecPath(FilePath):
    """The path of a spec or an artifact. Restores an artifact that a killed build has not finished replacing."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path. Raises click.BadParameter if it is empty or a URL."""
        text = os.fsdecode(value)
        if not text:
            self.fail("the name of the spec is empty", param, ctx)
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
            self.fail(f"'{text}' is a URL; a spec is a file: download it first", param, ctx)
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not os.path.lexists(path):
            from stackc.artifact.atomic import recover

            recover(path)
        return path


def comma_separated(item: click.ParamType[Any]) -> dict[str, Any]:
    """Return the settings of an option with several values, separated by commas or repeated: unique, in order."""

    def convert(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> tuple[Any, ...]:
        parts = (part.strip() for text in texts for part in text.split(","))
        return tuple(dict.fromkeys(item.convert(part, option, ctx) for part in parts))

    def complete(ctx: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        return [CompletionItem(before + comma + match.value) for match in item.shell_complete(ctx, option, last)]

    return {"multiple": True, "callback": convert, "shell_complete": complete}


spec_argument = click.argument("spec", type=SpecPath())
provider_option = click.option(
    "--provider",
    type=click.Choice(["auto", "cpu", "cuda", "tensorrt"]),
    default="auto",
    show_default=True,
    help="ONNX Runtime's execution provider; an error if a provider other than auto does not open.",
)
require_option = click.option(
    "--require-provider", is_flag=True, help="Fail if a node of the model is assigned to another provider."
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), help="Threads per operation. Default: all cores."
)


def _comparisons(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Parse `p50_ms<=30,accuracy>=0.9` to comparisons by name. Raises click.BadParameter if one is not a comparison."""
    comparisons: dict[str, str] = {}
    for text in (part.strip() for value in values for part in value.split(",")):
        match = re.fullmatch(r"([^\s<>=]+)\s*(<=|>=)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)", text, re.IGNORECASE)
        if match is None:
            raise click.BadParameter(f"'{shortened(text)}' is not NAME<=NUMBER or NAME>=NUMBER", ctx, option)
        name = match[1]
        if comparisons.setdefault(name, "".join(match.groups())) != "".join(match.groups()):
            raise click.BadParameter(f"{name} is asserted twice", ctx, option)
    return comparisons


assert_option = click.option(
    "--assert", "asserted", multiple=True, metavar="NAME<=NUMBER", callback=_comparisons,
    help=(
        "Fail unless a figure is within a bound, such as 'p50_ms<=30,ratio_to_eager<=1' (quoted: < is the shell's); "
        f"of speed there are {', '.join(SPEED_FIGURES)}."
    ),
)  # fmt: skip
flush_option = click.option(
    "--flush-denormals", is_flag=True,
    help="Take numbers below 1e-38 for zero, faster on some processors; outputs are held to what is proven.",
)  # fmt: skip

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[str]]


def completing(names: Callable[[], Iterable[str]]) -> Completer:
    """Return a shell completion of an argument: the names that start with it, ignoring case."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        return [name for name in names() if name.lower().startswith(incomplete.lower())]

    return complete


def override_options(command: F) -> F:
    """Add `--set`, `--dims` and `--trust`, which the command receives as `overrides`."""

    @click.option(
        "--set",
        "params",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_pairs,
        shell_complete=complete_params,
        help="Set a param of the spec; separate several with commas: dim=3,layers=4.",
    )
    @click.option(
        "--dims",
        "dims",
        multiple=True,
        metavar="NAME=SIZE",
        callback=_sizes,
        shell_complete=complete_dims,
        help="Fix the size of a dim; separate several with commas: batch=8,seq=128.",
    )
    @click.option(
        "--trust", multiple=True, metavar="MODULE", callback=_modules,
        help="Allow the code of a Python module, whose classes `op: torch` names, to run.",
    )  # fmt: skip
    @wraps(command)
    def with_overrides(
        *args: Any, params: dict[str, str], dims: dict[str, int], trust: tuple[str, ...], **kwargs: Any
    ) -> Any:
        from stackc.frontend import Overrides

        return command(*args, overrides=Overrides(params, dims, trust), **kwargs)

    return with_overrides  # type: ignore[return-value]  # click passes keywords, which the type cannot express


def data_option(command: F) -> F:
    """Add `--data`, files of examples: FILE for training, or NAME=FILE; the command receives them by name."""
    option = click.option(
        "--data", multiple=True, metavar="FILE", callback=_examples,
        help="Examples in place of those of the spec: FILE to train on, or train=FILE, validation=FILE.",
    )  # fmt: skip
    return option(command)


def _examples(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Path]:
    """Parse `a.npz` and `train=a.npz,validation=b.npz`. Raises click.BadParameter for another name or a second file."""
    files: dict[str, Path] = {}
    for text in (part for value in values for part in value.split(",")):
        name, file = text.split("=", 1) if "=" in text else ("train", text)
        if name not in ("train", "validation"):
            raise click.BadParameter(f"'{name}' is neither train nor validation", ctx, option)
        path = FilePath().convert(file, option, ctx)
        if files.setdefault(name, path) != path:
            raise click.BadParameter(f"{name} is set twice, to {files[name]} and to {path}", ctx, option)
    return files


def json_option(command: F) -> F:
    """Add `--json`, which the command receives as `as_json`; with it, diagnostics too go to the standard output."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
    @wraps(command)
    def with_json(*args: Any, as_json: bool, **kwargs: Any) -> Any:
        try:
            return command(*args, as_json=as_json, **kwargs)
        except SpecError as error:
            if not as_json:
                raise
            from stackc.cli.report import diagnostics_as_json
            from stackc.cli.screen import echo_json

            echo_json({"diagnostics": diagnostics_as_json(error)})
            sys.exit(1)

    return with_json  # type: ignore[return-value]  # click passes keywords, which the type cannot express


def diagnostics_option(command: F) -> F:
    """Add `--format`, the form of diagnostics, and `--json`, which is that form for all that the command prints.

    `json` and `github` go to the standard output. The command receives `as_json`.
    """
    with_json = json_option(command)

    @click.option(
        "--format", "form", type=click.Choice(["text", "json", "github"]), default="text", show_default=True,
        help="The form of diagnostics: text with source lines, JSON, or annotations of a GitHub workflow.",
    )  # fmt: skip
    @wraps(with_json)
    def with_format(*args: Any, form: str, as_json: bool, **kwargs: Any) -> Any:
        try:
            return with_json(*args, as_json=as_json or form == "json", **kwargs)
        except SpecError as error:
            if form != "github":
                raise
            from stackc.cli.report import github_annotation
            from stackc.cli.screen import echo_text

            echo_text("\n".join(map(github_annotation, error.diagnostics)))
            sys.exit(1)

    return with_format  # type: ignore[return-value]  # click passes keywords, which the type cannot express


def _pairs(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Parse `a=1 b=[2,3]`, or `a=1,b=[2,3]`. Raises click.BadParameter if a name has two values."""
    pairs: dict[str, str] = {}
    for text in (part for value in values for part in split_outside_brackets(value)):
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"'{text}' is not NAME=VALUE", ctx, option)
        name, value = name.strip(), value.strip()
        if pairs.setdefault(name, value) != value:
            raise click.BadParameter(f"{name} is set twice, to {pairs[name]} and to {value}", ctx, option)
    return pairs


def split_outside_brackets(text: str) -> list[str]:
    """Split at the commas between values, not at those of a list or a call."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "[(") - (character in "])")
        if character == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


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
            raise click.BadParameter(f"{name}={value}: a size must be a whole number of at least 1", ctx, option)
        sizes[name] = int(value)
    return sizes
