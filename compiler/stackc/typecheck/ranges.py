"""Value ranges of inputs: those that the spec declares, those of the tables that inputs index, and what is assumed.

A float input has a range only if the spec declares one. An input of whole numbers always has one, since random inputs
are drawn from it: that of its table, 0 and 1 if nothing but masks reads it, else `WIDE`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from stackc.components.custom.module import CustomModule
from stackc.core.diagnostics import Collector, Note, Span
from stackc.core.plurals import counted
from stackc.core.types import LIMITS, Bounds, Dim, DimContract, TensorType
from stackc.core.value_range import ValueRange
from stackc.ir.program import Call, Program
from stackc.resolve.scope import Scope
from stackc.spec.document import DimDecl, Document, InputDecl
from stackc.spec.expressions.expressions import ParamValue
from stackc.spec.includes import SpecFiles
from stackc.typecheck.contract_help import fill
from stackc.typecheck.declared_ranges import declared_range

WIDE = 1000
"""Without a range, whole numbers are drawn from −WIDE to WIDE; with one end only, over as many numbers from there."""

_MOVING = frozenset({
    "cls_pool", "concat", "flatten", "flip", "identity", "pad", "permute", "reshape", "roll", "select", "slice",
    "split", "squeeze", "take", "transpose", "unflatten", "unsqueeze",
})  # fmt: skip
"""Components that only move the numbers of their main input."""


def value_ranges(document: Document, names: Mapping[str, ParamValue], program: Program) -> dict[str, ValueRange]:
    """Return the ranges of all inputs that have one: every input of whole numbers, and floats with a declaration.

    Raises SpecError: T206 if the spec allows an id that a table does not have, S005 and S006 for an invalid
    declaration.
    """
    diagnostics = Collector()
    dims = {dim: Dim.symbol(dim, limits.multiple_of) for dim, limits in program.contract.items()}
    scope = Scope({**dims, **names}, document.blocks, document.file, SpecFiles.around(document.file), diagnostics)
    axes = dict.fromkeys(size for type_ in program.inputs.values() for size in type_.shape)
    readers = _readers(program)

    ranges = {}
    for name, type_ in program.inputs.items():
        decl, readers_of_input = document.inputs[name], readers.get(name, _Readers())
        declared = declared_range(name, decl, scope, axes)
        _check_below(decl, name, declared, Bounds(program.contract), document.dims, diagnostics)
        if not type_.is_float:
            _check_tables(decl, name, declared, readers_of_input, program.contract, diagnostics)
            ranges[name] = _drawn(name, type_, declared, readers_of_input, axes)
        elif declared != ValueRange():
            ranges[name] = declared
    diagnostics.raise_if_any()
    return ranges


def read_by_masks(program: Program) -> frozenset[str]:
    """Return the inputs that are read as masks."""
    return frozenset(name for name, readers in _readers(program).items() if readers.masks)


# -- what reads an input


@dataclass
class _Readers:
    """The components that read the numbers of an input: tables as (entries, span, whether directly), masks, others.

    A table is whatever the numbers index: the rows of an embedding, or the entries of an axis.
    """

    tables: list[tuple[Dim, Span, bool]] = field(default_factory=list)
    ignored: set[int | None] = field(default_factory=set)
    masks: bool = False
    others: bool = False

    def smallest(self, *, direct: bool) -> tuple[Dim, Span] | None:
        """Return the smallest table that the input enters: directly, or also moved by other components.

        One whose size is a dim is returned if there is no other.
        """
        tables = [(size, span) for size, span, is_direct in self.tables if is_direct or not direct]
        return min(tables, key=lambda table: math.inf if table[0].constant is None else table[0].constant, default=None)


def _readers(program: Program) -> dict[str, _Readers]:
    """Return the readers of each input, also those behind components that only move its numbers."""
    carried: dict[str, frozenset[str]] = {name: frozenset([name]) for name in program.inputs}
    readers: dict[str, _Readers] = {name: _Readers() for name in program.inputs}

    for call in program.calls:
        bounds = program.index_bounds(call)
        for port, value in _ports(call):
            names = carried.get(value, frozenset())
            if call.component.op in _MOVING and port != "like":
                for output in call.outputs:
                    carried[output] = carried.get(output, frozenset()) | names
                continue

            for name in names:
                if value in bounds:
                    readers[name].tables.append((bounds[value], call.span, value == name))
                    readers[name].ignored.add(call.component.ignore_index)
                elif port.endswith("mask"):
                    readers[name].masks = True
                elif isinstance(call.component, CustomModule):
                    readers[name].others = True
    return readers


def _ports(call: Call) -> Iterator[tuple[str, str]]:
    """Yield the port of each connected value; a variadic port, the last one, takes all that are left."""
    ports = call.component.ports
    for index, value in enumerate(call.inputs):
        if value is not None:
            yield ports[min(index, len(ports) - 1)].name, value


def _check_below(
    decl: InputDecl,
    name: str,
    declared: ValueRange,
    bounds: Bounds,
    dims: Mapping[str, DimDecl],
    diagnostics: Collector,
) -> None:
    """Report T206 if the dim that an input stays below may be 0, which leaves no number to hold."""
    if declared.size is not None and decl.below is not None and bounds.least(declared.size) < 1:
        message = f"the input '{name}' may hold no number at all: {declared.size} may be 0"
        diagnostics.error("T206", message, decl.below.span, fill(declared.size, bounds, dims))


def _check_tables(
    decl: InputDecl,
    name: str,
    declared: ValueRange,
    readers: _Readers,
    contract: DimContract,
    diagnostics: Collector,
) -> None:
    """Report T206 if an input may hold an id that a table which it enters directly does not have.

    Of tables with a constant number of entries, the smallest counts.
    """
    if declared.minimum is not None and declared.minimum in readers.ignored:
        declared = replace(declared, minimum=0)
    if (table := readers.smallest(direct=True)) and table[0].constant is not None:
        _check_table(decl, name, declared, (table[0].constant, table[1]), contract, diagnostics)

    for size, span, is_direct in readers.tables:
        largest = _largest(declared, contract)
        if not is_direct or size.constant is not None or largest is None or size == declared.size:
            continue
        fewest = size.evaluate({dim: limits.least for dim, limits in contract.items()})
        if largest >= fewest:
            message = f"the input '{name}' may hold {_number(largest)}, but it indexes {size} entries, which may be "
            message += str(fewest)
            place = next(reversed(decl.bounds().values()), decl).span
            diagnostics.error("T206", message, place, f"write `below: {size}`", Note("the component", span))


def _check_table(
    decl: InputDecl,
    name: str,
    declared: ValueRange,
    table: tuple[int, Span],
    contract: DimContract,
    diagnostics: Collector,
) -> None:
    """Report T206 if an input may hold an id that a table with so many entries does not have."""
    size, span = table
    least, most = declared.minimum or 0, _largest(declared, contract)
    largest = max(least, size - 1 if most is None else most)
    if least >= 0 and largest < size:
        return

    wrong = largest if largest >= size else least
    message = f"the input '{name}' may hold {_number(wrong)}, but the smallest table it enters has "
    message += counted(size, "entry", "entries")
    place, fix = _wrong_bound(decl, wrong, size)
    diagnostics.error("T206", message, place, f"{fix}, or make the table larger", Note("the table", span))


def _largest(declared: ValueRange, contract: DimContract) -> float | None:
    """Return the largest number that is declared, infinity for that of a dim without a maximum, None for none."""
    if declared.size is None:
        return declared.maximum
    sizes = {dim: limits.maximum for dim, limits in contract.items() if limits.maximum is not None}
    return declared.size.evaluate(sizes) - 1 if declared.size.symbols().keys() <= sizes.keys() else math.inf


def _number(number: float) -> str:
    return "any number" if math.isinf(number) else f"{number:,}"


def _wrong_bound(decl: InputDecl, wrong: float, size: int) -> tuple[Span, str]:
    """Return the place of the key that allows an id which a table of this size does not have, and what to write."""
    bounds = decl.bounds()
    if decl.values:
        return decl.values[0].span, f"list numbers from 0 to {size - 1} only"
    if wrong < 0:
        return bounds["min"].span, "write `min: 0`"
    key = next(key for key in ("below", "max", "min") if key in bounds)
    return bounds[key].span, f"write `{key}: {size if key == 'below' else size - 1}`"


# -- what is drawn


def _drawn(name: str, type_: TensorType, declared: ValueRange, readers: _Readers, axes: Collection[Dim]) -> ValueRange:
    """Return the range of an input of whole numbers with both ends, and say which of them are assumed."""
    if declared.choices or declared.size or (declared.minimum is not None and declared.maximum is not None):
        return declared
    if type_.dtype == "bool":
        return ValueRange(0, 1, (0, 1), ("values",))
    if table := readers.smallest(direct=True):
        return _ids(declared, table[0], axes)

    if declared == ValueRange() and (table := readers.smallest(direct=False)):
        size = table[0]
        last = f"{size - 1}" if size.constant is None else f"{size.constant - 1:,}"
        return replace(
            ValueRange.ids(size), assumed=("min", "max"),
            assumption=f"the input '{name}' has no range: drawn from 0 to {last}, the entries of the table that it "
            f"enters; write `below: {size}`",
        )  # fmt: skip
    if declared == ValueRange() and readers.masks and not readers.others:
        text = f"the input '{name}' has no range: 0 and 1 are drawn, since only masks read it; write `values: [0, 1]`"
        return ValueRange(0, 1, (0, 1), ("values",), text)
    return _wide(name, type_, declared)


def _ids(declared: ValueRange, entries: Dim, axes: Collection[Dim]) -> ValueRange:
    """Return the range of ids of a table that an input enters, with the ends that are declared."""
    if entries.constant is not None or declared.maximum is not None:
        last = declared.maximum if entries.constant is None else entries.constant - 1
        return ValueRange(declared.minimum or 0, last if declared.maximum is None else declared.maximum)
    # who runs the model knows a size only if it is that of an axis
    return replace(ValueRange.ids(entries), assumed=() if entries in axes else ("min", "max"))


def whole_ends(dtype: str, declared: ValueRange) -> tuple[int, int]:
    """Return the ends of a range of whole numbers, from −WIDE to WIDE or beyond where it is open."""
    least, largest = LIMITS[dtype]
    minimum, maximum = declared.minimum, declared.maximum
    if minimum is None:
        minimum = max(least, -WIDE if maximum is None else min(-WIDE, maximum - WIDE))
    if maximum is None:
        maximum = min(largest, max(WIDE, minimum + WIDE))
    return int(minimum), int(maximum)


def _wide(name: str, type_: TensorType, declared: ValueRange) -> ValueRange:
    """Return a range with the ends that are declared, and wide beyond those, and say so."""
    low, high = whole_ends(type_.dtype, declared)
    assumed = tuple(key for key, end in (("min", declared.minimum), ("max", declared.maximum)) if end is None)

    lacks = {("min", "max"): "range", ("min",): "`min`", ("max",): "`max`"}[assumed]
    write = {("min", "max"): "`min` and `max`, `below` or `values`", ("min",): "`min`", ("max",): "`max` or `below`"}
    drawn = f"from {_signed(low)} to {_signed(high)}"
    text = f"the input '{name}' has no {lacks}: drawn {drawn}; write {write[assumed]}"
    return ValueRange(low, high, (), assumed, text)


def _signed(number: float) -> str:
    """Return a whole number with the minus sign of mathematics and thousands apart."""
    return f"{number:,}".replace("-", "−")
