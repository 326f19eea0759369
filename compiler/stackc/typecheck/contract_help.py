"""What to declare under `dims:` where the contract allows sizes that do not fit."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from stackc.core.types import INT64, Bounds, Dim, DimRange
from stackc.spec.document import DimDecl
from stackc.spec.yaml.tree import Value

LIMITS = ("min", "max", "below", "multiple_of")
"""The keys of a contract, in the order in which it is written."""


def declaration(name: str, dims: Mapping[str, DimDecl], key: str, value: int) -> str:
    """Return the contract of a dim with one limit changed, or added to those that are written."""
    limits: dict[str, Value | None] = {}
    if decl := dims.get(name):
        limits = {"min": decl.minimum, "max": decl.maximum, "below": decl.below, "multiple_of": decl.multiple_of}
    written: dict[str, object] = {other: limit.data for other, limit in limits.items() if limit is not None}
    if key == "max":
        written.pop("below", None)  # which is another way to write it
    written[key] = value
    return f"{name}: {{{', '.join(f'{other}: {written[other]}' for other in LIMITS if other in written)}}}"


def fill(dim: Dim, bounds: Bounds, dims: Mapping[str, DimDecl]) -> str:
    """Return the help that keeps an axis of this size from being empty."""
    declared = [f"`{declaration(name, dims, 'min', least)}`" for name, least in filling(dim, bounds).items()]
    return f"declare {' and '.join(declared)} under `dims:`"


def filling(dim: Dim, bounds: Bounds) -> dict[str, int]:
    """Return the least minima of as few symbols as are enough for a dim to be 1 or more."""
    sizes = {name: bounds.contract.get(name, DimRange()).least for name in dim.symbols()}
    minima: dict[str, int] = {}
    for name in filter(bounds.may_be_empty, dim.symbols()):
        if dim.evaluate(sizes) < 1:
            sizes[name], minima[name] = bounds.contract[name].least_filled, 1

    # 1 is not enough where entries are lost, as in `past//2`
    for name in minima or sizes:
        if dim.evaluate(sizes) < 1:
            minima[name] = sizes[name] = _least_size(dim, name, sizes)
    return minima


def _least_size(dim: Dim, name: str, sizes: Mapping[str, int]) -> int:
    """Return the least size of a symbol at which a dim, which grows with it, is 1 or more, the others as they are."""
    return bisect_left(range(INT64 - 1), 1, key=lambda size: dim.evaluate({**sizes, name: size}))
