"""Fields that speak of dims, `size: seq - 1`: how the sizes of the inputs tell them to a module and a printed file.

What runs knows the sizes of tensors and no dims. So a dim is read off the axes, as sums of products of their sizes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from stackc.components.base import Component, SignatureError
from stackc.components.fields import Range
from stackc.core.types import Atom, Dim, Monomial, Symbol, TensorType

Extent = Annotated[int | Dim, Range(minimum=1)]
"""A field: a size that is a number, or an expression over dims."""

Factor = tuple["int | SizeExpression", int]
"""The size of an axis, (input, axis), or a floor division, (terms, divisor)."""

SizeExpression = tuple[tuple[int, tuple[Factor, ...]], ...]
"""A sum: each term is a number and the factors that it is multiplied by."""

C = TypeVar("C", bound=Component)


class Variable(str):
    """The name of a variable in a printed file, and the type of what it holds where that is known."""

    __slots__ = ("type",)
    type: TensorType | None

    @staticmethod
    def of(name: str, type: TensorType | None) -> Variable:
        """A name with its type."""
        made = Variable(name)
        made.type = type
        return made


@dataclass(frozen=True, slots=True)
class _Axis:
    """An axis of an input, by numbers, and its dim."""

    factor: Factor
    dim: Dim


def read_off(size: int | Dim, inputs: Sequence[TensorType | None], field: str) -> int | SizeExpression:
    """How the axes of the inputs tell a size. A SignatureError where they do not."""
    if isinstance(size, int) or size.constant is not None:
        return size if isinstance(size, int) else size.constant or 0
    axes = [
        _Axis((port, axis), dim)
        for port, x in enumerate(inputs)
        for axis, dim in enumerate(x.shape if x else ())
        if dim.constant is None
    ]
    for axis in axes:
        if (rest := (size - axis.dim).constant) is not None:
            return ((1, (axis.factor,)), *(((rest, ()),) if rest else ()))
    return tuple(_term(monomial, coefficient, axes, size, field) for monomial, coefficient in size.terms)


def _term(
    monomial: Monomial, number: int, axes: Sequence[_Axis], size: Dim, field: str
) -> tuple[int, tuple[Factor, ...]]:
    factors: list[Factor] = []
    for part in (monomial,) if len(monomial) > 1 and _told(monomial, axes) else ((atom,) for atom in monomial):
        found = _told(part, axes)
        if found is None:
            factors.append(_inside(part[0], axes, size, field))
            continue
        axis, times, added = found
        if not added and number % times == 0:
            number //= times
            factors.append(axis.factor)
        else:
            shifted: SizeExpression = ((1, (axis.factor,)), *(((-added, ()),) if added else ()))
            factors.append((shifted, times))
    return number, tuple(factors)


def _told(monomial: Monomial, axes: Sequence[_Axis]) -> tuple[_Axis, int, int] | None:
    """An axis whose dim is a product, times a number, plus a number; the plainest one."""
    found = []
    for axis in axes:
        terms = dict(axis.dim.terms)
        times, added = terms.pop(monomial, 0), terms.pop((), 0)
        if times > 0 and not terms:
            found.append((axis, times, added))
    return min(found, key=lambda told: (told[2] != 0, told[1]), default=None)


def _inside(atom: Atom, axes: Sequence[_Axis], size: Dim, field: str) -> Factor:
    """A floor division that no axis has itself. A SignatureError for a symbol."""
    if isinstance(atom, Symbol):
        raise SignatureError(
            f"{field} {size} cannot be told: no axis of an input says how large {atom.name} is",
            field=field,
            hint=f"draw an arrow into `like` from something that has an axis {atom.name}",
        )
    terms = tuple(_term(monomial, number, axes, size, field) for monomial, number in atom.numerator.terms)
    return terms, atom.divisor


def written(size: int | Dim, *variables: str) -> str:
    """A size as one writes it, of variables that hold the inputs; by the names of its dims where they have no types."""
    types = [variable.type if isinstance(variable, Variable) else None for variable in variables]
    if isinstance(size, int) or not any(types):
        return str(size)
    terms = read_off(size, types, "size")
    return str(terms) if isinstance(terms, int) else _sum(terms, variables)


def _sum(terms: SizeExpression, names: Sequence[str]) -> str:
    shown = [_product(number, factors, names) for number, factors in terms]
    return " + ".join(sorted(shown, key=lambda text: text[0] == "-")).replace("+ -", "- ")


def _product(number: int, factors: Sequence[Factor], names: Sequence[str]) -> str:
    parts = [str(abs(number))] if abs(number) != 1 or not factors else []
    for source, other in factors:
        if isinstance(source, int):
            parts.append(f"{names[source]}.shape[{other}]")
        else:
            inner = _sum(source, names)
            inner = f"({inner})" if " " in inner else inner
            alone = number == 1 and len(factors) == 1
            divided = f"{inner} // {other}"
            parts.append(inner if other == 1 else divided if alone else f"({divided})")
    return ("-" if number < 0 else "") + " * ".join(parts)


def dims_of(component: Component) -> Iterator[Dim]:
    """The dims that the fields of a component speak of."""
    for field in dataclasses.fields(component):  # type: ignore[arg-type]  # every component is a dataclass
        value = getattr(component, field.name)
        yield from (each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, Dim))


def with_dims(component: C, renamed: Mapping[Dim, Dim]) -> C:
    """The component with other dims in its fields."""

    def other(value: object) -> object:
        if isinstance(value, tuple):
            return tuple(map(other, value))
        return renamed[value] if isinstance(value, Dim) else value

    names = [field.name for field in dataclasses.fields(component)]  # type: ignore[arg-type]  # as above
    return dataclasses.replace(component, **{name: other(getattr(component, name)) for name in names})  # type: ignore[type-var]
