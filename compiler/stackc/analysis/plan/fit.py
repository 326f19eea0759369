"""Peak memory at given sizes, and the largest sizes that fit in a memory.

Components run one after the other: the peak is the most activations that are live at once, beside the weights.
"""

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
_UNBOUNDED = 2**40
"""The size at which the search stops for an unbounded dim: one that costs no memory."""


_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_MEMORY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([KMGT]I?)B?|B)\s*", re.IGNORECASE)

Limited = Literal["memory", "contract", "nothing"]


@dataclass(frozen=True, slots=True)
class Fit:
    """The largest size of a dim that fits in a memory while the other dims have the sizes `beside`.

    `largest` is None if not even the smallest size fits. `limited` is what limits it: the memory, the contract, or
    nothing.
    """

    dim: str
    beside: Sizes
    largest: int | None
    limited: Limited


@dataclass(frozen=True, slots=True)
class Peak:
    """The peak of activations in bytes at given sizes of the dims, by precision; without weights."""

    dims: Sizes
    bytes: Mapping[str, int]


def memory_of(text: str) -> int:
    """Return the bytes of `24GB`, `1.5 TB`, `80GiB` or `512 B`. Raises ValueError, with a message for the user."""
    number, unit = _split_unit(text)
    return int(number * _UNITS[unit.upper()])


def memory_text(text: str) -> str:
    """Return the memory in the same unit, normalized: `80 GiB` for `80gib`. Raises ValueError as `memory_of`."""
    number, unit = _split_unit(text)
    return f"{number} {unit[:1].upper()}{unit[1:].lower()}B"


def _split_unit(text: str) -> tuple[Decimal, str]:
    """Return the number and the unit without its B."""
    match = _MEMORY.fullmatch(text)
    if match is None:
        problem = "has no unit" if text.strip().replace(".", "", 1).isdecimal() else "is not a valid memory size"
        raise ValueError(f"'{text}' {problem}; write 24GB (10⁹ bytes each) or 24GiB (2³⁰)")
    return Decimal(match[1]), match[2] or ""


def smallest_sizes(contract: DimContract) -> dict[str, int]:
    """Return the smallest size of every dim."""
    return {name: limits.least for name, limits in contract.items()}


def largest_sizes(contract: DimContract) -> dict[str, int] | None:
    """Return the largest size of every dim; None if a dim is unbounded."""
    ends = {name: limits.maximum for name, limits in contract.items()}
    bounded = {name: end - end % contract[name].multiple_of for name, end in ends.items() if end is not None}
    return bounded if len(bounded) == len(ends) else None


def bounded_sizes(contract: DimContract) -> dict[str, int]:
    """Return the largest size of every bounded dim, the smallest of the others."""
    bounded = {name: limits for name, limits in contract.items() if limits.maximum is not None}
    return smallest_sizes(contract) | (largest_sizes(bounded) or {})


def fits(root: TypedRegion, contract: DimContract, precision: Precision, memory: int) -> Iterator[Fit]:
    """Yield, for each dim, the largest size at which the peak of activations fits in `memory` bytes.

    The other dims have their smallest sizes in one fit, and in a second one their largest if they are bounded.
    """
    for name, limits in contract.items():
        others = {other: its_limits for other, its_limits in contract.items() if other != name}
        corners = [smallest_sizes(others), bounded_sizes(others)]
        for beside in corners if corners[0] != corners[1] else corners[:1]:

            def is_enough(size: int, name: str = name, beside: Sizes = beside) -> bool:
                return peak(root, {**beside, name: size}, precision) <= memory

            largest = _largest(is_enough, limits.least, limits.multiple_of, limits.maximum or _UNBOUNDED)
            yield Fit(name, beside, largest, _limited_by(limits, largest))


def _largest(is_enough: Callable[[int], bool], least: int, step: int, end: int) -> int | None:
    """Return the largest of `least`, `least + step`, … up to `end` that is enough; None if not even `least` is.

    Memory grows with the size: double the size until it no longer fits, then bisect.
    """
    if not is_enough(least):
        return None

    low, high, most = 0, 1, (end - least) // step
    while high < most and is_enough(least + step * high):
        low, high = high, 2 * high
    high = min(high, most)
    if is_enough(least + step * high):
        return least + step * high

    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_enough(least + step * middle) else (low, middle)
    return least + step * low


def _limited_by(limits: DimRange, largest: int | None) -> Limited:
    if largest is None or largest + limits.multiple_of <= (limits.maximum or _UNBOUNDED):
        return "memory"
    return "contract" if limits.maximum else "nothing"


def peak(root: TypedRegion, sizes: Sizes, precision: Precision) -> int:
    """Return the most bytes of values that are live at once, including the inputs of the model, at given sizes.

    Components run one after the other in running order, and a value is freed after its last use. Every output takes
    memory of its own, even that of a reshape or a dropout.
    """
    return _PeakCounter(sizes, precision).region(root, frozenset())


def peak_at(root: TypedRegion, sizes: Sizes) -> Peak:
    """Return the peak at given sizes in every precision."""
    return Peak(sizes, {name: peak(root, sizes, precision) for name, precision in PRECISIONS.items()})


@dataclass
class _PeakCounter:
    """Computes the peaks of regions at given sizes, and remembers them: equal blocks are walked once."""

    sizes: Sizes
    precision: Precision
    bytes_of: dict[TensorType, int] = field(default_factory=dict)
    peaks: dict[tuple[TypedRegion, frozenset[str]], int] = field(default_factory=dict)

    def region(self, typed: TypedRegion, freed: frozenset[str]) -> int:
        """Return the peak inside a region including its inputs; inputs in `freed` are freed after their last use."""
        key = (typed, freed)
        if key not in self.peaks:
            self.peaks[key] = self.walk(typed, freed)
        return self.peaks[key]

    def walk(self, typed: TypedRegion, freed: frozenset[str]) -> int:
        """Run the nodes in order and return the most bytes that are live on the way."""
        last = _last_uses(typed, freed)
        live = most = sum(map(self.size, typed.inputs))

        for node in typed.region.nodes.values():
            released = {ref for ref in _values_into(node) if last.get(ref) == node.id}
            outputs, extra = self.node(typed, node, released)
            most = max(most, live + extra)

            unused = sum(size for ref, size in outputs.items() if ref not in last)
            live += sum(outputs.values()) - unused - sum(self.size(typed.type_of(ref)) for ref in released)
        return most

    def node(self, typed: TypedRegion, node: Node, released: set[ValueRef]) -> tuple[dict[ValueRef, int], int]:
        """Return the sizes of a node's outputs, and the most bytes it takes beside what is live before it."""
        body = typed.bodies.get(node.id)
        if body is None:
            signature = typed.signatures[node.id]
            sizes = [self.size(type_) for type_ in signature.outputs]
            workspace = signature.workspace.evaluate(self.sizes) * self.precision.activation
            return _by_output(node, sizes), sum(sizes) + workspace

        # A value can be freed inside the body if this is its last use and it enters by one port only.
        refs = [operand.value for operand in node.operands]
        freed = frozenset(i.port for i in node.operands if i.value in released and refs.count(i.value) == 1)
        sizes = [self.size(type_) for type_ in body.outputs]
        extra = self.region(body, freed) - sum(map(self.size, body.inputs))
        return _by_output(node, sizes), max(extra, 0)

    def size(self, type_: TensorType) -> int:
        """Return the bytes of a value of a type."""
        if type_ not in self.bytes_of:
            self.bytes_of[type_] = activations([type_]).bytes(self.precision).evaluate(self.sizes)
        return self.bytes_of[type_]


def _by_output(node: Node, sizes: list[int]) -> dict[ValueRef, int]:
    return {ValueRef(node.id, number): size for number, size in enumerate(sizes)}


def _values_into(node: Node) -> set[ValueRef]:
    return {operand.value for operand in node.operands if operand.value}


def _last_uses(typed: TypedRegion, freed: frozenset[str]) -> dict[ValueRef, str]:
    """Return the last node that uses each value, "" for those that stay: outputs, and inputs that are not `freed`."""
    last = {ref: node.id for node in typed.region.nodes.values() for ref in _values_into(node)}
    kept = [ValueRef(name) for name in typed.region.inputs if name not in freed]
    return last | dict.fromkeys([*typed.region.outputs.values(), *kept], "")
