"""Units → objects: what an earlier build compiled is recalled from the cache, the rest is compiled and kept there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types

from stackc.cache import Cache
from stackc.core.diagnostics import Span
from stackc.export.compile import compile_units
from stackc.export.objects import Object
from stackc.export.units import Unit


def compile_cached(units: Mapping[Unit, Span], cache: Cache | None) -> tuple[dict[Unit, Object], int]:
    """The object of every unit, and how many of them came from the cache. Raises what `compile_units` raises."""
    if cache is None:
        return compile_units(units), 0
    keys = keys_of(units)
    recalled = {unit: found for unit, key in keys.items() if (found := _recall(cache, key))}
    compiled = compile_units({unit: span for unit, span in units.items() if unit not in recalled})
    for unit, made in compiled.items():
        if unit in keys:
            cache.write(keys[unit], made.to_bytes())
    if compiled:
        cache.trim()
    return {unit: recalled.get(unit) or compiled[unit] for unit in units}, len(recalled)


def keys_of(units: Iterable[Unit]) -> dict[Unit, str]:
    """The keys of the units that have one."""
    keys: dict[Unit, str] = {}
    for unit in units:
        try:
            keys[unit] = unit.key
        except TypeError:
            continue
    return keys


def _recall(cache: Cache, key: str) -> Object | None:
    content = cache.read(key)
    try:
        return Object.from_bytes(content) if content is not None else None
    except (ValueError, DecodeError):
        return None
