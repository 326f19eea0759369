"""Collect the conditions on sizes that torch.export assumed while tracing: a branch on a shape silently keeps one side.

Called by batch.py. Each guard becomes a text over `x0_1` (the size of axis 1 of input 0), kept with the object of its
unit; link.py checks that the dims contract implies it, with constraints.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sympy  # type: ignore[import-untyped]  # ships no type information
import torch
from torch.export import ExportedProgram

from stackc.core.torch_internals import shape_environment, size_expression
from stackc.core.types import Dim
from stackc.export.constraints import UncheckableConstraint, holds
from stackc.export.prepare import PreparedUnit
from stackc.export.units import Unexportable


@dataclass(frozen=True)
class DynamicAxis:
    """An unnumbered axis: its unit by number, its name in constraints, its dim in the unit, and its size as traced."""

    unit: int
    name: str
    dim: Dim
    size: torch.SymInt | int

    @property
    def expression(self) -> sympy.Expr:
        """The traced size: a symbol of its own, an expression over those of other axes, or a number."""
        return size_expression(self.size) if isinstance(self.size, torch.SymInt) else sympy.Integer(self.size)

    @property
    def symbol(self) -> sympy.Symbol:
        """The name as a size to calculate with."""
        return sympy.Symbol(self.name, integer=True, positive=True)


def guards_of(program: ExportedProgram, prepared_units: Sequence[PreparedUnit]) -> list[tuple[str, ...]]:
    """Return the constraints of each prepared unit, in the order they were met, each once.

    Raises Unexportable if one cannot be checked later.
    """
    axes = list(_dynamic_axes(program, prepared_units))
    axis_of_symbol: dict[sympy.Symbol, DynamicAxis] = {}
    for axis in axes:
        if axis.expression.is_Symbol:
            axis_of_symbol.setdefault(axis.expression, axis)

    constraints: list[dict[str, None]] = [{} for _ in prepared_units]  # ordered sets
    for axis in _specialized(axes, axis_of_symbol):
        equation = sympy.Eq(axis.symbol, axis.expression, evaluate=False)
        constraints[axis.unit][_text(equation, axis_of_symbol)] = None
    for guard in _recorded_guards(axes):
        units = {axis_of_symbol[symbol].unit for symbol in guard.free_symbols if symbol in axis_of_symbol}
        assert len(units) == 1, f"a guard is about one unit: {guard}"
        constraints[units.pop()][_text(guard, axis_of_symbol)] = None

    for prepared, texts in zip(prepared_units, constraints, strict=True):
        _require_checkable(prepared, texts)
    return [tuple(texts) for texts in constraints]


def _dynamic_axes(program: ExportedProgram, prepared_units: Sequence[PreparedUnit]) -> Iterator[DynamicAxis]:
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    shapes = iter([values[name].shape for name in program.graph_signature.user_inputs])
    for number, prepared in enumerate(prepared_units):
        for _ in prepared.state:
            next(shapes)
        for port, x in enumerate(prepared.unit.inputs):
            for axis, (dim, size) in enumerate(zip(x.shape, next(shapes), strict=True) if x else ()):
                if dim.constant is None:
                    yield DynamicAxis(number, f"x{port}_{axis}", dim, size)


def _specialized(
    axes: Sequence[DynamicAxis], axis_of_symbol: Mapping[sympy.Symbol, DynamicAxis]
) -> Iterator[DynamicAxis]:
    """Yield the axes whose traced size is a number, or follows from other axes, although their dims do not say so."""
    expressions: dict[tuple[int, Dim], sympy.Expr] = {}
    for axis in axes:
        same_dim = expressions.setdefault((axis.unit, axis.dim), axis.expression) == axis.expression
        namesake = axis_of_symbol.get(axis.expression)
        if not same_dim or namesake is None or namesake.dim != axis.dim:
            yield axis


def _recorded_guards(axes: Sequence[DynamicAxis]) -> Iterator[sympy.Basic]:
    """Yield the conditions on sizes that the modules evaluated while they were traced."""
    sizes = [axis.size for axis in axes if isinstance(axis.size, torch.SymInt)]
    if sizes:
        environment = shape_environment(sizes[0])
        conditions = (guard.expr.xreplace(environment.replacements) for guard in environment.guards)
        yield from (condition for condition in conditions if condition is not sympy.true)


def _text(condition: sympy.Basic, axis_of_symbol: Mapping[sympy.Symbol, DynamicAxis]) -> str:
    condition = condition.xreplace({symbol: axis.symbol for symbol, axis in axis_of_symbol.items()})
    if isinstance(condition, (sympy.Eq, sympy.Ne)):
        return f"{condition.lhs} {condition.rel_op} {condition.rhs}"
    return str(condition)


def _require_checkable(prepared: PreparedUnit, texts: Sequence[str] | Mapping[str, None]) -> None:
    """Require that each constraint holds at the traced sizes and can be calculated without torch."""
    sizes = {
        f"x{port}_{axis}": dim.evaluate(prepared.sizes)
        for port, x in enumerate(prepared.unit.inputs)
        if x is not None
        for axis, dim in enumerate(x.shape)
    }
    for text in texts:
        try:
            satisfied = holds(text, sizes)
        except UncheckableConstraint as error:
            raise Unexportable(f"its condition on sizes cannot be checked: {error}") from error
        assert satisfied, f"{text} does not hold at {sizes}, the sizes that were traced"
