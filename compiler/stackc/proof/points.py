"""Choose the sizes at which a model is proven, points of the dims contract, and draw the inputs at each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stackc.core.types import Dim, DimContract, DimRange, TensorType, product
from stackc.core.value_range import ValueRange
from stackc.ir.program import Program
from stackc.proof.sizes import largest_points, ordered_sizes, sizes_to_prove
from stackc.proof.value_draws import Array, IdDraws, choices_of, draw_values, random_generator, value_draws

FLOP_BUDGET = 12e9  # of one forward pass: less than a second of eager float64 on two cores
REPEATED_BUDGET = 3e8  # of one that is run nine times, for the spread: bert_base at 1×1 is
THOROUGH = 8  # times these budgets if a proof is to be thorough
PRIME_BUDGET = 3e9  # of one at primes: there are two of them
MEMORY_BUDGET = 1 << 30  # bytes of all values of a forward pass in float64, which the proof by components holds at once
VALUE_BUDGET = 6e9  # of all passes at small sizes that draw other values
ID_DRAWS = 4  # at most, for ids that no other draw has room for
JITTERED = "jittered"  # the name of the point at which parameters that start constant hold other numbers
# distinct sizes, so that two dims that are mixed up do not agree by chance; smaller ones for larger models
_PRIMES = ((3, 13, 7, 11, 5, 17, 19, 23), (3, 5, 7, 11, 13, 17, 19, 23), (2, 3, 5, 7, 11, 13, 17, 19))

MEASURED_FLOPS = 4e9  # of one timed forward pass: a tenth of a second, so that a build does not wait for its timing


@dataclass(frozen=True, slots=True)
class Point:
    """Sizes of the dims, and how inputs are drawn there, by a name of value_draws.py."""

    name: str
    sizes: Mapping[str, int]
    draw: str = "random"

    def __str__(self) -> str:
        sizes = ", ".join(f"{name}={size}" for name, size in self.sizes.items()) or "fixed sizes"
        return f"{sizes} ({self.draw})"


def points_of(program: Program, *, thorough: bool = False) -> list[Point]:
    """Return the smallest sizes, primes, and the largest sizes within the budgets of FLOPs and memory.

    The smallest point has size 1 wherever the contract allows it: the exporter assumes sizes of 2 and more. Dims that
    may be 0 are 0 at points of their own. If the
    largest sizes of all dims do not fit, there is a point for each dim at which it is as large as it can be, and the
    others share what it leaves. `thorough` has larger budgets.
    """
    contract, cost = program.contract, _Cost.of(program)
    smallest = {name: limits.least_filled for name, limits in contract.items()}

    candidates = [_primes(contract, primes) for primes in _PRIMES]
    primes = next((sizes for sizes in candidates if cost.within(sizes, PRIME_BUDGET)), candidates[-1])
    points = [Point("smallest", smallest, "full"), Point("prime", primes), Point("prime", primes, "empty")]
    points += _empty_points(contract, primes)

    def within(sizes: Mapping[str, int]) -> bool:
        return cost.within(sizes, FLOP_BUDGET * (THOROUGH if thorough else 1), thorough=thorough)

    for sizes in largest_points(contract, sizes_to_prove(program), within):
        if sizes not in [point.sizes for point in points]:
            points.append(Point("largest", sizes))
    return points


def _empty_points(contract: DimContract, primes: Mapping[str, int]) -> list[Point]:
    """Return the points of dims that may be 0: each is 0 beside primes, and all are where the others are smallest."""
    empty = [name for name, limits in contract.items() if limits.least == 0]
    together = {name: limits.least for name, limits in contract.items()}
    sizes = [{**primes, name: 0} for name in empty]
    return [Point("empty", at, "full") for at in sizes + [together] * (len(empty) > 1)]


def timing_point(program: Program, budget: float) -> Point:
    """Return the sizes at which a model is timed: the largest within a budget of FLOPs, with the batch halved first."""
    contract, cost = program.contract, _Cost.of(program)
    least = {name: limits.least for name, limits in contract.items()}
    tops = sizes_to_prove(program)
    sizes = ordered_sizes(contract, tops, lambda sizes: cost.within(sizes, budget), least=least)
    return Point("largest", sizes)


@dataclass(frozen=True, slots=True)
class _Cost:
    """The cost of a forward pass as a function of the sizes; equal calls are counted, not evaluated one by one."""

    flops: Dim
    outputs: Mapping[TensorType, int]
    workspaces: frozenset[Dim]

    @staticmethod
    def of(program: Program) -> _Cost:
        flops = Counter(call.signature.flops for call in program.calls)
        return _Cost(
            sum((dim * count for dim, count in flops.items()), Dim.of(0)),
            Counter(type_ for call in program.calls for type_ in call.signature.outputs),
            frozenset(call.signature.workspace for call in program.calls),
        )

    def within(self, sizes: Mapping[str, int], flops: float, *, thorough: bool = False) -> bool:
        """Return whether a proof at these sizes stays within a budget of FLOPs, and of memory in float64."""
        if self.flops.evaluate(sizes) > flops:
            return False
        kept = sum(product(t.shape).evaluate(sizes) * count for t, count in self.outputs.items())
        widest = max((dim.evaluate(sizes) for dim in self.workspaces), default=0)
        return 8 * (kept + widest) <= MEMORY_BUDGET * (THOROUGH if thorough else 1)


def is_cheap(program: Program, point: Point) -> bool:
    """Return whether a forward pass at a point may be repeated several times without being asked for."""
    return _Cost.of(program).within(point.sizes, REPEATED_BUDGET)


def _primes(contract: DimContract, primes: Sequence[int]) -> dict[str, int]:
    return {name: _prime(limits, primes[i % len(primes)]) for i, (name, limits) in enumerate(contract.items())}


def _prime(limits: DimRange, prime: int) -> int:
    """Return the prime, times `multiple_of` of the contract, clipped to its range."""
    highest = (limits.maximum or prime * limits.multiple_of) // limits.multiple_of * limits.multiple_of
    return max(limits.least, min(prime * limits.multiple_of, highest))


def draw_feeds(program: Program, ranges: Mapping[str, ValueRange], point: Point, *, seed: int = 0) -> dict[str, Array]:
    """Draw inputs at a point, within their ranges (value_draws.py).

    An input depends only on the seed, the point and its own name, so it stays the same if others change.
    """
    return {
        name: draw_values(
            random_generator(f"{seed}:{point}:{name}"), type_.dtype, ranges.get(name, ValueRange()).at(point.sizes),
            tuple(dim.evaluate(point.sizes) for dim in type_.shape), point.draw,
        )
        for name, type_ in program.inputs.items()
    }  # fmt: skip


def draws(
    program: Program, ranges: Mapping[str, ValueRange], *, seed: int = 0, thorough: bool = False
) -> Iterator[tuple[Point, dict[str, Array]]]:
    """Yield every point with its inputs; the empty draw only if an input has choices, as a mask does.

    The points of `points_of` come first, then draws of other values at small sizes, which cost little.
    """
    ids = IdDraws(program, ranges, seed)
    has_masks = any(choices_of(allowed) for allowed in ranges.values())
    points = points_of(program, thorough=thorough)
    small = next((point for point in points if point.name == "prime" and is_cheap(program, point)), points[0])

    def drawn(point: Point) -> tuple[Point, dict[str, Array]]:
        feeds = draw_feeds(program, ranges, point, seed=seed)
        ids.place(feeds, random_generator(f"{seed}:{point}:places"), point.sizes)
        return point, feeds

    yield from (drawn(point) for point in points if has_masks or point.draw != "empty")
    if has_masks:
        yield from (drawn(point) for point in _full_primes(points))

    number = int(VALUE_BUDGET // max(1, _Cost.of(program).flops.evaluate(small.sizes)))
    yield from (drawn(replace(small, draw=draw)) for draw in value_draws(program, ranges)[:number])

    for number in range(ID_DRAWS):
        if ids.unread and small.name == "prime":
            yield drawn(replace(small, draw=f"ids {number + 1}"))


def _full_primes(points: Sequence[Point]) -> list[Point]:
    """Return the primes with all masks full, a test vector; nothing if they are the smallest sizes."""
    smallest, prime = points[0], next(point for point in points if point.name == "prime")
    return [] if prime.sizes == smallest.sizes else [replace(prime, draw="full")]
