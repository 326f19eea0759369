"""Value ranges of inputs: those that the spec declares, those of the tables that inputs index, and what is assumed.

A float input has a range only if the spec declares one. An input of whole numbers always has one, since random inputs
are drawn from it: that of its table, 0 and 1 if nothing but masks reads it, else `WIDE`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stackc.components.custom.module import CustomModule
from stackc.components.families.embedding import Embedding
from stackc.core.diagnostics import Collector, Note, Span
from stackc.core.plurals import counted
from stackc.core.types import Dim, TensorType
from stackc.core.value_range import ValueRange
from stackc.ir.program import Call, Program
from stackc.resolve.scope import Scope
from stackc.spec.document import Document, InputDecl
from stackc.spec.expressions.expressions import ParamValue
from stackc.spec.includes import SpecFiles
from stackc.typecheck.declared_ranges import LIMITS, declared_range

WIDE = 1000
"""Without a range, whole numbers are drawn from −WIDE to WIDE; with one end only, over as many numbers from there."""

_MOVING = frozenset({
    "cls_pool", "concat", "flatten", "identity", "pad", "permute", "reshape", "select", "slice", "split", "squeeze",
    "transpose", "unflatten", "unsqueeze",
})  # fmt: skip
"""Components that only move the numbers of their main input."""


def value_ranges(document: Document, names: Mapping[str, ParamValue], program: Program) -> dict[str, ValueRange]:
    """Return the ranges of all inputs that have one: every input of whole numbers, and floats with a declaration.

    Raises SpecError: T206 if the spec allows an id that a table does not have, S005 and S006 for an invalid
    declaration.
    """
    diagnostics = Collector()
    dims = {dim: Dim.symbol(dim) for dim in program.contract}
    scope = Scope({**dims, **names}, document.blocks, document.file, SpecFiles.around(document.file), diagnostics)
    readers = _readers(program)

    ranges = {}
    for name, type_ in program.inputs.items():
        decl, readers_of_input = document.inputs[name], readers.get(name, _Readers())
        declared = declared_range(name, decl, scope)
        if not type_.is_float:
            _check_table(decl, name, declared, readers_of_input, diagnostics)
            ranges[name] = _drawn(name, type_, declared, readers_of_input)
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
    """The components that read the numbers of an input: tables as (entries, span, whether directly), masks, others."""

    tables: list[tuple[int, Span, bool]] = field(default_factory=list)
    masks: bool = False
    others: bool = False

    def smallest(self, *, direct: bool) -> tuple[int, Span] | None:
        """Return the smallest table that the input enters: directly, or also moved by other components."""
        return min(((size, span) for size, span, is_direct in self.tables if is_direct or not direct), default=None)


def _readers(program: Program) -> dict[str, _Readers]:
    """Return the readers of each input, also those behind components that only move its numbers."""
    carried: dict[str, frozenset[str]] = {name: frozenset([name]) for name in program.inputs}
    readers: dict[str, _Readers] = {name: _Readers() for name in program.inputs}

    for call in program.calls:
        for port, value in _ports(call):
            names = carried.get(value, frozenset())
            if call.component.op in _MOVING and port != "like":
                for output in call.outputs:
                    carried[output] = carried.get(output, frozenset()) | names
                continue

            for name in names:
                if isinstance(call.component, Embedding):
                    readers[name].tables.append((call.component.vocab, call.span, value == name))
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


def _check_table(decl: InputDecl, name: str, declared: ValueRange, readers: _Readers, diagnostics: Collector) -> None:
    """Report T206 if an input may hold an id that the smallest table it enters directly does not have."""
    table = readers.smallest(direct=True)
    if table is None:
        return
    size, span = table
    least = declared.minimum or 0
    largest = max(least, size - 1 if declared.maximum is None else declared.maximum)
    if least >= 0 and largest < size:
        return

    wrong = largest if largest >= size else least
    message = f"the input '{name}' may hold {wrong:,}, but the smallest table it enters has "
    message += counted(size, "entry", "entries")
    place, fix = _wrong_bound(decl, wrong, size)
    diagnostics.error("T206", message, place, f"{fix}, or make the table larger", Note("the table", span))


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


def _drawn(name: str, type_: TensorType, declared: ValueRange, readers: _Readers) -> ValueRange:
    """Return the range of an input of whole numbers with both ends, and say which of them are assumed."""
    if declared.choices or (declared.minimum is not None and declared.maximum is not None):
        return declared
    if type_.dtype == "bool":
        return ValueRange(0, 1, (0, 1), ("values",))
    if table := readers.smallest(direct=True):
        return ValueRange(declared.minimum or 0, table[0] - 1 if declared.maximum is None else declared.maximum)

    if declared == ValueRange() and (table := readers.smallest(direct=False)):
        return ValueRange(
            0, table[0] - 1, (), ("min", "max"),
            f"the input '{name}' has no range: drawn from 0 to {table[0] - 1:,}, the entries of the table that it "
            f"enters; write `below: {table[0]}`",
        )  # fmt: skip
    if declared == ValueRange() and readers.masks and not readers.others:
        text = f"the input '{name}' has no range: 0 and 1 are drawn, since only masks read it; write `values: [0, 1]`"
        return ValueRange(0, 1, (0, 1), ("values",), text)
    return _wide(name, type_, declared)


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
