"""Choose the sizes of the dims: how large each is to be proven, and how large all of them fit in a budget together.

No dim is shrunk to its smallest size so that another keeps its largest and that is all: each is large once, while the
others are small.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from stackc.core.types import Dim, DimContract, DimRange
from stackc.ir.program import Program
from stackc.proof.dependence import dependent_calls

SIZE_BUDGET = 64
"""The largest size of a dim whose contract names none, unless a window or a distance of the spec is larger."""

Sizes = Mapping[str, int]


def sizes_to_prove(program: Program) -> dict[str, int]:
    """Return the size up to which each dim is to be proven: the contract's maximum.

    Without a maximum it is a size at which every axis is longer than what its component reaches, and `SIZE_BUDGET`.
    """
    sizes = {}
    for name, limits in program.contract.items():
        top = limits.maximum
        if top is None:
            top = max(SIZE_BUDGET, limits.least, *(_beyond(name, limits, *each) for each in _reaches(program, name)))
        sizes[name] = top // limits.multiple_of * limits.multiple_of
    return sizes


def _reaches(program: Program, name: str) -> Iterator[tuple[Dim, int]]:
    """Yield the sizes of axes of outputs with a dim, each with the distance that a component reaches along it."""
    for call, sizes in dependent_calls(program):
        if call.component.reach:
            symbols = {symbol for type in call.signature.outputs for size in type.shape for symbol in size.symbols()}
            yield from ((size, call.component.reach) for size in sizes if name in symbols & size.symbols().keys())


def _beyond(name: str, limits: DimRange, axis: Dim, reach: int) -> int:
    """Return the smallest size of a dim, by doubling, at which an axis is longer than `reach` and one more.

    Other dims have a size of 1.
    """
    size = limits.least_filled
    while axis.evaluate(dict(axis.symbols()) | {name: size}) <= reach + 1:
        if size > 64 * (reach + 1):
            return limits.least  # the axis does not grow with the dim
        size *= 2
    return size


def largest_points(contract: DimContract, largest: Sizes, within: Callable[[Sizes], bool]) -> Iterator[dict[str, int]]:
    """Yield the largest sizes if all of them fit in a budget together, or else those of each dim with the others small.

    What a dim leaves of the budget the others share: of those that are too large, the one is halved first that is most
    times its smallest size.
    """
    if not contract or within(largest):
        yield dict(largest)
        return

    least = {name: limits.least for name, limits in contract.items()}
    for name, limits in contract.items():
        alone = ordered_sizes({name: limits}, {**least, name: largest[name]}, within, least=least)
        sizes = {**largest, name: alone[name]}
        others = [other for other in contract if other != name]
        while not within(sizes) and any(sizes[other] > least[other] for other in others):
            widest = max(others, key=lambda other: sizes[other] / contract[other].least_filled)
            sizes[widest] = _halved(sizes[widest], contract[widest])
        yield sizes


def ordered_sizes(
    contract: DimContract, largest: Sizes, within: Callable[[Sizes], bool], *, least: Sizes
) -> dict[str, int]:
    """Return the largest sizes within a budget: dims are halved in the order of the spec, usually the batch first."""
    sizes = dict(largest)
    for name, limits in contract.items():
        while not within(sizes) and sizes[name] > least[name]:
            sizes[name] = _halved(sizes[name], limits)
    return sizes


def _halved(size: int, limits: DimRange) -> int:
    return max(limits.least, size // 2 // limits.multiple_of * limits.multiple_of)


def largest_fitting(limits: DimRange, above: int, below: int, fits: Callable[[int], bool]) -> int | None:
    """Return the largest legal size over `above` and up to `below` that fits, by bisection; None if none does."""
    step = limits.multiple_of
    low, high = above // step, below // step
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle * step) else (low, middle - 1)
    return low * step if low * step > above else None


def machine_memory() -> int:
    """Return the bytes of memory of this machine, or 64 GiB if the system does not report it."""
    if not hasattr(os, "sysconf"):
        return 64 << 30
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
