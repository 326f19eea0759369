"""Take weights apart that weight_norm made: w = g·v/‖v‖ is stored as w alone, in whatever order operators need it.

A weight that is put under weight_norm gets v = w and g = ‖w‖, and so does one that is read back: the same function,
from other numbers than those it was trained with. Which number of a result is which number of w is seen by running its
calculation on numbers that say where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from stackc.export.storage import Stored

Array = np.ndarray[Any, Any]
Shapes = Mapping[str, tuple[int, ...]]

MAGNITUDE, DIRECTION = "original0", "original1"
_BASE = 1 << 11
"""Places are calculated with digit by digit: a float32 has each exactly, and is a rounding away after a norm."""


def direction_of(name: str) -> str | None:
    """Return the name of the directions v that a magnitude g belongs to; None for any other parameter."""
    head, _, last = name.rpartition(".")
    return f"{head}.{DIRECTION}" if last == MAGNITUDE else None


def magnitudes(directions: Array, shape: tuple[int, ...]) -> Array:
    """Return ‖v‖ along the axes on which a magnitude of this shape has one number."""
    axes = tuple(axis for axis, size in enumerate(shape) if size == 1) if shape else None
    squares = np.square(directions.astype(np.float64)).sum(axes, keepdims=bool(shape))
    return np.asarray(np.sqrt(squares), directions.dtype).reshape(shape)


def signed_places(stored: Stored, shapes: Shapes) -> list[Array] | None:
    """Return the place of each number of the results among the numbers of all sources but magnitudes, from 1.

    A place is negative where the number is negated. None if the results hold anything but these numbers, each once.
    """
    from stackc.export.weight_folding import run_subgraph

    assert stored.subgraph is not None, "an unchanged tensor needs none"
    held = [source for source in stored.sources if direction_of(source) is None]
    if any(direction_of(source) not in {None, *held} for source in stored.sources):
        return None
    count = sum(int(np.prod(shapes[source])) for source in held)

    places: list[Array] = []
    signs: list[Array] = []
    for power in range(_digits(count)):
        results = run_subgraph(stored.subgraph, _numbered(stored, shapes, power))
        digits = [np.rint(result).astype(np.int64) for result in results]
        if any(np.abs(result - digit).max(initial=0.0) > 0.01 for result, digit in zip(results, digits, strict=True)):
            return None
        signs = signs or [np.sign(digit) for digit in digits]
        shares = [(np.abs(digit) - 1) * _BASE**power for digit in digits]
        places = [a + b for a, b in zip(places, shares, strict=True)] if places else shares

    everywhere = np.sort(np.concatenate([place.reshape(-1) for place in places]))
    if not np.array_equal(everywhere, np.arange(count)):
        return None
    return [(place + 1) * sign for place, sign in zip(places, signs, strict=True)]


def _numbered(stored: Stored, shapes: Shapes, power: int) -> list[Array]:
    """Return parameters whose directions hold one digit of their places, from 1, and whose magnitudes keep them."""
    numbers: dict[str, Array] = {}
    start = 0
    for source in stored.sources:
        if direction_of(source) is None:
            size = int(np.prod(shapes[source]))
            digits = np.arange(start, start + size) // _BASE**power % _BASE + 1
            numbers[source] = digits.reshape(shapes[source]).astype(np.float32)
            start += size
    for source in stored.sources:
        if direction := direction_of(source):
            numbers[source] = magnitudes(numbers[direction], shapes[source])
    return [numbers[source] for source in stored.sources]


def _digits(count: int) -> int:
    digits = 1
    while _BASE**digits < count:
        digits += 1
    return digits
