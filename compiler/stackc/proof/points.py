"""At which sizes a model is proven, and on which inputs: points of the dims contract, and draws at each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stackc.graph.program import Program
from stackc.graph.ranges import ValueRange
from stackc.types import Dim, DimContract, DimRange

Array = npt.NDArray[np.generic]

FLOP_BUDGET = 25e9  # of one forward pass at the largest point: a second or two of eager float64 on two cores
SIZE_BUDGET = 64  # where the contract names no largest size
_PRIMES = (
    3,
    13,
    7,
    11,
    5,
    17,
    19,
    23,
)  # odd sizes that differ, so that two dims which are mixed up do not agree by chance


@dataclass(frozen=True, slots=True)
class Point:
    """Sizes of the dims, and which inputs are drawn there: `full` and `empty` are about masks and other choices."""

    name: str
    sizes: Mapping[str, int]
    draw: str = "random"

    def __str__(self) -> str:
        sizes = ", ".join(f"{name}={size}" for name, size in self.sizes.items()) or "fixed sizes"
        return f"{sizes} ({self.draw})"


def points_of(program: Program, *, budget: float = FLOP_BUDGET) -> list[Point]:
    """The smallest sizes, primes, and the largest sizes whose forward pass stays within the budget of FLOPs.

    The smallest point has size 1 wherever the contract allows it: the exporter assumes sizes of 2 and more.
    """
    contract = program.contract
    flops = sum((call.signature.flops for call in program.calls), Dim.of(0))
    least = {name: limits.least for name, limits in contract.items()}
    primes = {n: _prime(limits, _PRIMES[i % len(_PRIMES)]) for i, (n, limits) in enumerate(contract.items())}
    points = [Point("smallest", least, "full"), Point("prime", primes), Point("prime", primes, "empty")]
    return points + ([Point("largest", _largest(contract, least, flops, budget))] if contract else [])


def _prime(limits: DimRange, prime: int) -> int:
    """The prime, as a multiple where the contract asks for one, drawn into its range."""
    highest = (limits.maximum or prime * limits.multiple_of) // limits.multiple_of * limits.multiple_of
    return max(limits.least, min(prime * limits.multiple_of, highest))


def _largest(contract: DimContract, least: Mapping[str, int], flops: Dim, budget: float) -> dict[str, int]:
    """The largest sizes; over the budget the dims are halved, the one written first (the batch, as a rule) first."""
    sizes = {}
    for name, limits in contract.items():
        top = limits.maximum or max(SIZE_BUDGET, limits.least)
        sizes[name] = top // limits.multiple_of * limits.multiple_of
    for name, limits in contract.items():
        while flops.evaluate(sizes) > budget and sizes[name] > least[name]:
            sizes[name] = max(least[name], sizes[name] // 2 // limits.multiple_of * limits.multiple_of)
    return sizes


def draw(program: Program, ranges: Mapping[str, ValueRange], point: Point, *, seed: int = 0) -> dict[str, Array]:
    """Inputs at a point: normal numbers, ids within their range; the same for the same seed, whatever else changes."""
    feeds = {}
    for name, type_ in program.inputs.items():
        digest = hashlib.sha256(f"{seed}:{point}:{name}".encode()).digest()
        random = np.random.default_rng(list(digest))
        shape = tuple(dim.evaluate(point.sizes) for dim in type_.shape)
        if type_.is_float:
            feeds[name] = random.standard_normal(shape).astype(type_.dtype)
        else:
            feeds[name] = _whole_numbers(random, ranges[name], shape, point.draw).astype(type_.dtype)
    return feeds


def _whole_numbers(random: np.random.Generator, allowed: ValueRange, shape: tuple[int, ...], kind: str) -> Array:
    if not allowed.choices:
        return random.integers(0, allowed.below, shape)
    if kind in ("full", "empty"):
        return np.full(shape, max(allowed.choices) if kind == "full" else min(allowed.choices))
    return random.choice(np.array(allowed.choices), shape)


def draws(
    program: Program, ranges: Mapping[str, ValueRange], *, seed: int = 0
) -> Iterator[tuple[Point, dict[str, Array]]]:
    """Every point with its inputs; the empty draw only where an input has choices, of which a mask is one."""
    choosy = any(r.choices for r in ranges.values())
    for point in points_of(program):
        if choosy or point.draw != "empty":
            yield point, draw(program, ranges, point, seed=seed)
