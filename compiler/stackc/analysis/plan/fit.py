"""What fits in a memory: weights, and the most activations that live at once as components run one after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from stackc.analysis.plan.footprint import PRECISIONS, Precision, activations
from stackc.core.types import DimContract, DimRange, TensorType
from stackc.ir.model import Node, ValueRef
from stackc.ir.typed import TypedRegion

Sizes = Mapping[str, int]
_NO_END = 2**40
"""A size at which a dim that costs nothing is given up."""


_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_MEMORY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([KMGT]I?)B?|B)\s*", re.IGNORECASE)

Limited = Literal["memory", "contract", "nothing"]


@dataclass(frozen=True, slots=True)
class Fit:
    """The largest size of a dim that fits in a memory, the others having the sizes `beside`.

    `largest` is None where not even the least size fits. `limited` tells by what: the memory, the contract, or nothing.
    """

    dim: str
    beside: Sizes
    largest: int | None
    limited: Limited


@dataclass(frozen=True, slots=True)
class Peak:
    """The most bytes of values that live at once at given sizes of the dims, by precision; weights not among them."""

    dims: Sizes
    bytes: Mapping[str, int]


def memory_of(text: str) -> int:
    """The bytes of `24GB`, `1.5 TB`, `80GiB` or `512 B`. Raises ValueError with a sentence where it is no memory."""
    number, unit = _parted(text)
    return int(number * _UNITS[unit.upper()])


def memory_text(text: str) -> str:
    """The same memory in the same unit, as people write it: `80 GiB` of `80gib`. Raises ValueError as `memory_of`."""
    number, unit = _parted(text)
    return f"{number} {unit[:1].upper()}{unit[1:].lower()}B"


def _parted(text: str) -> tuple[Decimal, str]:
    """The number and the unit without its B."""
    match = _MEMORY.fullmatch(text)
    if match is None:
        lacks = "has no unit" if text.strip().replace(".", "", 1).isdecimal() else "is no memory"
        raise ValueError(f"'{text}' {lacks}; write 24GB (of 10⁹ bytes) or 24GiB (of 2³⁰)")
    return Decimal(match[1]), match[2] or ""


def smallest_sizes(contract: DimContract) -> dict[str, int]:
    """The least size of every dim."""
    return {name: limits.least for name, limits in contract.items()}


def largest_sizes(contract: DimContract) -> dict[str, int] | None:
    """The largest size of every dim; None where one has no end."""
    ends = {name: limits.maximum for name, limits in contract.items()}
    bounded = {name: end - end % contract[name].multiple_of for name, end in ends.items() if end is not None}
    return bounded if len(bounded) == len(ends) else None


def bounded_sizes(contract: DimContract) -> dict[str, int]:
    """The largest size of every dim that has an end, the least of the others."""
    bounded = {name: limits for name, limits in contract.items() if limits.maximum is not None}
    return smallest_sizes(contract) | (largest_sizes(bounded) or {})


def fits(root: TypedRegion, contract: DimContract, precision: Precision, memory: int) -> Iterator[Fit]:
    """For each dim of the contract, the largest size whose peak fits in `memory` bytes, those of weights left out: with
    the others at their least, and with those that have an end at their largest."""
    for name, limits in contract.items():
        others = {other: beside for other, beside in contract.items() if other != name}
        corners = [smallest_sizes(others), bounded_sizes(others)]
        for beside in corners if corners[0] != corners[1] else corners[:1]:

            def enough(size: int, name: str = name, beside: Sizes = beside) -> bool:
                return peak(root, {**beside, name: size}, precision) <= memory

            largest = _largest(enough, limits.least, limits.multiple_of, limits.maximum or _NO_END)
            yield Fit(name, beside, largest, _limited_by(limits, largest))


def _largest(enough: Callable[[int], bool], least: int, step: int, end: int) -> int | None:
    """The largest size that is enough, of those from `least` up to `end`, a step apart; memory grows with the size."""
    if not enough(least):
        return None
    low, high, most = 0, 1, (end - least) // step
    while high < most and enough(least + step * high):
        low, high = high, 2 * high
    high = min(high, most)
    if enough(least + step * high):
        return least + step * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if enough(least + step * middle) else (low, middle)
    return least + step * low


def _limited_by(limits: DimRange, largest: int | None) -> Limited:
    if largest is None or largest + limits.multiple_of <= (limits.maximum or _NO_END):
        return "memory"
    return "contract" if limits.maximum else "nothing"


def peak(root: TypedRegion, sizes: Sizes, precision: Precision) -> int:
    """The most bytes of values that live at once, the inputs of the model included, at given sizes.

    Components run one after the other in running order, and a value goes when nothing after it takes it. Every output
    counts as memory of its own, that of a reshape or a dropout too.
    """
    return _Walk(sizes, precision).region(root, frozenset())


def peak_at(root: TypedRegion, sizes: Sizes) -> Peak:
    """The peak at given sizes in every precision."""
    return Peak(sizes, {name: peak(root, sizes, precision) for name, precision in PRECISIONS.items()})


@dataclass(frozen=True)
class _Walk:
    sizes: Sizes
    precision: Precision
    bytes_of: dict[TensorType, int] = field(default_factory=dict)
    known: dict[tuple[TypedRegion, frozenset[str]], int] = field(default_factory=dict)

    def region(self, typed: TypedRegion, freed: frozenset[str]) -> int:
        """The most bytes inside a region with its inputs, of which those `freed` go after their last use here."""
        key = (typed, freed)
        if key not in self.known:
            self.known[key] = self.walked(typed, freed)
        return self.known[key]

    def walked(self, typed: TypedRegion, freed: frozenset[str]) -> int:
        last = _last_uses(typed, freed)
        live = most = sum(map(self.size, typed.inputs))
        for node in typed.region.nodes.values():
            going = {ref for ref in _entering(node) if last.get(ref) == node.id}
            made, within = self.node(typed, node, going)
            most = max(most, live + within)
            unused = sum(size for ref, size in made.items() if ref not in last)
            live += sum(made.values()) - unused - sum(self.size(typed.type_of(ref)) for ref in going)
        return most

    def node(self, typed: TypedRegion, node: Node, going: set[ValueRef]) -> tuple[dict[ValueRef, int], int]:
        """The sizes of what a node makes, and the most that it needs beside what lives before it."""
        body = typed.bodies.get(node.id)
        if body is None:
            signature = typed.signatures[node.id]
            sizes = [self.size(type_) for type_ in signature.outputs]
            workspace = signature.workspace.evaluate(self.sizes) * self.precision.activation
            return {ValueRef(node.id, number): size for number, size in enumerate(sizes)}, sum(sizes) + workspace
        refs = [operand.value for operand in node.operands]
        freed = frozenset(i.port for i in node.operands if i.value in going and refs.count(i.value) == 1)
        sizes = [self.size(type_) for type_ in body.outputs]
        within = self.region(body, freed) - sum(map(self.size, body.inputs))
        return {ValueRef(node.id, number): size for number, size in enumerate(sizes)}, max(within, 0)

    def size(self, type_: TensorType) -> int:
        if type_ not in self.bytes_of:
            self.bytes_of[type_] = activations([type_]).bytes(self.precision).evaluate(self.sizes)
        return self.bytes_of[type_]


def _entering(node: Node) -> set[ValueRef]:
    return {operand.value for operand in node.operands if operand.value}


def _last_uses(typed: TypedRegion, freed: frozenset[str]) -> dict[ValueRef, str]:
    """The last node that takes each value, "" for those that stay: outputs, and inputs that are not `freed`."""
    last = {ref: node.id for node in typed.region.nodes.values() for ref in _entering(node)}
    kept = [ValueRef(name) for name in typed.region.inputs if name not in freed]
    return last | dict.fromkeys([*typed.region.outputs.values(), *kept], "")
