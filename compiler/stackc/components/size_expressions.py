"""Fields whose values are sizes with dims, `size: seq - 1`: how to compute them from the axes of the inputs.

At run time tensors have sizes and no dims. So a size is written as a sum of products of axis sizes, which a module can
evaluate and a printed file can show.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypeVar

from stackc.components.base import Component, SignatureError
from stackc.components.fields import Range
from stackc.core.types import Atom, Dim, FloorQuotient, Monomial, Symbol, TensorType

Extent = Annotated[int | Dim, Range(minimum=1)]
"""The type of a field: a size that is a number, or an expression over dims."""

Factor = tuple["int | SizeExpression", int]
"""The size of an axis, (input, axis), or a floor division, (dividend, divisor)."""

SizeExpression = tuple[tuple[int, tuple[Factor, ...]], ...]
"""A sum: each term is a coefficient and the factors that it is multiplied by."""

C = TypeVar("C", bound=Component)


class Variable(str):
    """The name of a variable in a printed file, with the type of its value if that is known."""

    __slots__ = ("type",)
    type: TensorType | None

    @staticmethod
    def of(name: str, type: TensorType | None) -> Variable:
        """Return a name with its type."""
        variable = Variable(name)
        variable.type = type
        return variable


@dataclass(frozen=True, slots=True)
class _Axis:
    """An axis of an input, (input, axis), and its dim."""

    factor: Factor
    dim: Dim


class _LinearAxis(NamedTuple):
    """An axis whose size is `scale` times a monomial plus `offset`."""

    axis: _Axis
    scale: int
    offset: int


def read_off(size: int | Dim, inputs: Sequence[TensorType | None], field: str) -> int | SizeExpression:
    """Return how to compute a size from the axes of the inputs. Raises SignatureError if they do not determine it."""
    if isinstance(size, int) or size.constant is not None:
        return size if isinstance(size, int) else size.constant or 0

    axes = [
        _Axis((port, axis), dim)
        for port, x in enumerate(inputs)
        for axis, dim in enumerate(x.shape if x else ())
        if dim.constant is None
    ]

    # The simplest expression is one axis plus a number.
    for axis in axes:
        if (rest := (size - axis.dim).constant) is not None:
            return ((1, (axis.factor,)), *(((rest, ()),) if rest else ()))

    return tuple(_term(monomial, coefficient, axes, size, field) for monomial, coefficient in size.terms)


def _term(
    monomial: Monomial, coefficient: int, axes: Sequence[_Axis], size: Dim, field: str
) -> tuple[int, tuple[Factor, ...]]:
    """Return one term of a size as a coefficient and factors: an axis for the whole product, or one for each atom."""
    whole = len(monomial) > 1 and _simplest_axis(monomial, axes)
    parts: Sequence[Monomial] = (monomial,) if whole else [(atom,) for atom in monomial]

    factors: list[Factor] = []
    for part in parts:
        source = _simplest_axis(part, axes)
        if source is None:
            factors.append(_floor_division(part[0], axes, size, field))
            continue

        axis, scale, offset = source
        if not offset and coefficient % scale == 0:
            coefficient //= scale
            factors.append(axis.factor)
        else:
            shifted: SizeExpression = ((1, (axis.factor,)), *(((-offset, ()),) if offset else ()))
            factors.append((shifted, scale))
    return coefficient, tuple(factors)


def _simplest_axis(monomial: Monomial, axes: Sequence[_Axis]) -> _LinearAxis | None:
    """Return an axis whose dim is linear in a monomial: without an offset if there is one, then of the least scale."""
    candidates = []
    for axis in axes:
        terms = dict(axis.dim.terms)
        scale, offset = terms.pop(monomial, 0), terms.pop((), 0)
        if scale > 0 and not terms:
            candidates.append(_LinearAxis(axis, scale, offset))
    return min(candidates, key=lambda each: (each.offset != 0, each.scale), default=None)


def _floor_division(atom: Atom, axes: Sequence[_Axis], size: Dim, field: str) -> Factor:
    """Return a floor division that is not itself the size of an axis. Raises SignatureError for a symbol."""
    if isinstance(atom, Symbol):
        raise SignatureError(
            f"{field} {size} cannot be computed: no axis of an input determines {atom.name}",
            field=field,
            hint=f"draw an arrow into `like` from something that has an axis {atom.name}",
        )

    numerator, divisor = _nested_division(atom, axes) or (atom.numerator, atom.divisor)
    dividend = tuple(_term(monomial, number, axes, size, field) for monomial, number in numerator.terms)
    return dividend, divisor


def _nested_division(floor: FloorQuotient, axes: Sequence[_Axis]) -> tuple[Dim, int] | None:
    """Return a floor division of an axis that is itself a floor: (h + 3)//4 is (n + 1)//2 with the axis n = (h + 1)//2.

    It undoes ⌊(⌊b/m⌋ + k)/n⌋ = ⌊(b + m·k)/(m·n)⌋; None if there is no such axis.
    """
    atoms = dict.fromkeys(atom for axis in axes for monomial, _ in axis.dim.terms for atom in monomial)
    for inner in atoms:
        if (
            not isinstance(inner, FloorQuotient)
            or floor.divisor % inner.divisor
            or _simplest_axis((inner,), axes) is None
        ):
            continue
        shift = (floor.numerator - inner.numerator).exactly(inner.divisor)
        if shift is not None and inner != floor:
            return Dim((((inner,), 1),)) + shift, floor.divisor // inner.divisor
    return None


def written(size: int | Dim, *variables: str) -> str:
    """Return a size as Python over variables that hold the inputs, or over the names of its dims if they lack types."""
    types = [variable.type if isinstance(variable, Variable) else None for variable in variables]
    if isinstance(size, int) or not any(types):
        return str(size)

    expression = read_off(size, types, "size")
    return str(expression) if isinstance(expression, int) else _sum(expression, variables)


def _sum(terms: SizeExpression, names: Sequence[str]) -> str:
    products = [_product(coefficient, factors, names) for coefficient, factors in terms]
    return " + ".join(sorted(products, key=lambda text: text[0] == "-")).replace("+ -", "- ")


def _product(coefficient: int, factors: Sequence[Factor], names: Sequence[str]) -> str:
    parts = [str(abs(coefficient))] if abs(coefficient) != 1 or not factors else []

    for source, number in factors:  # (input, axis) or (dividend, divisor)
        if isinstance(source, int):
            parts.append(f"{names[source]}.shape[{number}]")
        else:
            dividend = _sum(source, names)
            dividend = f"({dividend})" if " " in dividend else dividend
            quotient = f"{dividend} // {number}"
            alone = coefficient == 1 and len(factors) == 1
            parts.append(dividend if number == 1 else quotient if alone else f"({quotient})")

    return ("-" if coefficient < 0 else "") + " * ".join(parts)


def dims_of(component: Component) -> Iterator[Dim]:
    """Yield the dims in the fields of a component."""
    for field in dataclasses.fields(component):  # type: ignore[arg-type]  # every component is a dataclass
        value = getattr(component, field.name)
        yield from (each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, Dim))


def with_dims(component: C, renamed: Mapping[Dim, Dim]) -> C:
    """Return the component with other dims in its fields."""

    def replaced(value: object) -> object:
        if isinstance(value, tuple):
            return tuple(map(replaced, value))
        return renamed[value] if isinstance(value, Dim) else value

    names = [field.name for field in dataclasses.fields(component)]  # type: ignore[arg-type]  # as above
    values = {name: replaced(getattr(component, name)) for name in names}
    return dataclasses.replace(component, **values)  # type: ignore[type-var]  # as above


def lower_bound(dim: Dim) -> Dim | None:
    """Return a dim that grows with every size, and is at least 0 only where this one is; None if none is known.

    7·⌊(h + 6)/7⌋ − h grows with none, but by ⌊n/d⌋ ≥ (n − d + 1)/d it is at least 0.
    """
    if all(coefficient > 0 for monomial, coefficient in dim.terms if monomial):
        return dim

    for monomial, coefficient in dim.terms:
        if len(monomial) == 1 and isinstance(floor := monomial[0], FloorQuotient):
            # ⌊n/d⌋ is between (n − d + 1)/d and n/d; all is multiplied by d
            dividend = floor.numerator - (floor.divisor - 1 if coefficient > 0 else 0)
            return lower_bound((dim - Dim(((monomial, coefficient),))) * floor.divisor + dividend * coefficient)
    return None
