"""Draw the values of inputs: as the spec declares them, at both ends of their ranges, and beyond if it has none.

random          floats from N(0, 1), or uniform within their range; whole numbers uniform within theirs
full, empty     as random, but inputs with listed values, such as masks, hold the largest or the smallest everywhere
ids             as full: more positions for the ids below
at min, at max  floats hold the end of their range everywhere
zeros, times 1e-3, times 1e3, plus 100, minus 100
                what is made of N(0, 1) for floats without a range, or beyond an end that it leaves open

The last five are extreme: no spec asked for them, so a proof judges them only where PyTorch itself gives finite
numbers. Masks are full at all draws but `random` and `empty`. Among the ids of an input are, over the draws of a proof,
0, the last one, and one of every 64th of its range (`IdDraws`).
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping

import ml_dtypes
import numpy as np
import numpy.typing as npt

from stackc.core.types import FLOATS
from stackc.core.value_range import ValueRange
from stackc.ir.program import Program
from stackc.typecheck.ranges import read_by_masks

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float64]

_EXTREMES: Mapping[str, Callable[[Floats], Floats]] = {
    "zeros": lambda z: 0 * z,
    "plus 100": lambda z: z + 100,
    "times 1e3": lambda z: z * 1e3,
    "minus 100": lambda z: z - 100,
    "times 1e-3": lambda z: z * 1e-3,
}
PARTS = 64  # of the range of an input of whole numbers: a number of each of them is drawn


def is_extreme(draw: str) -> bool:
    """Return whether a draw goes beyond what the spec declares."""
    return draw in _EXTREMES


def value_draws(program: Program, ranges: Mapping[str, ValueRange]) -> tuple[str, ...]:
    """Return the draws of a program besides the random, full and empty one: those that change any float input."""
    allowed = [ranges.get(name, ValueRange()) for name, type_ in program.inputs.items() if type_.is_float]
    ends = ("at min", "at max") if any(each != ValueRange() for each in allowed) else ()
    return ends + (tuple(_EXTREMES) if open_inputs(program, ranges) else ())


def open_inputs(program: Program, ranges: Mapping[str, ValueRange]) -> tuple[str, ...]:
    """Return the float inputs whose range has an open end: extreme draws go beyond it."""
    allowed = {name: ranges.get(name, ValueRange()) for name, type_ in program.inputs.items() if type_.is_float}
    return tuple(
        name for name, each in allowed.items() if not each.choices and (each.minimum is None or each.maximum is None)
    )


def random_generator(key: str) -> np.random.Generator:
    """Return a generator of random numbers that depends on the text alone."""
    return np.random.default_rng(list(hashlib.sha256(key.encode()).digest()))


def choices_of(allowed: ValueRange) -> tuple[float, ...]:
    """Return the values of an input that may be a mask: those that the spec lists, or 0 and 1 if it has no others."""
    return allowed.choices or ((0, 1) if allowed.below == 2 else ())


def draw_values(
    random: np.random.Generator, dtype: str, allowed: ValueRange, shape: tuple[int, ...], draw: str
) -> Array:
    """Draw an input of this element type and shape within what is allowed."""
    if choices := choices_of(allowed):
        if draw == "random":
            return random.choice(np.array(choices), shape).astype(dtype)
        at_least = draw == "empty" or (draw == "at min" and dtype in FLOATS)
        return np.full(shape, min(choices) if at_least else max(choices)).astype(dtype)

    if dtype in FLOATS:
        return _floats(random, allowed, shape, draw, np.dtype(dtype))
    assert allowed.minimum is not None, "whole numbers have both ends"
    assert allowed.maximum is not None, "whole numbers have both ends"
    return random.integers(int(allowed.minimum), int(allowed.maximum), shape, endpoint=True).astype(dtype)


def _floats(
    random: np.random.Generator, allowed: ValueRange, shape: tuple[int, ...], draw: str, dtype: np.dtype[np.generic]
) -> Array:
    minimum, maximum = allowed.minimum, allowed.maximum
    ends = {"at min": minimum, "at max": maximum}
    if (end := ends.get(draw)) is not None:
        return np.full(shape, end, np.float64).astype(dtype)
    if minimum is not None and maximum is not None:
        return _within(allowed, minimum + (maximum - minimum) * random.random(shape), dtype)

    drawn = random.standard_normal(shape)
    if draw in _EXTREMES:
        drawn = _EXTREMES[draw](drawn)
    if minimum is not None:
        drawn = minimum + np.abs(drawn) * max(1.0, abs(minimum))
    elif maximum is not None:
        drawn = maximum - np.abs(drawn) * max(1.0, abs(maximum))
    return _within(allowed, drawn, dtype)


def _within(allowed: ValueRange, drawn: Floats, dtype: np.dtype[np.generic]) -> Array:
    """Return numbers of an element type that are within the range once they are rounded to it."""
    largest = float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]  # it has no annotations
    low = -largest if allowed.minimum is None else allowed.minimum
    high = largest if allowed.maximum is None else allowed.maximum
    rounded = np.clip(drawn, low, high).astype(dtype)
    # an array again: NumPy makes a number of an array without axes
    return np.asarray(np.clip(rounded, *np.array([low, high]).astype(dtype)), dtype)


class IdDraws:
    """Places whole numbers that a proof has to have read into its draws: both ends and one of every 64th of the range.

    Each input has them in an order of its own. A draw holds as many as it has positions, at random ones, and the next
    draw goes on with the rest; ranges of at most 66 numbers are read entirely. A position that a mask hides gets one
    too, but does not count. Ids below a dim have both ends in every draw with room for them.
    """

    def __init__(self, program: Program, ranges: Mapping[str, ValueRange], seed: int) -> None:
        self.masks = read_by_masks(program)
        self.pending: dict[str, list[int]] = {}
        self.orders: dict[str, list[int]] = {}
        self.sized = {name: allowed for name, allowed in ranges.items() if allowed.size is not None}
        for name, type_ in program.inputs.items():
            if not type_.is_float and not choices_of(ranges[name]) and name not in self.sized:
                order = _numbers_to_read(ranges[name], random_generator(f"{seed}:{name}:ids"))
                self.orders[name], self.pending[name] = order, list(order)

    def place(self, feeds: Mapping[str, Array], random: np.random.Generator, sizes: Mapping[str, int]) -> None:
        """Write numbers that no draw has had yet into the inputs of a draw at these sizes."""
        for name, allowed in self.sized.items():
            ids, last = feeds[name], (allowed.at(sizes).below or 1) - 1
            places = random.permutation(ids.size)[:2]
            ids.reshape(-1)[places] = [0, last][: len(places)]

        for name, order in self.orders.items():
            ids = feeds[name]
            visible = np.ones(ids.shape, np.bool_)
            for mask in (feeds[mask] for mask in self.masks if feeds[mask].shape == ids.shape):
                visible &= mask != 0

            places = random.permutation(ids.size)
            shown = visible.reshape(-1)[places]
            places = np.concatenate([places[shown], places[~shown]])
            pending = self.pending[name]
            numbers = (pending + order)[: ids.size]
            ids.reshape(-1)[places[: len(numbers)]] = numbers
            del pending[: int(np.count_nonzero(shown))]

    @property
    def unread(self) -> int:
        """How many numbers of an input are left, of the input with the most."""
        return max(map(len, self.pending.values()), default=0)


def _numbers_to_read(allowed: ValueRange, random: np.random.Generator) -> list[int]:
    assert allowed.minimum is not None, "whole numbers have both ends"
    assert allowed.maximum is not None, "whole numbers have both ends"
    low, high = int(allowed.minimum), int(allowed.maximum)
    count = high - low + 1
    if count <= PARTS + 2:
        numbers = list(range(low, high + 1))
    else:
        edges = [low + count * part // PARTS for part in range(PARTS + 1)]
        starts = itertools.pairwise(edges)
        numbers = [low, high, *(int(random.integers(start, end)) for start, end in starts)]
    return [int(number) for number in random.permutation(numbers)]
