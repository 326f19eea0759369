"""Step 1 of the export: calls → units, the distinct components. Each is compiled once, however many calls it has.

Two calls are one unit if they have the same component and fields, the same reparametrizations and the same input types
up to the names of dims: `seq` and `tokens` are both `d0` here. The units go to compile_cached.py, and from there, if
they are not in the cache, to batch.py. Nothing in this file imports torch or onnx.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stackc.components.base import Component
from stackc.components.custom.module import CustomModule
from stackc.components.reparam import Reparam
from stackc.components.size_expressions import dims_of, with_dims
from stackc.core.types import Dim, Symbol, TensorType, product
from stackc.export.cache_key import canonical_text, compiler_versions
from stackc.ir.program import Call, Program

DOMAINS = {"portable": ("",), "ort": ("", "com.microsoft")}
"""The operator domains that a file may use by its target: ONNX's own, or ONNX Runtime's as well."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One component to compile.

    `inputs` are in port order, None at an open port. Dims, including those of fields, are named d0, d1, …
    """

    component: Component
    reparams: tuple[tuple[str, Reparam], ...]
    inputs: tuple[TensorType | None, ...]
    opset: int
    target: str = "portable"

    @property
    def key(self) -> str:
        """A hash of everything that can change the compiled object; every field is part of it.

        Raises TypeError if there is no such hash: the component holds something other than plain data, or is a custom
        module, whose code may be anywhere.
        """
        if isinstance(self.component, CustomModule):
            raise TypeError(f"{self.component.op} is custom code")
        return hashlib.sha256(f"{compiler_versions()}\0{canonical_text(self)}".encode()).hexdigest()


class Unexportable(Exception):
    """A unit that cannot be compiled; the message says why."""


def units_of(program: Program, opset: int, target: str = "portable") -> list[Unit]:
    """Return the unit of each call, in order. Of calls that are equal by name, only the first is analyzed."""
    units_by_types: dict[tuple[object, ...], Unit] = {}
    units: list[Unit] = []
    for call in program.calls:
        types = [program.types[name] if name is not None else None for name in call.inputs]
        key = (call.component, call.reparams, *types)
        if key not in units_by_types:
            units_by_types[key] = unit_of(call, program.types, opset, target)
        units.append(units_by_types[key])
    return units


def unit_of(call: Call, types: Mapping[str, TensorType], opset: int, target: str = "portable") -> Unit:
    """Return the unit that a call is an instance of."""
    inputs = [types[name] if name is not None else None for name in call.inputs]
    field_dims = tuple(dims_of(call.component))
    new_dims = _unit_dims([*(dim for x in inputs if x for dim in x.shape), *field_dims])

    renamed = [TensorType(x.dtype, tuple(new_dims[dim] for dim in x.shape)) if x else None for x in inputs]
    component = with_dims(call.component, new_dims) if field_dims else call.component
    return Unit(component, call.reparams, tuple(renamed), opset, target)


def _unit_dims(dims: Iterable[Dim]) -> dict[Dim, Dim]:
    """Return every dim under its name in the unit.

    A dim that shares no symbol with any other becomes one new symbol, with the number that always divides it: that
    makes `seq` and `height*width + 1` the same. Dims that do share symbols (h and 2·h) stay expressions over renamed
    symbols, since the component may rely on the relation between them.
    """
    distinct = list(dict.fromkeys(dims))
    uses = Counter(name for dim in distinct for name in dim.symbols())
    symbols: dict[str, Dim] = {}
    renamed: dict[Dim, Dim] = {}
    count = 0

    for dim in distinct:
        if dim.constant is not None:
            renamed[dim] = dim

        elif all(uses[name] == 1 for name in dim.symbols()):
            renamed[dim] = Dim.symbol(f"d{count}", math.gcd(*(coefficient for _, coefficient in dim.terms)))
            count += 1

        else:
            for name, multiple_of in dim.symbols().items():
                if name not in symbols:
                    symbols[name] = Dim.symbol(f"d{count}", multiple_of)
                    count += 1
            renamed[dim] = _substitute(dim, symbols)
    return renamed


def _substitute(dim: Dim, symbols: Mapping[str, Dim]) -> Dim:
    """Return the same expression over other symbols, each with the `multiple_of` of the one that it replaces."""
    total = Dim.of(0)
    for monomial, coefficient in dim.terms:
        atoms: list[Dim] = []
        for atom in monomial:
            if isinstance(atom, Symbol):
                atoms.append(symbols[atom.name] // atom.multiple_of)
            else:
                atoms.append(_substitute(atom.numerator, symbols) // atom.divisor)
        total = total + product(atoms) * coefficient
    return total
