"""Checks of fields that are sizes of axes, shared by components that reshape and slice."""

from __future__ import annotations

from collections.abc import Sequence

from stackc.components.base import Limit, SignatureError
from stackc.components.size_expressions import SizeExpression, lower_bound, read_off
from stackc.core.types import Dim, TensorType


def read_off_all(
    sizes: tuple[int | Dim, ...], x: TensorType, like: TensorType | None, field: str
) -> tuple[int | SizeExpression, ...]:
    """Return the sizes for a module to compute. Raises SignatureError if it cannot, or (T208) if `like` is unused."""
    if like is not None and not any(isinstance(size, Dim) for size in sizes):
        message = "like is unused: all sizes are numbers"
        raise SignatureError(message, code="T208", port="like", hint="remove the arrow into it")
    return tuple(read_off(size, (x, like), field) for size in sizes)


def at_least_one(sizes: Sequence[int | Dim]) -> tuple[Limit, ...]:
    """Return the limit of each size with dims: at least 1."""
    return tuple(Limit(size, "it makes an axis of that size") for size in sizes if isinstance(size, Dim))


def sizes_text(size: int | Dim | tuple[int | Dim, ...]) -> str:
    """Return a field as the spec writes it."""
    return f"[{', '.join(map(str, size))}]" if isinstance(size, tuple) else str(size)


def require_entries(size: Dim, needed: int, x: TensorType, field: str) -> None:
    """Raise SignatureError if an axis of x is known to have fewer entries than `needed`."""
    if size.constant is not None and size.constant < needed:
        raise SignatureError(f"an axis of {size} entries in {x} has no entry {needed - 1}", field=field)


# -- entries that a slice takes


def entries_before_end(start: int, omitted: int, entries: Dim, x: TensorType) -> list[Limit]:
    """Return the limit by which an entry is left from `start` on, before those omitted at the end.

    Raises SignatureError if there is none.
    """
    if start < 0 <= start + omitted:
        message = f"no entry lies between {start} and the last {omitted}"
        raise SignatureError(message, field="size", hint=f"with `size: {-omitted}`, start is below {-omitted}")
    needed = start + omitted + 1 if start >= 0 else -start
    require_entries(entries, needed, x, "size" if omitted else "start")
    without = f", without the last {omitted}" if omitted else ""
    return [Limit(entries, f"it takes the entries from {start} on{without}", minimum=needed)]


def enough_entries(start: int, size: int, entries: Dim, x: TensorType) -> list[Limit]:
    """Return the limit that an axis has enough entries for a constant size. Raises SignatureError if not."""
    if start < 0 < start + size:
        raise SignatureError(f"{size} entries from {start} on extend beyond the end", field="size")
    needed = start + size if start >= 0 else -start
    require_entries(entries, needed, x, "size")
    return [Limit(entries, f"it takes {size} entries from {start} on", minimum=needed)]


def remaining_entries(start: int, size: Dim, axis: int, x: TensorType) -> Limit:
    """Return the limit that the entries after a size with dims number at least 0.

    Raises SignatureError unless their number is a constant or grows with the dims.
    """
    entries = x.shape[axis]
    rest = lower_bound(entries - start - size if start >= 0 else Dim.of(-start) - size)
    if rest is None or (rest.constant or 0) < 0:
        message = f"{size} entries from {start} on may exceed the {entries} of axis {axis} of {x}"
        raise SignatureError(message, field="size")
    return Limit(rest, f"it takes {size} entries from {start} on, of {entries}", minimum=0)


def slice_limits(start: int, size: Dim, omitted: int | None, axis: int, x: TensorType) -> list[Limit]:
    """Return the limits of `size` entries from `start` on, or of all but `omitted` at the end."""
    entries = x.shape[axis % x.rank]
    if omitted is not None:
        return entries_before_end(start, omitted, entries, x)
    if size.constant is not None:
        return enough_entries(start, size.constant, entries, x)
    return [*at_least_one([size]), remaining_entries(start, size, axis, x)]
