"""stackc cache."""

from __future__ import annotations

import json

import click

from stackc.cache import Cache, user_cache
from stackc.cli.options import json_option


@click.command("cache")
@click.option("--clear", is_flag=True, help="Remove everything that is kept.")
@json_option
def command(clear: bool, as_json: bool) -> None:
    """Tell where compiled components are kept for later builds, how many, and how large they are.

    STACKC_CACHE names another folder. What no build has asked for in 30 days goes by itself, and so does what exceeds
    256 MiB, the longest unused first.
    """
    cache = user_cache()
    if cache is None:
        raise click.ClickException("there is no home folder, so nothing is kept; STACKC_CACHE names a folder")
    removed = cache.clear() if clear else None
    if as_json:
        click.echo(json.dumps(_facts(cache, removed), indent=2))
    elif removed is not None:
        click.echo(f"{cache.folder}: {_amount(*removed)} removed")
    else:
        click.echo(f"{cache.folder}: {_amount(*_size(cache))}")


def _facts(cache: Cache, removed: tuple[int, int] | None) -> dict[str, object]:
    count, size = _size(cache)
    facts: dict[str, object] = {"folder": str(cache.folder), "components": count, "bytes": size}
    return facts if removed is None else facts | {"removed": removed[0]}


def _size(cache: Cache) -> tuple[int, int]:
    entries = cache.entries()
    return len(entries), sum(entry.bytes for entry in entries)


def _amount(count: int, size: int) -> str:
    from stackc.view.figures import bytes_text

    return f"{count:,} compiled component{'' if count == 1 else 's'}, {bytes_text(size)}"
