"""What torch.export found to hold of the sizes while it traced: a branch on a shape keeps one side, in silence.

Each guard becomes a text over `x0_1` (the size of axis 1 of input 0), kept with the object of the unit it is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sympy  # type: ignore[import-untyped]  # ships no type information
import torch
from torch.export import ExportedProgram

from stackc.core.types import Dim
from stackc.export.constraints import UncheckableConstraint, holds
from stackc.export.prepare import PreparedUnit
from stackc.export.units import Unexportable


@dataclass(frozen=True)
class Axis:
    """An axis without a number: whose it is, its name in constraints, its dim in the unit, and its size as traced."""

    owner: int
    name: str
    dim: Dim
    size: torch.SymInt | int

    @property
    def expression(self) -> sympy.Expr:
        """The traced size: a symbol of its own, an expression over those of other axes, or a number."""
        return self.size.node.expr if isinstance(self.size, torch.SymInt) else sympy.Integer(self.size)

    @property
    def symbol(self) -> sympy.Symbol:
        """The name as a size to calculate with."""
        return sympy.Symbol(self.name, integer=True, positive=True)


def guards_of(program: ExportedProgram, prepared_units: Sequence[PreparedUnit]) -> list[tuple[str, ...]]:
    """The constraints of each exhibit, in the order they were met. Unexportable where one cannot be checked later."""
    axes = list(_axes(program, prepared_units))
    named: dict[sympy.Symbol, Axis] = {}
    for axis in axes:
        if axis.expression.is_Symbol:
            named.setdefault(axis.expression, axis)
    kept: list[dict[str, None]] = [{} for _ in prepared_units]
    for axis in _bound(axes, named):
        kept[axis.owner][_text(sympy.Eq(axis.symbol, axis.expression, evaluate=False), named)] = None
    for guard in _asked(axes):
        owners = {named[symbol].owner for symbol in guard.free_symbols if symbol in named}
        assert len(owners) == 1, f"a guard is about one unit: {guard}"
        kept[owners.pop()][_text(guard, named)] = None
    for prepared, texts in zip(prepared_units, kept, strict=True):
        _require_checkable(prepared, texts)
    return [tuple(texts) for texts in kept]


def _axes(program: ExportedProgram, prepared_units: Sequence[PreparedUnit]) -> Iterator[Axis]:
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    shapes = iter([values[name].shape for name in program.graph_signature.user_inputs])
    for owner, prepared in enumerate(prepared_units):
        for _ in prepared.state:
            next(shapes)
        for port, x in enumerate(prepared.unit.inputs):
            for axis, (dim, size) in enumerate(zip(x.shape, next(shapes), strict=True) if x else ()):
                if dim.constant is None:
                    yield Axis(owner, f"x{port}_{axis}", dim, size)


def _bound(axes: Sequence[Axis], named: Mapping[sympy.Symbol, Axis]) -> Iterator[Axis]:
    """The axes whose size was found to be a number, or to follow from others, where their dims do not say so."""
    known: dict[tuple[int, Dim], sympy.Expr] = {}
    for axis in axes:
        same_dim = known.setdefault((axis.owner, axis.dim), axis.expression) == axis.expression
        namesake = named.get(axis.expression)
        if not same_dim or namesake is None or namesake.dim != axis.dim:
            yield axis


def _asked(axes: Sequence[Axis]) -> Iterator[sympy.Basic]:
    """The conditions on sizes that the modules asked for while they were traced."""
    sizes = [axis.size for axis in axes if isinstance(axis.size, torch.SymInt)]
    environment = sizes[0].node.shape_env if sizes else None
    if environment is not None:
        conditions = (guard.expr.xreplace(environment.replacements) for guard in environment.guards)
        yield from (condition for condition in conditions if condition is not sympy.true)


def _text(condition: sympy.Basic, named: Mapping[sympy.Symbol, Axis]) -> str:
    condition = condition.xreplace({symbol: axis.symbol for symbol, axis in named.items()})
    if isinstance(condition, (sympy.Eq, sympy.Ne)):
        return f"{condition.lhs} {condition.rel_op} {condition.rhs}"
    return str(condition)


def _require_checkable(prepared: PreparedUnit, texts: Sequence[str] | Mapping[str, None]) -> None:
    """Each constraint holds at the sizes that were traced, and can be calculated without torch."""
    sizes = {
        f"x{port}_{axis}": dim.evaluate(prepared.sizes)
        for port, x in enumerate(prepared.unit.inputs)
        if x is not None
        for axis, dim in enumerate(x.shape)
    }
    for text in texts:
        try:
            sound = holds(text, sizes)
        except UncheckableConstraint as error:
            raise Unexportable(f"what it asks of its sizes cannot be checked: {error}") from error
        assert sound, f"{text} does not hold at {sizes}, where it was found"
