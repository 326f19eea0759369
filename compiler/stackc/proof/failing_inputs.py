"""What a spec can declare so that a module that fails on some inputs runs on all of them: tried, not guessed.

Sizes are tried first, since PyTorch's messages name them least clearly: an instance norm over one position, a window
longer than the sequence. Then whole numbers, which may lie beyond a table inside a custom module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from torch import nn

from stackc.components.custom.foreign_errors import RAISED
from stackc.core.types import DimContract, DimRange
from stackc.ir.program import Program
from stackc.proof.eager import run_eager
from stackc.runtime import Array

LARGEST_TRIED = 4096
"""The largest size that is tried: modules that need more are rare, and a pass takes long."""

Sizes = Mapping[str, int]


def remedy(program: Program, module: nn.Module, sizes: Sizes, feeds: Mapping[str, Array]) -> str | None:
    """Say which declaration lets the module run, which fails at `sizes` on `feeds`; None if none was found."""

    def runs(tried: Sizes, arrays: Mapping[str, Array] | None = None) -> bool:
        try:
            run_eager(module, arrays or _resized(program, feeds, tried), program)
        except RAISED:
            return False
        return True

    if dims := _working_dims(program.contract, sizes, runs):
        return f"declare the sizes that it works at: `dims: {{{dims}}}`"
    if numbers := _working_numbers(program, feeds, lambda arrays: runs(sizes, arrays)):
        return f"inputs are drawn as the spec declares them: restrict the whole numbers with {numbers}"
    return None


def _working_dims(contract: DimContract, sizes: Sizes, runs: Callable[[Sizes], bool]) -> str | None:
    """Return the entries of `dims:` with the smallest sizes, or else the largest, at which the module works."""

    def raised(chosen: Iterable[str], size: int) -> Sizes:
        return {**sizes, **{name: _legal(contract, name, size) for name in chosen}}

    names = [name for name, limits in contract.items() if sizes[name] < (limits.maximum or LARGEST_TRIED)]
    for tried in [*([name] for name in names), *([names] if len(names) > 1 else [])]:
        for size in _larger(max(sizes[name] for name in tried)):

            def works(names: Iterable[str], size: int = size) -> bool:
                return runs(raised(names, size))

            if works(tried):
                chosen = _to_blame(tried, works)
                larger = raised(chosen, size)
                return ", ".join(f"{name}: {_written(contract, name, 'min', larger[name])}" for name in chosen)

    for name, limits in contract.items():
        if sizes[name] > limits.least and runs({**sizes, name: limits.least}):
            return f"{name}: {_written(contract, name, 'max', _largest(limits, sizes[name], name, sizes, runs))}"
    return None


def _largest(limits: DimRange, failing: int, name: str, sizes: Sizes, runs: Callable[[Sizes], bool]) -> int:
    """Return the largest size below `failing` at which the module works."""
    steps = range(limits.least, failing + 1, limits.multiple_of)
    return steps[_last(len(steps), lambda index: runs({**sizes, name: steps[index]}))]


def _larger(size: int) -> Iterator[int]:
    """Yield the sizes to try: the next 32, and then powers of two."""
    yield from range(size + 1, size + 33)
    yield from (1 << power for power in range(6, LARGEST_TRIED.bit_length()) if 1 << power > size + 32)


def _legal(contract: DimContract, name: str, size: int) -> int:
    """Return the nearest size from `size` up that the contract allows, or its largest."""
    limits = contract[name]
    legal = -(-size // limits.multiple_of) * limits.multiple_of
    return legal if limits.maximum is None else min(legal, limits.maximum // limits.multiple_of * limits.multiple_of)


def _written(contract: DimContract, name: str, key: str, size: int) -> str:
    """Return the contract of a dim in YAML, with another bound."""
    limits = contract[name]
    bounds = {"min": limits.minimum if limits.minimum > 1 else None, "max": limits.maximum, key: size}
    bounds["multiple_of"] = limits.multiple_of if limits.multiple_of > 1 else None
    return f"{{{', '.join(f'{bound}: {value}' for bound, value in bounds.items() if value is not None)}}}"


def _resized(program: Program, feeds: Mapping[str, Array], sizes: Sizes) -> dict[str, Array]:
    """Return inputs at other sizes, drawn from the numbers of those at hand, which the spec allows."""
    random = np.random.default_rng(0)
    resized = {}
    for name, type_ in program.inputs.items():
        shape = tuple(dim.evaluate(sizes) for dim in type_.shape)
        numbers = feeds[name].reshape(-1) if feeds[name].size else np.zeros(1, feeds[name].dtype)
        resized[name] = random.choice(numbers, shape)
    return resized


def _working_numbers(
    program: Program, feeds: Mapping[str, Array], runs: Callable[[Mapping[str, Array]], bool]
) -> str | None:
    """Return the `below` of the inputs of whole numbers with which the module works; None if zeros fail too."""
    names = [name for name, type_ in program.inputs.items() if type_.dtype.startswith("int")]
    zeros = {name: np.zeros_like(feeds[name]) for name in names}
    if not names or not runs({**feeds, **zeros}):
        return None

    bounds = []
    for name in _to_blame(names, lambda kept: runs({**feeds, **{name: zeros[name] for name in kept}})):

        def filled(number: int, name: str = name) -> bool:
            return runs({**feeds, **zeros, name: np.full_like(feeds[name], number)})

        bounds.append(f"`{name}: {{below: {_last(int(feeds[name].max(initial=0)) + 1, filled) + 1}}}`")
    return " and ".join(bounds)


def _to_blame(names: Iterable[str], works: Callable[[list[str]], bool]) -> list[str]:
    """Return the fewest of the names that have to be kept small, leaving out one after another."""
    kept = list(names)
    for name in list(kept):
        others = [other for other in kept if other != name]
        if others and works(others):
            kept = others
    return kept


def _last(count: int, works: Callable[[int], bool]) -> int:
    """Return the last index below `count` that works, where 0 does: found by halving."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if works(middle) else (low, middle)
    return low
