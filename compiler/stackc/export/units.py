"""Which components of a program are distinct: every unit is compiled once, however many calls it has.

Two calls are one unit when they have the same component and fields, the same reparametrizations and the same input
types up to the names of dims: `seq` and `tokens` are both `d0` here. Nothing in this file imports torch or onnx.
"""

from __future__ import annotations

import hashlib
import math
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
"""The domains of the operators that a file may have by its target: ONNX's own, or ONNX Runtime's besides."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One component to compile. `inputs` stand in port order, None at a port left open; dims, those of fields too,
    are d0, d1, …"""

    component: Component
    reparams: tuple[tuple[str, Reparam], ...]
    inputs: tuple[TensorType | None, ...]
    opset: int
    target: str = "portable"

    @property
    def key(self) -> str:
        """A hash of everything that can change what this unit compiles to; every field of it enters by itself.

        TypeError where there is none: the component holds something else than plain data, or is a module of somebody's
        own, whose code may lie anywhere.
        """
        if isinstance(self.component, CustomModule):
            raise TypeError(f"{self.component.op} is code of its own")
        return hashlib.sha256(f"{compiler_versions()}\0{canonical_text(self)}".encode()).hexdigest()


class Unexportable(Exception):
    """A unit that cannot be compiled, and why, in words."""


def unit_of(call: Call, types: Mapping[str, TensorType], opset: int, target: str = "portable") -> Unit:
    """The unit that a call is an instance of."""
    inputs = [types[name] if name is not None else None for name in call.inputs]
    said = tuple(dims_of(call.component))
    new = _renaming([*(dim for x in inputs if x for dim in x.shape), *said])
    renamed = [TensorType(x.dtype, tuple(new[dim] for dim in x.shape)) if x else None for x in inputs]
    component = with_dims(call.component, new) if said else call.component
    return Unit(component, call.reparams, tuple(renamed), opset, target)


def units_of(program: Program, opset: int, target: str = "portable") -> list[Unit]:
    """The unit of each call, in order. Calls that look alike by name are only looked at once."""
    known: dict[tuple[object, ...], Unit] = {}
    units: list[Unit] = []
    for call in program.calls:
        key = (
            call.component,
            call.reparams,
            *(program.types[name] if name is not None else None for name in call.inputs),
        )
        if key not in known:
            known[key] = unit_of(call, program.types, opset, target)
        units.append(known[key])
    return units


def _renaming(dims: Iterable[Dim]) -> dict[Dim, Dim]:
    """Every dim by its name in the unit.

    A dim that shares no symbol with any other becomes a symbol of its own, with the number that always divides it: that
    is what makes `seq` and `height*width + 1` one. Dims that do share symbols (h and 2·h) stay expressions over renamed
    symbols, since the component may rely on how they hang together.
    """
    distinct = list(dict.fromkeys(dims))
    uses: dict[str, int] = {}
    for dim in distinct:
        for name in dim.symbols():
            uses[name] = uses.get(name, 0) + 1
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
            renamed[dim] = _substituted(dim, symbols)
    return renamed


def _substituted(dim: Dim, symbols: Mapping[str, Dim]) -> Dim:
    """The same expression over other symbols, each a multiple of what the one before it is."""
    total = Dim.of(0)
    for monomial, coefficient in dim.terms:
        atoms: list[Dim] = []
        for atom in monomial:
            if isinstance(atom, Symbol):
                atoms.append(symbols[atom.name] // atom.multiple_of)
            else:
                atoms.append(_substituted(atom.numerator, symbols) // atom.divisor)
        total = total + product(atoms) * coefficient
    return total
