"""The algebra of dims against sympy, and the least and largest sizes that a contract allows."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
import sympy  # type: ignore[import-untyped]  # it ships no types

from stackc.types import Bounds, Dim, DimRange

MULTIPLES = {"a": 1, "b": 1, "h": 16, "w": 6}
WHOLE = {name: sympy.Symbol(name, integer=True, positive=True) for name in MULTIPLES}
"""In sympy the dim h, a multiple of 16, is 16·h with a whole h of 1 or more."""


def random_pair(draw: random.Random, depth: int, floors: bool) -> tuple[Dim, sympy.Expr]:
    """A dim made of sums, differences, products and, if asked for, floor divisions; and the same in sympy."""
    if depth == 0 or draw.random() < 0.15:
        if draw.random() < 0.35:
            return Dim.of(number := draw.randrange(-9, 40)), sympy.Integer(number)
        name = draw.choice(sorted(MULTIPLES))
        return Dim.symbol(name, MULTIPLES[name]), MULTIPLES[name] * WHOLE[name]
    left, left_in_sympy = random_pair(draw, depth - 1, floors)
    if floors and draw.random() < 0.4:
        divisor = draw.choice([1, 2, 3, 4, 8, 16, 24])
        return left // divisor, sympy.floor(left_in_sympy / divisor)
    right, right_in_sympy = random_pair(draw, depth - 1, floors)
    match draw.randrange(3):
        case 0:
            return left + right, left_in_sympy + right_in_sympy
        case 1:
            return left - right, left_in_sympy - right_in_sympy
        case _:
            return left * right, left_in_sympy * right_in_sympy


def value(expression: sympy.Expr, sizes: Mapping[str, int]) -> int:
    return int(expression.subs({WHOLE[name]: size // MULTIPLES[name] for name, size in sizes.items()}))


@pytest.mark.parametrize("seed", range(10))
def test_a_dim_has_sympy_s_value_at_every_size(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(100):
        dim, in_sympy = random_pair(draw, 4, floors=True)
        for _ in range(3):
            sizes = {name: multiple * draw.randrange(1, 50) for name, multiple in MULTIPLES.items()}
            assert dim.evaluate(sizes) == value(in_sympy, sizes), (str(dim), in_sympy, sizes)


@pytest.mark.parametrize("seed", range(5))
def test_dims_are_equal_exactly_where_sympy_s_polynomials_are(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(60):
        (x, x_in_sympy), (y, y_in_sympy), (z, z_in_sympy) = (random_pair(draw, 2, floors=False) for _ in range(3))
        assert (x + y) * z == z * y + x * z
        assert hash((x + y) * z) == hash(z * y + x * z)
        assert (x == y) == (sympy.expand(x_in_sympy - y_in_sympy) == 0)
        assert (x * z == y * z) == (sympy.expand((x_in_sympy - y_in_sympy) * z_in_sympy) == 0)


@pytest.mark.parametrize("seed", range(5))
def test_exact_division_is_that_of_all_coefficients(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(60):
        dim, in_sympy = random_pair(draw, 3, floors=False)
        divisor = draw.choice([2, 3, 4, 6, 16])
        coefficients = sympy.Poly(in_sympy, *WHOLE.values()).coeffs()
        quotient = dim.exactly(divisor)
        assert (quotient is not None) == all(coefficient % divisor == 0 for coefficient in coefficients)
        if quotient is not None:
            assert quotient * divisor == dim
            assert quotient == dim // divisor


def test_what_divides_out_of_a_floor_is_no_opaque_term() -> None:
    """floor((a·k + c)/b) = (a/b)·k + floor(c/b) where b divides a: what U-Net's skips hang on."""
    h = Dim.symbol("h", 16)
    down = h
    for _ in range(4):
        down = (down + 2 - 2) // 2
    assert down * 16 == h
    assert (h + 5) // 4 == h // 4 + 1
    assert str((Dim.symbol("s") + 5) // 4) == "(s + 1)//4 + 1"
    assert (2 * Dim.symbol("s") + 4) // 4 == (Dim.symbol("s")) // 2 + 1


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (Dim.symbol("h", 16) // 2, "h/2"), (3 * Dim.symbol("h", 16) // 4, "3*h/4"), (Dim.of(0), "0"),
        (Dim.symbol("b") - Dim.symbol("a"), "-a + b"), (2 * Dim.symbol("a") * Dim.symbol("b") - 1, "2*a*b - 1"),
        (Dim.symbol("a") // 3, "(a)//3"), (-Dim.of(3), "-3"),
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
