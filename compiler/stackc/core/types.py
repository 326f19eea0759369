"""Shapes with names in them: the algebra of dims, and the type of a tensor.

A `Dim` is a polynomial with integer coefficients over *atoms*. An atom is a symbol of the dims contract or an opaque
floor division; two dims are equal exactly when their canonical forms are. A symbol declared with `multiple_of: m`
enters as m·(symbol/m), so that dividing it by a factor of m is exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "bool")
INPUT_DTYPES = ("float32", "int64", "int32", "bool")  # modules are made in float32
FLOATS = ("float32", "float64", "float16", "bfloat16")
INT64 = 1 << 63  # sizes and whole numbers are below it: that is what PyTorch and ONNX hold them in
BYTES = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "bool": 1}


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """A dim of the contract, divided by its `multiple_of`: the atom of h (multiple_of 16) is h/16."""

    name: str
    multiple_of: int = 1

    def __str__(self) -> str:
        return self.name if self.multiple_of == 1 else f"{self.name}/{self.multiple_of}"


@dataclass(frozen=True, slots=True)
class Floor:
    """floor(numerator / divisor) where nothing could be divided out: equal only to itself."""

    numerator: Dim
    divisor: int

    def __str__(self) -> str:
        text = str(self.numerator)
        return f"{text if text.isidentifier() else f'({text})'}//{self.divisor}"


Atom: TypeAlias = Symbol | Floor
Monomial = tuple[Atom, ...]  # a product, sorted; () is 1
DimLike: TypeAlias = "Dim | int"


@dataclass(frozen=True, eq=False)
class Dim:
    """A sum of products: the terms, sorted, no coefficient zero."""

    terms: tuple[tuple[Monomial, int], ...]

    # -- construction

    @staticmethod
    def of(value: DimLike) -> Dim:
        """The dim of an integer; a dim as it is."""
        return value if isinstance(value, Dim) else _dim({(): value})

    @staticmethod
    def symbol(name: str, multiple_of: int = 1) -> Dim:
        """A dim of the contract, as a value to calculate with."""
        return _dim({(Symbol(name, multiple_of),): multiple_of})

    # -- arithmetic

    def __add__(self, other: DimLike) -> Dim:
        total = dict(self.terms)
        for monomial, coefficient in Dim.of(other).terms:
            total[monomial] = total.get(monomial, 0) + coefficient
        return _dim(total)

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return _dim({monomial: -coefficient for monomial, coefficient in self.terms})

    def __sub__(self, other: DimLike) -> Dim:
        return self + -Dim.of(other)

    def __rsub__(self, other: DimLike) -> Dim:
        return Dim.of(other) - self

    def __mul__(self, other: DimLike) -> Dim:
        product: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in Dim.of(other).terms:
                monomial = tuple(sorted(left + right, key=str)) if left and right else left or right
                product[monomial] = product.get(monomial, 0) + a * b
        return _dim(product)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: DimLike) -> Dim:
        """floor((a·k + c)/b) is (a/b)·k + floor(c/b) where b divides a; what is left over stays an opaque term."""
        by = Dim.of(divisor).constant
        if by is None or by < 1:
            raise ValueError(f"a dim can be divided by a whole number of 1 or more, not by {divisor}")
        exact = {m: c // by for m, c in self.terms if m and c % by == 0}
        rest = _dim({m: c for m, c in self.terms if m and c % by} | {(): self._free})
        if rest.constant is not None:
            return _dim(exact | {(): rest.constant // by})
        whole, remainder = divmod(self._free, by)
        opaque = _dim({m: c for m, c in rest.terms if m} | {(): remainder})
        common = math.gcd(by, *(c for _, c in opaque.terms))
        reduced = _dim({m: c // common for m, c in opaque.terms})
        return _dim(exact | {(Floor(reduced, by // common),): 1}) + whole

    def __rfloordiv__(self, other: int) -> Dim:
        by = self.constant
        if by is None:
            raise ValueError(f"{other} cannot be divided by the dim {self}")
        return Dim.of(other) // by

    def exactly(self, divisor: DimLike) -> Dim | None:
        """self / divisor where it divides without a remainder at every size, else None; also for sums unless equal."""
        by = Dim.of(divisor)
        if len(by.terms) != 1:
            return Dim.of(1) if self == by else None
        ((factors, number),) = by.terms
        quotient: dict[Monomial, int] = {}
        for monomial, coefficient in self.terms:
            rest = list(monomial)
            for factor in factors:
                if factor not in rest:
                    return None
                rest.remove(factor)
            if coefficient % number:
                return None
            quotient[tuple(rest)] = coefficient // number
        return _dim(quotient)

    # -- queries

    @property
    def _free(self) -> int:
        return next((c for m, c in self.terms if not m), 0)

    @property
    def constant(self) -> int | None:
        """The number this is, or None where it depends on a symbol."""
        if not self.terms:
            return 0
        return self.terms[0][1] if len(self.terms) == 1 and not self.terms[0][0] else None

    def symbols(self) -> dict[str, int]:
        """Every symbol in it with its `multiple_of`, sorted by name."""
        found: dict[str, int] = {}
        for monomial, _ in self.terms:
            for atom in monomial:
                found |= {atom.name: atom.multiple_of} if isinstance(atom, Symbol) else atom.numerator.symbols()
        return dict(sorted(found.items()))

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """The number at given sizes of the symbols."""
        return sum(c * math.prod(_evaluate(atom, sizes) for atom in m) for m, c in self.terms)

    def at(self, sizes: Mapping[str, Dim]) -> Dim:
        """The dim with other dims for its symbols."""
        return sum((product([c, *(_at(atom, sizes) for atom in m)]) for m, c in self.terms), Dim.of(0))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.constant == other
        return isinstance(other, Dim) and self.terms == other.terms

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.terms) if self.constant is None else hash(self.constant)

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        ordered = [t for t in self.terms if t[0]] + [t for t in self.terms if not t[0]]
        text = " + ".join(_product(m, c) for m, c in ordered) or "0"
        return text.replace("+ -", "- ")

    def __repr__(self) -> str:
        return f"Dim({self})"


def _dim(terms: Mapping[Monomial, int]) -> Dim:
    kept = [(m, c) for m, c in terms.items() if c]
    if len(kept) > 1:
        kept.sort(key=lambda term: tuple(map(str, term[0])))
    return Dim(tuple(kept))


def _evaluate(atom: Atom, sizes: Mapping[str, int]) -> int:
    if isinstance(atom, Symbol):
        return sizes[atom.name] // atom.multiple_of
    return atom.numerator.evaluate(sizes) // atom.divisor


def _at(atom: Atom, sizes: Mapping[str, Dim]) -> Dim:
    if isinstance(atom, Symbol):
        return sizes[atom.name] // atom.multiple_of
    return atom.numerator.at(sizes) // atom.divisor


def _product(monomial: Monomial, coefficient: int) -> str:
    """The product as people write it: 16·(h/16) is h, 8·(h/16) is h/2."""
    divisor, factors = 1, []
    for atom in monomial:
        if isinstance(atom, Symbol):
            divisor *= atom.multiple_of
            factors.append(atom.name)
        else:
            factors.append(str(atom))
    common = math.gcd(coefficient, divisor)
    coefficient, divisor = coefficient // common, divisor // common
    sign = "-" if coefficient < 0 else ""
    number = [str(abs(coefficient))] if abs(coefficient) != 1 or not factors else []
    if sign or number or len(factors) > 1 or divisor > 1:  # 2*(h//2) is not 2*h//2
        factors = [f"({factor})" if "//" in factor else factor for factor in factors]
    return sign + "*".join(number + factors) + (f"/{divisor}" if divisor > 1 else "")


MOST_MULTIPLE = 64


def equating_multiple(one: Dim, other: Dim) -> int | None:
    """The least m up to `MOST_MULTIPLE` by which the dims are equal once all of their symbols are m times another.

    None where there is none: 2·(h//2) and h are equal for h a multiple of 2.
    """
    symbols = one.symbols() | other.symbols()
    for m in range(2, MOST_MULTIPLE + 1):
        sizes = {name: Dim.symbol(name, multiple_of * m) for name, multiple_of in symbols.items()}
        if one.at(sizes) == other.at(sizes):
            return m
    return None


Shape = tuple[Dim, ...]


def shape(*dims: DimLike) -> Shape:
    """A shape from integers and dims."""
    return tuple(Dim.of(d) for d in dims)


def product(dims: Iterable[DimLike]) -> Dim:
    """The product of dims: 1 of none."""
    total = Dim.of(1)
    for dim in dims:
        total = total * dim
    return total


@dataclass(frozen=True, slots=True)
class TensorType:
    """What flows along an arrow: element type and shape."""

    dtype: str
    shape: Shape

    @property
    def rank(self) -> int:
        """The number of dims."""
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return self.dtype in FLOATS

    def with_shape(self, *dims: DimLike) -> TensorType:
        """The same element type in another shape."""
        return TensorType(self.dtype, shape(*dims))

    def with_last(self, size: DimLike) -> TensorType:
        """The same tensor with another size of the last dim."""
        return TensorType(self.dtype, (*self.shape[:-1], Dim.of(size)))

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class DimRange:
    """What the dims contract says of one symbol: both ends included, `maximum` None for no upper end."""

    minimum: int = 1
    maximum: int | None = None
    multiple_of: int = 1

    @property
    def least(self) -> int:
        """The smallest legal size."""
        return -(-self.minimum // self.multiple_of) * self.multiple_of

    def allows(self, size: int) -> bool:
        """Whether `size` is legal."""
        return self.minimum <= size <= (self.maximum or size) and size % self.multiple_of == 0

    def __str__(self) -> str:
        end = f"up to {self.maximum}" if self.maximum else "up"
        return f"from {self.minimum} {end}" + (f", a multiple of {self.multiple_of}" if self.multiple_of > 1 else "")


DimContract = Mapping[str, DimRange]


@dataclass(frozen=True, slots=True)
class ValueRange:
    """What an input of whole numbers may hold: 0 to `below` − 1, or one of `choices` where there are any.

    Where it is `assumed`, neither the spec nor a table says so: it is what is drawn, and others may work too.
    """

    below: int
    choices: tuple[int, ...] = ()
    assumed: bool = False

    def __str__(self) -> str:
        if not self.choices:
            return f"whole numbers from 0 to {self.below - 1}"
        first, more = self.choices[:10], len(self.choices) > 10
        return ", ".join(map(str, first)) + (", …" if more else "")


@dataclass(frozen=True)
class Bounds:
    """The least and the largest value a dim can take under a contract."""

    contract: DimContract = field(default_factory=dict)

    def least(self, dim: Dim) -> int:
        """The smallest value at the smallest sizes; every dim that shapes are made of grows with its symbols."""
        return dim.evaluate({name: self.contract.get(name, DimRange()).least for name in dim.symbols()})

    def largest(self, dim: Dim) -> int | None:
        """The largest value, None where a symbol has no upper end."""
        sizes: dict[str, int] = {}
        for name in dim.symbols():
            maximum = self.contract.get(name, DimRange()).maximum
            if maximum is None:
                return None
            sizes[name] = maximum
        return dim.evaluate(sizes)
