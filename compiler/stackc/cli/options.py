"""Arguments and options that several commands share, defined once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    pass

F = TypeVar("F", bound=Callable[..., Any])

spec_argument = click.argument("spec", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
provider_option = click.option(
    "--provider",
    type=click.Choice(["auto", "cpu", "cuda", "tensorrt"]),
    default="auto",
    show_default=True,
    help="ONNX Runtime's execution provider; one that is asked for and does not open is an error.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), help="Threads for one operation; default: all cores."
)


def override_options(command: F) -> F:
    """`--set` and `--dims`, handed to the command as `overrides`."""

    @click.option(
        "--set", "params", multiple=True, metavar="NAME=VALUE", callback=_pairs, help="Set a param of the spec."
    )
    @click.option("--dims", "dims", multiple=True, metavar="NAME=SIZE", callback=_sizes, help="Fix the size of a dim.")
    @wraps(command)
    def with_overrides(*args: Any, params: dict[str, str], dims: dict[str, int], **kwargs: Any) -> Any:
        from stackc.front import Overrides

        return command(*args, overrides=Overrides(params, dims), **kwargs)

    return with_overrides  # type: ignore[return-value]  # click passes keywords, which no type of a decorator says


def _pairs(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """`a=1 b=2`, also as `a=1,b=2`."""
    pairs = {}
    for text in (part for value in values for part in value.split(",")):
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"'{text}' is not NAME=VALUE", ctx, option)
        pairs[name.strip()] = value.strip()
    return pairs


def _sizes(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    sizes = {}
    for name, value in _pairs(ctx, option, values).items():
        if not value.isdecimal() or int(value) < 1:
            raise click.BadParameter(f"{name}={value}: a size is a whole number from 1 up", ctx, option)
        sizes[name] = int(value)
    return sizes
