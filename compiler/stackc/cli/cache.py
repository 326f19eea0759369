"""stackc cache."""

from __future__ import annotations

import click

from stackc.cache import Cache, user_cache
from stackc.cli.options import json_option
from stackc.cli.screen import echo_json


@click.command("cache")
@click.option("--clear", is_flag=True, help="Remove all cached components.")
@json_option
def command(clear: bool, as_json: bool) -> None:
    """Show or clear the cache of compiled components: its folder, its size, how many it contains.

    STACKC_CACHE sets another folder. Components that no build has used for 30 days are removed automatically, as are
    those beyond 256 MiB, the least recently used first.
    """
    cache = user_cache()
    if cache is None:
        raise click.ClickException("there is no home folder, so nothing is cached; set STACKC_CACHE to a folder")

    removed = cache.clear() if clear else None
    if as_json:
        echo_json(_facts(cache, removed), indent=2)
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
    from stackc.core.plurals import counted
    from stackc.view.figures import bytes_text

    return f"{counted(count, 'compiled component')}, {bytes_text(size)}"
