"""Step 2 of the export: units → objects, from the cache if an earlier build compiled them, else compiled and kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types

from stackc.cache import Cache
from stackc.core.diagnostics import Span
from stackc.export.compile import compile_units
from stackc.export.objects import Object
from stackc.export.units import Unit


def compile_cached(units: Mapping[Unit, Span], cache: Cache | None) -> tuple[dict[Unit, Object], int]:
    """Return the object of every unit, and how many of them came from the cache.

    Raises the errors of `compile_units`.
    """
    if cache is None:
        return compile_units(units), 0

    keys = keys_of(units)
    recalled = {unit: stored for unit, key in keys.items() if (stored := _recall(cache, key))}
    compiled = compile_units({unit: span for unit, span in units.items() if unit not in recalled})

    for unit, compiled_object in compiled.items():
        if unit in keys:
            cache.write(keys[unit], compiled_object.to_bytes())
    if compiled:
        cache.trim()
    return {unit: recalled.get(unit) or compiled[unit] for unit in units}, len(recalled)


def keys_of(units: Iterable[Unit]) -> dict[Unit, str]:
    """Return the keys of the units that have one."""
    keys: dict[Unit, str] = {}
    for unit in units:
        try:
            keys[unit] = unit.key
        except TypeError:
            continue
    return keys


def _recall(cache: Cache, key: str) -> Object | None:
    """Return the stored object; None if there is none, or the entry cannot be read."""
    content = cache.read(key)
    try:
        return Object.from_bytes(content) if content is not None else None
    except (ValueError, DecodeError):
        return None
