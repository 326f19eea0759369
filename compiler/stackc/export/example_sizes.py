"""Choose the sizes that a unit is traced at. Called by prepare.py; imports no torch.

They are within the unit's limits, and as small as they can be while the trace is still a general one: no axis is empty,
none is 1, and no two dims have one size, as far as the unit's types allow it. A dims contract is not looked at, since
its programs share the unit; what a trace assumes besides becomes a constraint (guards.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from stackc.components.base import Limit
from stackc.core.types import Dim, TensorType
from stackc.export.units import Unit

_PRIMES = (7, 11, 13, 17, 19, 23, 29, 31)
_DOUBLINGS = 12


def example_sizes(unit: Unit) -> dict[str, int]:
    """Return a size for every dim of the unit at which the component can be run.

    Primes come first, one for each dim. A floor such as (height + 3)//32 is 0 at them: then all are doubled, until the
    sizes are ideal, or as good as they get.
    """
    symbols = {name: m for x in unit.inputs if x for dim in x.shape for name, m in dim.symbols().items()}
    signature = unit.component.signature(*unit.inputs)
    inputs = _dims_over(symbols, unit.inputs)
    axes = inputs | _dims_over(symbols, signature.outputs)
    ideal = (len(axes), len(axes), len(inputs))

    best: dict[str, int] = {}
    best_rank = (-1, -1, -1)
    for doublings in range(_DOUBLINGS):
        sizes = _sizes_within(signature.limits, symbols, doublings)
        rank = _rank(sizes, inputs, axes)
        if rank > best_rank:
            best, best_rank = sizes, rank
        if rank == ideal:
            break
    return best


def _dims_over(symbols: Mapping[str, int], types: Iterable[TensorType | None]) -> set[Dim]:
    """Return the dims of the types that depend on symbols, and on no others than these."""
    dims = {dim for x in types if x for dim in x.shape}
    return {dim for dim in dims if dim.constant is None and dim.symbols().keys() <= symbols.keys()}


def _sizes_within(limits: Sequence[Limit], symbols: Mapping[str, int], doublings: int) -> dict[str, int]:
    """Return a size for every symbol within the limits, all different if possible.

    Each is the first one allowed from the symbol's prime, doubled that often, upwards, and then downwards, in smaller
    steps, since a limit may leave little room below it.
    """
    eighths = [8 << shift for shift in range(doublings, _DOUBLINGS)]
    eighths += [eighth << shift for shift in reversed(range(doublings)) for eighth in range(15, 7, -1)]
    sizes: dict[str, int] = {}
    for (name, multiple_of), prime in zip(symbols.items(), itertools.cycle(_PRIMES), strict=False):
        candidates = [*(prime * eighth // 8 for eighth in eighths), 5, 3, 2, 1]
        tries = [{**sizes, name: candidate * multiple_of} for candidate in candidates]
        sizes = next((t for t in tries if all(_meets(limit, t) for limit in limits)), tries[0])
    return sizes


def _meets(limit: Limit, sizes: Mapping[str, int]) -> bool:
    """Return whether sizes meet a limit; one with dims that have no size yet is met so far."""
    if not limit.dim.symbols().keys() <= sizes.keys():
        return True
    size = limit.dim.evaluate(sizes)
    return limit.minimum <= size and (limit.maximum is None or size <= limit.maximum)


def _rank(sizes: Mapping[str, int], inputs: Iterable[Dim], axes: Iterable[Dim]) -> tuple[int, int, int]:
    """Return how many axes are not empty, how many are at least 2, and how many different sizes the inputs have.

    An axis of 1 is repeated to any size, and two axes of one size may be exchanged: a trace at such sizes may assume
    what does not hold at others.
    """
    traced = [dim.evaluate(sizes) for dim in axes]
    different = {dim.evaluate(sizes) for dim in inputs}
    return sum(size >= 1 for size in traced), sum(size >= 2 for size in traced), len(different)
