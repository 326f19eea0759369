"""How a component acts along the axes of its inputs: where it is pointwise, and where each such axis goes.

A component is pointwise along an axis of an input if y[…, i, …] depends on x[…, i, …] alone there, and not on i itself.
Each class declares it once, as `pointwise_axes`, mostly by one of the functions here; whatever declares nothing may mix
all positions. tests/components/test_axes.py holds every declaration to the module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import takewhile
from typing import Any

from stackc.core.types import Dim, TensorType

Axes = Mapping[int, tuple[int, ...]]
"""The pointwise axes of one input, counted from 0: each with its place in every output."""

Declared = Callable[..., tuple[Axes, ...]]


def everywhere(component: Any, *inputs: TensorType) -> tuple[Axes, ...]:
    """Return every axis of inputs that broadcast to one output, aligned from the last; a size of 1 is repeated."""
    rank = max(x.rank for x in inputs)
    return tuple(_shifted([a for a in range(x.rank) if x.shape[a] != 1], rank - x.rank) for x in inputs)


def except_along(mixed: Callable[[Any, TensorType], Collection[int]], *, outputs: int = 1) -> Declared:
    """Return the declaration of a component whose inputs and outputs have the same axes, pointwise but for `mixed`.

    `mixed(component, x)` are axes of x, counted from 0. Inputs after the first may have other sizes along them.
    """

    def declared(component: Any, x: TensorType, *others: TensorType) -> tuple[Axes, ...]:
        kept = [axis for axis in range(x.rank) if axis not in mixed(component, x)]
        return (_kept(kept, outputs),) * (1 + len(others))

    return declared


def without(removed: Callable[[Any, TensorType], Collection[int]]) -> Declared:
    """Return the declaration of a component that removes the axes `removed(component, x)` and keeps all others."""

    def declared(component: Any, x: TensorType, *others: TensorType | None) -> tuple[Axes, ...]:
        kept = [axis for axis in range(x.rank) if axis not in removed(component, x)]
        return ({axis: (place,) for place, axis in enumerate(kept)}, *({} for _ in others))

    return declared


def leading(count: int) -> Declared:
    """Return the declaration of a component that is pointwise along the first axes of x, such as batch and channels."""

    def declared(component: Any, x: TensorType, *others: TensorType | None) -> tuple[Axes, ...]:
        return (_kept(range(min(count, x.rank))), *({} for _ in others))

    return declared


def rearranged(order: Callable[[Any, TensorType], Sequence[int | None]], *, outputs: int = 1) -> Declared:
    """Return the declaration of a component that moves axes: `order` has for each axis of y that of x, None if new."""

    def declared(component: Any, x: TensorType, *others: TensorType | None) -> tuple[Axes, ...]:
        places = {axis: place for place, axis in enumerate(order(component, x)) if axis is not None}
        return ({axis: (place,) * outputs for axis, place in sorted(places.items())}, *({} for _ in others))

    return declared


def replaced(x: TensorType, axis: int, count: int, *, end: int | None = None) -> list[int | None]:
    """Return the order of the axes of x with `count` new ones in the place of an axis, or of those from it to `end`."""
    first = axis % x.rank
    final = first if end is None else end % x.rank
    return [*range(first), *[None] * count, *range(final + 1, x.rank)]


def inserted(x: TensorType, axis: int) -> list[int | None]:
    """Return the order of the axes of x with a new one at `axis` of y."""
    first = axis % (x.rank + 1)
    return [*range(first), None, *range(first, x.rank)]


def exchanged(x: TensorType, first: int, second: int) -> list[int | None]:
    """Return the order of the axes of x with two of them exchanged."""
    order: list[int | None] = [*range(x.rank)]
    order[first], order[second] = second % x.rank, first % x.rank
    return order


def equal_leading(x: TensorType, sizes: Sequence[int | Dim]) -> list[int]:
    """Return the leading axes that a y of these sizes has from x: 0 copies that of x, or the size is equal."""
    pairs = zip(x.shape, sizes, strict=False)
    return [*range(len([*takewhile(lambda pair: pair[1] in (0, pair[0]), pairs)]))]


def last(component: Any, x: TensorType) -> Collection[int]:
    """Return the last axis of x, that of the features."""
    return (x.rank - 1,)


def any_axis(component: Any, *inputs: TensorType | None) -> tuple[Collection[int], ...]:
    """Return every axis of every input, for `empty_axes`."""
    return tuple(range(x.rank) if x else () for x in inputs)


def pointwise(component: Any, *inputs: TensorType | None) -> tuple[Collection[int], ...]:
    """Return the axes along which a component is pointwise, for `empty_axes`: without an entry there y has none."""
    return tuple(tuple(axes) for axes in component.pointwise_axes(*inputs))


def _kept(axes: Collection[int], outputs: int = 1) -> Axes:
    return {axis: (axis,) * outputs for axis in axes}


def _shifted(axes: Collection[int], by: int) -> Axes:
    return {axis: (axis + by,) for axis in axes}
