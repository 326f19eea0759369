"""The algebra of dims against sympy, and the least and largest sizes that a contract allows."""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from typing import Any

import pytest
import sympy  # type: ignore[import-untyped]  # it ships no types
from sympy import ZZ
from sympy.polys.rings import ring  # type: ignore[import-untyped]  # as above

from stackc.core.types import Bounds, Dim, DimRange, Symbol, equating_multiple

MULTIPLES = {"a": 1, "b": 1, "h": 16, "w": 6}
RING, *GENERATORS = ring(sorted(MULTIPLES), ZZ)
IN_RING = dict(zip(sorted(MULTIPLES), GENERATORS, strict=True))


def random_dim(draw: random.Random, depth: int, sizes: Mapping[str, int]) -> tuple[Dim, sympy.Rational]:
    """A dim made of sums, differences, products and floor divisions; and its value at these sizes by sympy.

    Sympy computes with numbers here: with symbols it would simplify every floor, at ten milliseconds each.
    """
    if depth == 0 or draw.random() < 0.15:
        if draw.random() < 0.35:
            return Dim.of(number := draw.randrange(-9, 40)), sympy.Integer(number)
        name = draw.choice(sorted(MULTIPLES))
        return Dim.symbol(name, MULTIPLES[name]), sympy.Integer(sizes[name])

    left, left_value = random_dim(draw, depth - 1, sizes)
    if draw.random() < 0.4:
        divisor = draw.choice([1, 2, 3, 4, 8, 16, 24])
        return left // divisor, sympy.floor(left_value / divisor)

    right, right_value = random_dim(draw, depth - 1, sizes)
    match draw.randrange(3):
        case 0:
            return left + right, left_value + right_value
        case 1:
            return left - right, left_value - right_value
        case _:
            return left * right, left_value * right_value


def random_polynomial(draw: random.Random, depth: int) -> tuple[Dim, Any]:
    """A dim without floors; and the same in sympy's ring of polynomials, whose elements have one form each."""
    if depth == 0 or draw.random() < 0.15:
        if draw.random() < 0.35:
            return Dim.of(number := draw.randrange(-9, 40)), RING(number)
        name = draw.choice(sorted(MULTIPLES))
        return Dim.symbol(name, MULTIPLES[name]), MULTIPLES[name] * IN_RING[name]

    (left, left_in_ring), (right, right_in_ring) = (random_polynomial(draw, depth - 1) for _ in range(2))
    match draw.randrange(3):
        case 0:
            return left + right, left_in_ring + right_in_ring
        case 1:
            return left - right, left_in_ring - right_in_ring
        case _:
            return left * right, left_in_ring * right_in_ring


def terms(dim: Dim) -> dict[tuple[int, ...], int]:
    """The coefficients of a dim without floors, by the power of each symbol, as sympy's ring has them."""
    powers = [[atom.name for atom in monomial if isinstance(atom, Symbol)] for monomial, _ in dim.terms]
    exponents = (tuple(map(names.count, sorted(MULTIPLES))) for names in powers)
    return dict(zip(exponents, (coefficient for _, coefficient in dim.terms), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_a_dim_has_sympy_s_value_at_every_size(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(2500):
        sizes = {name: multiple * draw.randrange(1, 50) for name, multiple in MULTIPLES.items()}
        dim, value = random_dim(draw, 4, sizes)
        assert dim.evaluate(sizes) == value, (str(dim), sizes)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_dim_has_one_form_and_it_is_sympy_s(seed: int) -> None:
    """Two dims, and their hashes, are equal exactly if their polynomials are, whatever operations they come from."""
    draw = random.Random(seed)
    before, before_in_ring = Dim.of(0), RING(0)
    for _ in range(2500):
        dim, in_ring = random_polynomial(draw, 3)
        assert terms(dim) == dict(in_ring)
        assert (dim == before) == (in_ring == before_in_ring)
        assert (dim + before) * dim == dim * dim + before * dim
        assert hash(dim - before + before) == hash(dim)
        before, before_in_ring = (dim, in_ring) if draw.random() < 0.8 else (Dim.of(0), RING(0))


@pytest.mark.parametrize("seed", range(4))
def test_exact_division_is_that_of_all_coefficients(seed: int) -> None:
    draw = random.Random(seed)
    exact = 0
    for _ in range(2500):
        dim, in_ring = random_polynomial(draw, 3)
        divisor = draw.choice([2, 3, 4, 6, 16])
        quotient = dim.exactly(divisor)
        assert (quotient is not None) == all(coefficient % divisor == 0 for coefficient in in_ring.coeffs())
        if quotient is not None:
            assert terms(quotient) == dict(in_ring.quo_ground(divisor))
            assert quotient == dim // divisor
            exact += 1
    assert 250 < exact < 2250


def test_what_divides_out_of_a_floor_is_no_opaque_term() -> None:
    """⌊(a·k + c)/b⌋ = (a/b)·k + ⌊c/b⌋ if b divides a: the skip connections of U-Net depend on it."""
    h = Dim.symbol("h", 16)
    down = h
    for _ in range(4):
        down = (down + 2 - 2) // 2
    assert down * 16 == h
    assert (h + 5) // 4 == h // 4 + 1
    assert str((Dim.symbol("s") + 5) // 4) == "(s + 1)//4 + 1"
    assert (2 * Dim.symbol("s") + 4) // 4 == (Dim.symbol("s")) // 2 + 1


def test_a_floor_of_a_floor_is_one_floor() -> None:
    """⌊(⌊a/m⌋ + k)/n⌋ = ⌊(a + k·m)/(m·n)⌋: the sizes of ResNet are (height + 31)//32, whichever way one comes there."""
    h, w = Dim.symbol("h"), Dim.symbol("w")
    assert ((h + 1) // 2 + 1) // 2 == (h + 3) // 4
    assert (h // 2 + w) // 2 == (h + 2 * w) // 4
    assert str(functools.reduce(lambda size, _: (size + 1) // 2, range(5), h)) == "(h + 31)//32"
    # ⌊(g·p + r)/(g·d)⌋ = ⌊(p + ⌊r/g⌋)/d⌋, the same read backwards, where a factor divides out
    assert (2 * h + 3) // 4 == (h + 1) // 2
    even = Dim.symbol("h", 2)
    assert ((even + 1) // 2 + 1) // 2 == (even + 3) // 4


@pytest.mark.parametrize("seed", range(4))
def test_floors_in_any_order_are_one_floor(seed: int) -> None:
    """Equal exactly where their values are, at every size from 0 on: chains of ⌊(· + k)/n⌋ over one or two symbols."""
    draw = random.Random(seed)
    names = {"a": draw.choice([1, 2, 6]), "b": 1}
    start = sum((draw.randrange(1, 4) * Dim.symbol(name, of) for name, of in names.items()), Dim.of(0))

    for _ in range(400):
        divisors = [draw.choice([2, 3, 4, 6]) for _ in range(draw.randrange(1, 4))]
        nested, total, product = start, 0, 1
        for divisor in divisors:
            shift = draw.randrange(-5, 9)
            nested, total = (nested + shift) // divisor, total + shift * product
            product *= divisor
        assert nested == (start + total) // product, (str(nested), divisors)

        for _ in range(8):
            sizes = {name: of * draw.randrange(0, 60) for name, of in names.items()}
            assert nested.evaluate(sizes) == (start.evaluate(sizes) + total) // product


def test_a_floor_adds_to_the_same_floor_in_the_quotient() -> None:
    """(3·(h//3) + h)//3: both terms divide to h//3."""
    third = Dim.symbol("h") // 3
    assert (3 * third + Dim.symbol("h")) // 3 == 2 * third


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (Dim.symbol("h", 16) // 2, "h/2"), (3 * Dim.symbol("h", 16) // 4, "3*h/4"), (Dim.of(0), "0"),
        (Dim.symbol("b") - Dim.symbol("a"), "-a + b"), (2 * Dim.symbol("a") * Dim.symbol("b") - 1, "2*a*b - 1"),
        (Dim.symbol("a") // 3, "a//3"), (-Dim.of(3), "-3"), (2 * (Dim.symbol("h") // 2), "2*(h//2)"),
        (-(Dim.symbol("h") // 2) + 1, "-(h//2) + 1"), (Dim.symbol("h") // 2 + 1, "h//2 + 1"),
        (Dim.symbol("h") // 2 // 3, "h//6"), (Dim.symbol("a") * (Dim.symbol("h") // 2), "a*(h//2)"),
    ],
)  # fmt: skip
def test_how_a_dim_is_written(dim: Dim, text: str) -> None:
    assert str(dim) == text


@pytest.mark.parametrize("divisor", [0, -2, Dim.symbol("a")])
def test_a_dim_is_divided_by_whole_numbers_of_one_or_more(divisor: int | Dim) -> None:
    with pytest.raises(ValueError, match=f"a whole number of 1 or more, not by {divisor}"):
        Dim.symbol("a") // divisor


def test_the_ends_of_a_contract() -> None:
    bounds = Bounds({"h": DimRange(10, 100, 16), "s": DimRange(2)})
    h, s = Dim.symbol("h", 16), Dim.symbol("s")
    assert (bounds.least(h), bounds.largest(h // 16)) == (16, 6)
    assert (bounds.least(h * s + 1), bounds.largest(h * s)) == (33, None)
    assert [size for size in range(120) if bounds.contract["h"].allows(size)] == [16, 32, 48, 64, 80, 96]


@pytest.mark.parametrize(
    ("left", "right", "multiple"),
    [
        (2 * (Dim.symbol("h") // 2), Dim.symbol("h"), 2), (4 * ((Dim.symbol("h") + 1) // 4), Dim.symbol("h"), 4),
        (8 * (Dim.symbol("h", 2) // 2 // 2 // 2), Dim.symbol("h", 2), 4), (Dim.symbol("h"), Dim.symbol("w"), None),
        (Dim.symbol("h") + 1, Dim.symbol("h"), None), (Dim.of(3), Dim.of(4), None),
    ],
)  # fmt: skip
def test_the_multiple_by_which_dims_are_equal(left: Dim, right: Dim, multiple: int | None) -> None:
    assert equating_multiple(left, right) == multiple
    if multiple:
        sizes = {name: 5 * of * multiple for name, of in (left.symbols() | right.symbols()).items()}
        assert left.evaluate(sizes) == right.evaluate(sizes)
