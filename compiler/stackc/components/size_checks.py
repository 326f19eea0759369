"""Checks of fields that are sizes of axes, shared by components that reshape and slice."""

from __future__ import annotations

from collections.abc import Sequence

from stackc.components.base import Limit, SignatureError
from stackc.components.size_expressions import SizeExpression, read_off
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
