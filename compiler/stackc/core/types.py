"""Tensor types whose sizes may be symbolic: the algebra of dims, and the ranges that the dims contract allows.

A `Dim` is a polynomial Σ cᵢ·mᵢ with integer coefficients cᵢ. Each monomial mᵢ is a product of *atoms*, and an atom is a
symbol of the dims contract or an opaque floor division. Terms are sorted and no coefficient is zero, so this form is
canonical: two dims are equal exactly if their terms are. A symbol h declared with `multiple_of: k` enters as k·(h/k),
with the atom h/k, so that dividing h by a factor of k is exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int8", "uint8", "bool")
HALVES = ("float16", "bfloat16")
INPUT_DTYPES = ("float32", *HALVES, "int64", "int32", "int8", "uint8", "bool")
"""What inputs may hold. Halves are cast to float32 as they enter: nothing is calculated in them."""
FLOATS = ("float32", "float64", *HALVES)
INT64 = 1 << 63  # sizes and whole numbers stay below it: PyTorch and ONNX store them as int64
LIMITS = {
    "bool": (0, 1), "uint8": (0, 255), "int8": (-128, 127), "int32": (-(1 << 31), (1 << 31) - 1),
    "int64": (-INT64, INT64 - 1),
}  # fmt: skip
"""The least and the largest number of each element type of whole numbers."""
BYTES = {
    "float32": 4,
    "float64": 8,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """The atom of a dim of the contract, divided by its `multiple_of`: h/16 for h with multiple_of 16."""

    name: str
    multiple_of: int = 1

    def __str__(self) -> str:
        return self.name if self.multiple_of == 1 else f"{self.name}/{self.multiple_of}"


@dataclass(frozen=True, slots=True)
class FloorQuotient:
    """The atom ⌊numerator / divisor⌋ if nothing can be divided out; it equals only an identical floor.

    A numerator that is itself a floor, plus anything else, is drawn into the division: there are no nested quotients
    such as ((h + 1)//2 + 1)//2, which is (h + 3)//4.
    """

    numerator: Dim
    divisor: int

    def __str__(self) -> str:
        text = str(self.numerator)
        return f"{text if text.isidentifier() else f'({text})'}//{self.divisor}"


Atom: TypeAlias = Symbol | FloorQuotient
Monomial = tuple[Atom, ...]  # a product of atoms, sorted; the empty product () is 1
DimLike: TypeAlias = "Dim | int"


@dataclass(frozen=True, eq=False)
class Dim:
    """A polynomial Σ cᵢ·mᵢ as its (mᵢ, cᵢ) terms, sorted by monomial, without zero coefficients."""

    terms: tuple[tuple[Monomial, int], ...]

    # -- construction

    @staticmethod
    def of(value: DimLike) -> Dim:
        """Return the constant dim of an integer; return a dim unchanged."""
        return value if isinstance(value, Dim) else _canonical({(): value})

    @staticmethod
    def symbol(name: str, multiple_of: int = 1) -> Dim:
        """Return the dim of a symbol h: the one term k·(h/k), where k is `multiple_of`."""
        return _canonical({(Symbol(name, multiple_of),): multiple_of})

    # -- arithmetic

    def __add__(self, other: DimLike) -> Dim:
        total = dict(self.terms)
        for monomial, coefficient in Dim.of(other).terms:
            total[monomial] = total.get(monomial, 0) + coefficient
        return _canonical(total)

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return _canonical({monomial: -coefficient for monomial, coefficient in self.terms})

    def __sub__(self, other: DimLike) -> Dim:
        return self + -Dim.of(other)

    def __rsub__(self, other: DimLike) -> Dim:
        return Dim.of(other) - self

    def __mul__(self, other: DimLike) -> Dim:
        """Multiply term by term: (Σ aᵢ·lᵢ)·(Σ bⱼ·rⱼ) = Σ aᵢ·bⱼ·(lᵢ·rⱼ)."""
        total: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in Dim.of(other).terms:
                monomial = tuple(sorted(left + right, key=str)) if left and right else left or right
                total[monomial] = total.get(monomial, 0) + a * b
        return _canonical(total)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: DimLike) -> Dim:
        """Return ⌊self/d⌋ with as much divided out as possible.

        Let self = d·Q + R, where Q takes the terms with a symbol whose coefficient d divides, and let the constant term
        of R be d·q + r with 0 ≤ r < d. Then ⌊self/d⌋ = Q + q + ⌊(R − d·q)/d⌋. The last floor is 0 if R has no symbol.
        Else it becomes one opaque atom, without common factors and without a floor right inside of it:
        ⌊(g·p + r)/(g·d)⌋ = ⌊(p + ⌊r/g⌋)/d⌋, and ⌊(⌊a/m⌋ + k)/d⌋ = ⌊(a + m·k)/(m·d)⌋. Raises ValueError unless d is an
        integer ≥ 1.
        """
        d = Dim.of(divisor).constant
        if d is None or d < 1:
            raise ValueError(f"a dim can be divided by a whole number of 1 or more, not by {divisor}")

        quotient = _canonical({m: c // d for m, c in self.terms if m and c % d == 0})
        undivided = {m: c for m, c in self.terms if m and c % d}
        whole, remainder = divmod(self._constant_term, d)
        if not undivided:
            return quotient + whole

        common = math.gcd(d, *undivided.values())
        numerator = _canonical({m: c // common for m, c in undivided.items()} | {(): remainder // common})
        # A sum, since the quotient may already have a term with the same floor: (3·(h//3) + h)//3 is 2·(h//3).
        return quotient + _floor(numerator, d // common) + whole

    def __rfloordiv__(self, other: int) -> Dim:
        divisor = self.constant
        if divisor is None:
            raise ValueError(f"{other} cannot be divided by the dim {self}")
        return Dim.of(other) // divisor

    def exactly(self, divisor: DimLike) -> Dim | None:
        """Return self/divisor if the division is exact at every size, else None.

        A divisor of one term b·n divides a term c·m if b divides c and n divides m. A divisor of several terms is
        recognized only if it equals the dividend.
        """
        by = Dim.of(divisor)
        if len(by.terms) != 1:
            return Dim.of(1) if self == by else None

        ((divisor_atoms, divisor_coefficient),) = by.terms
        quotient: dict[Monomial, int] = {}
        for monomial, coefficient in self.terms:
            remaining = list(monomial)
            for atom in divisor_atoms:
                if atom not in remaining:
                    return None
                remaining.remove(atom)
            if coefficient % divisor_coefficient:
                return None
            quotient[tuple(remaining)] = coefficient // divisor_coefficient
        return _canonical(quotient)

    # -- queries

    @property
    def _constant_term(self) -> int:
        return next((c for m, c in self.terms if not m), 0)

    @property
    def constant(self) -> int | None:
        """The value of a constant polynomial, or None if it depends on a symbol."""
        if not self.terms:
            return 0
        return self.terms[0][1] if len(self.terms) == 1 and not self.terms[0][0] else None

    def symbols(self) -> dict[str, int]:
        """Return every symbol, those inside of floors included, with its `multiple_of`, sorted by name."""
        multiples: dict[str, int] = {}
        for monomial, _ in self.terms:
            for atom in monomial:
                multiples |= {atom.name: atom.multiple_of} if isinstance(atom, Symbol) else atom.numerator.symbols()
        return dict(sorted(multiples.items()))

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """Return the number at these sizes of the symbols."""
        return sum(c * math.prod(_evaluate_atom(atom, sizes) for atom in m) for m, c in self.terms)

    def at(self, sizes: Mapping[str, Dim]) -> Dim:
        """Substitute a dim for each symbol."""
        return sum((product([c, *(_substitute(atom, sizes) for atom in m)]) for m, c in self.terms), Dim.of(0))

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
        ordered = [t for t in self.terms if t[0]] + [t for t in self.terms if not t[0]]  # the constant last
        text = " + ".join(_term_text(m, c) for m, c in ordered) or "0"
        return text.replace("+ -", "- ")

    def __repr__(self) -> str:
        return f"Dim({self})"


def _canonical(terms: Mapping[Monomial, int]) -> Dim:
    nonzero = [(m, c) for m, c in terms.items() if c]
    if len(nonzero) > 1:
        nonzero.sort(key=lambda term: tuple(map(str, term[0])))
    return Dim(tuple(nonzero))


def _floor(numerator: Dim, divisor: int) -> Dim:
    """Return ⌊numerator / divisor⌋, of which nothing can be divided out, with a floor in it drawn into the division.

    Of several such floors none is drawn in: there would be as many forms of one dim as floors to begin with.
    """
    inner = [m[0] for m, c in numerator.terms if c == 1 and len(m) == 1 and isinstance(m[0], FloorQuotient)]
    if len(inner) != 1:
        return _canonical({(FloorQuotient(numerator, divisor),): 1})

    (floor,) = inner
    rest = numerator - _canonical({(floor,): 1})
    return (floor.numerator + rest * floor.divisor) // (floor.divisor * divisor)


def _evaluate_atom(atom: Atom, sizes: Mapping[str, int]) -> int:
    if isinstance(atom, Symbol):
        return sizes[atom.name] // atom.multiple_of
    return atom.numerator.evaluate(sizes) // atom.divisor


def _substitute(atom: Atom, sizes: Mapping[str, Dim]) -> Dim:
    if isinstance(atom, Symbol):
        return sizes[atom.name] // atom.multiple_of
    return atom.numerator.at(sizes) // atom.divisor


def _term_text(monomial: Monomial, coefficient: int) -> str:
    """Return a term as people write it, by the names of symbols: 16·(h/16) is `h`, 8·(h/16) is `h/2`."""
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


def equating_multiple(left: Dim, right: Dim) -> int | None:
    """Return the least m ≥ 2 such that both dims are equal if every symbol is a multiple of m (times `multiple_of`).

    2·(h//2) and h are equal for h a multiple of 2. Returns None if no m up to `MOST_MULTIPLE` makes them equal.
    """
    symbols = left.symbols() | right.symbols()
    for m in range(2, MOST_MULTIPLE + 1):
        sizes = {name: Dim.symbol(name, multiple_of * m) for name, multiple_of in symbols.items()}
        if left.at(sizes) == right.at(sizes):
            return m
    return None


Shape = tuple[Dim, ...]


def shape(*dims: DimLike) -> Shape:
    """Return a shape of integers and dims."""
    return tuple(Dim.of(d) for d in dims)


def product(dims: Iterable[DimLike]) -> Dim:
    """Return the product of dims; the empty product is 1."""
    total = Dim.of(1)
    for dim in dims:
        total = total * dim
    return total


@dataclass(frozen=True, slots=True)
class TensorType:
    """The type of a tensor: element type and shape."""

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
        """Return the same element type with another shape."""
        return TensorType(self.dtype, shape(*dims))

    def with_last(self, size: DimLike) -> TensorType:
        """Return the type with another size of the last dim."""
        return TensorType(self.dtype, (*self.shape[:-1], Dim.of(size)))

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class DimRange:
    """The sizes that the dims contract allows for a symbol, both ends included; `maximum` is None if unbounded."""

    minimum: int = 1
    maximum: int | None = None
    multiple_of: int = 1

    @property
    def least(self) -> int:
        """The smallest legal size."""
        return -(-self.minimum // self.multiple_of) * self.multiple_of  # rounded up to a multiple

    def allows(self, size: int) -> bool:
        """Return whether `size` is legal."""
        return self.minimum <= size <= (self.maximum or size) and size % self.multiple_of == 0

    @property
    def least_filled(self) -> int:
        """The smallest legal size of an axis with entries."""
        return self.least or self.multiple_of

    def __str__(self) -> str:
        end = f"up to {self.maximum}" if self.maximum else "up"
        return f"from {self.minimum} {end}" + (f", a multiple of {self.multiple_of}" if self.multiple_of > 1 else "")


DimContract = Mapping[str, DimRange]


@dataclass(frozen=True)
class Bounds:
    """The smallest and the largest value that a dim can take under a contract."""

    contract: DimContract = field(default_factory=dict)

    def may_be_empty(self, name: str) -> bool:
        """Return whether a symbol may be 0, which `min: 0` says."""
        return name in self.contract and self.contract[name].minimum == 0

    def least(self, dim: Dim) -> int:
        """Return the value at the smallest sizes: the minimum, since every dim of a shape grows with its symbols."""
        return dim.evaluate({name: self.contract.get(name, DimRange()).least for name in dim.symbols()})

    def largest(self, dim: Dim) -> int | None:
        """Return the value at the largest sizes, or None if a symbol is unbounded."""
        sizes: dict[str, int] = {}
        for name in dim.symbols():
            maximum = self.contract.get(name, DimRange()).maximum
            if maximum is None:
                return None
            sizes[name] = maximum

        return dim.evaluate(sizes)
