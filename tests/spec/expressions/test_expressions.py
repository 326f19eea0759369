"""Bare expressions: their values, what they refuse, and that they can reach nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import sympy  # type: ignore[import-untyped]  # it ships no types

from stackc.core.diagnostics import Span, SpecError
from stackc.core.types import Dim
from stackc.spec.expressions.expressions import ParamValue, evaluate, interpolate
from stackc.spec.yaml.yaml_reader import read_yaml

SCOPE: dict[str, ParamValue] = {
    "dim": 384, "heads": 12, "rate": 0.5, "norm": "layer_norm", "on": True, "seq": Dim.symbol("seq"),
    "h": Dim.symbol("h", 16), "batch": Dim.of(8), "nothing": None,
}  # fmt: skip


def value(text: str) -> ParamValue:
    return evaluate(text, SCOPE, read_yaml(text, file="spec.yaml").span)


def refused(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        value(text)
    (diagnostic,) = caught.value.diagnostics
    return str(diagnostic)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4*dim", 1536), ("dim // heads", 32), ("dim / heads", 32), ("7 / 2", 3.5), ("-dim", -384), ("2**-1", 0.5),
        ("dim % 100", 84), ("min(dim, 100)", 100), ("max(dim, 4*heads, 2)", 384), ("ceil(rate)", 1), ("floor(2.7)", 2),
        ("dim > 3 and heads == 12", True), ("not on", False), ("true", True), ("1 < heads <= 12", True),
        ("norm == 'layer_norm'", True), ("norm", "layer_norm"), (" dim ", 384), ("batch % 3", 2), ("batch > 7", True),
        ("nothing", None), ("0x10", 16), ("1_000 + 1e3", 2000.0),
    ],
)  # fmt: skip
def test_the_value_of_an_expression(text: str, expected: ParamValue) -> None:
    result = evaluate(text, SCOPE, read_yaml("x", file="spec.yaml").span)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("4*seq + 2", "4*seq + 2"), ("h // 16 * 2", "h/8"), ("h / 4", "h/4"), ("(seq + 1) // 2", "(seq + 1)//2"),
     ("ceil(seq)", "seq"), ("2*h // 4", "h/2")],
)  # fmt: skip
def test_dims_stay_symbols(text: str, shown: str) -> None:
    assert str(value(text)) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seq / 2", "2 does not divide seq at every size; write // to round down, or give it `multiple_of: 2`"),
        ("seq > 3", "the size of seq is known only at run time"),
        ("seq == 3", "the size of seq is known only at run time"),
        ("min(seq, 3)", "the size of seq is known only at run time"),
        ("seq ** 2", "the size of seq is known only at run time"),
        ("dim // seq", "384 cannot be divided by the dim seq"),
        ("seq * 0.5", "a dim can be combined only with whole numbers"),
        ("dim // 0", "it divides by zero"),
        ("norm * 3", "text cannot be used in arithmetic"),
        ("norm < 3", "text cannot be used in arithmetic"),
        ("nothing + 1", "text cannot be used in arithmetic"),
        ("(-8) ** 0.5", "the result is not a real number"),
        ("9 ** 64 ** 64", "the number is too large"),
        ("((((9**64)**64)**64)**64)**64", "the number is too large"),
        ("1e308 * 10", "the number is too large"),
        ("ceil(1, 2)", "a function has too many or too few arguments"),
        ("min()", "min and max need numbers"),
    ],
)
def test_expressions_without_a_value(text: str, message: str) -> None:
    assert refused(text) == f"spec.yaml:1:1: error[X003]: '{text}' has no value: {message}"


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        ("4^dim", "'^' is not an operator", "write `4**dim`"),
        ("4dim", "missing operator between a number and a name", "write `4*dim`"),
        ("2(dim + 1)", "missing operator between a number and a name", "write `2*(dim + 1)`"),
        ("3x3", "two sizes are a list", "write `[3, 3]`"),
        ("int(dim / 3)", "unknown function 'int'", "floor rounds down, ceil rounds up: `floor(dim / 3)`"),
        ("round(dim)", "unknown function 'round'", "floor rounds down, ceil rounds up: `floor(dim)`"),
        ("1 / sqrt(dim)", "unknown function 'sqrt'", "write `1 / dim**0.5`"),
        ("sqrt(dim + 1)", "unknown function 'sqrt'", "write `(dim + 1)**0.5`"),
        ("batch seq", "missing operator between two names", "write a list as `[batch, seq]`"),
        ("dim × 2", "it contains '×' (U+00D7)", "write `dim * 2`"),
        ("batch，seq", "it contains '，' (U+FF0C)", "write `batch,seq`"),
        ("“4*dim”", "it contains '“' (U+201C)", 'write `"4*dim"`'),
        ("(dim", "'(' was never closed", None),
        ("4 *", "invalid syntax", None),
    ],
)
def test_common_mistakes_are_explained_with_a_fix(text: str, reason: str, hint: str | None) -> None:
    with pytest.raises(SpecError) as caught:
        evaluate(text, SCOPE, Span("spec.yaml", 1))
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("X001", f"'{text}' is not an expression: {reason}")
    language = (
        "use + - * / // % **, comparison, and or not, `a if b else c`, `list[i]`, min, max, ceil, floor and len, "
    )
    assert diagnostic.hint == (hint or f"{language}over params and dims")


@pytest.mark.parametrize("text", ["dim.real", "[1, 2]", "lambda: 3", "f'{dim}'", "dim[0:2]",
                                  "~dim", "dim << 3", "dim is 3", "min(dim, 3, key=heads)", "min(*[1])"])  # fmt: skip
def test_more_than_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"error\[X001\].*it contains more than arithmetic and comparison"):
        evaluate(text, SCOPE, read_yaml("x", file="spec.yaml").span)


@pytest.mark.parametrize("text", ["dim = 3", "dim := 3", "dim; heads", "dim\nheads", "4 *", "", "(" * 300, "1" * 500,
                                  "dim\0", "import os", "3 3"])  # fmt: skip
def test_text_that_is_not_an_expression(text: str) -> None:
    with pytest.raises(SpecError, match=r"error\[X001\]"):
        evaluate(text, SCOPE, read_yaml("x", file="spec.yaml").span)


@pytest.mark.parametrize("text", ["__import__('os')", "open('x')", "print(1)", "eval('1')", "norm()"])
def test_no_other_function_is_reached(text: str) -> None:
    with pytest.raises(SpecError, match=r"error\[X001\].*unknown function"):
        evaluate(text, SCOPE, read_yaml("x", file="spec.yaml").span)


@pytest.mark.parametrize("text", ["2j", "...", "9" * 300, "None"])
def test_a_value_is_a_bounded_number(text: str) -> None:
    with pytest.raises(SpecError, match=r"error\[X003\].*is not a number, or is out of bounds"):
        evaluate(text, SCOPE, read_yaml("x", file="spec.yaml").span)


def test_dims_do_not_grow_without_end() -> None:
    """Each param is the square of the previous one, which without a limit would have 2**30 terms."""
    grown: dict[str, ParamValue] = {"p": Dim.symbol("a") + Dim.symbol("b") // 3}

    def grow() -> None:
        for _ in range(30):
            grown["p"] = evaluate("(p + 1) // 5 * p", grown, read_yaml("x", file="spec.yaml").span)

    with pytest.raises(SpecError, match="the number is too large"):
        grow()


def test_an_unknown_name_is_pointed_at() -> None:
    assert refused("4*dmi + heads") == "spec.yaml:1:3: error[X002]: 'dmi' is neither a param nor a dim"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("${norm}", "layer_norm"), ("${dim}", 384), ("${2*dim}", 768), ("a_${heads}_${norm}", "a_12_layer_norm"),
     ("plain", "plain"), ("$dim {dim}", "$dim {dim}"), ("${dim", "${dim")],
)  # fmt: skip
def test_text_with_expressions_in_it(text: str, expected: ParamValue) -> None:
    assert interpolate(text, SCOPE, read_yaml("x", file="spec.yaml").span) == expected


def test_a_mistake_in_text_is_pointed_at() -> None:
    text = "a_${nrom}"
    with pytest.raises(SpecError, match=r"^spec.yaml:1:6: error\[X002\]"):
        interpolate(text, SCOPE, read_yaml(f"'{text}'", file="spec.yaml").span)


# -- random expressions, against sympy's numbers

SIZES = {"seq": 37, "h": 48, "batch": 8}
PARAMS = {name: number for name, number in SCOPE.items() if type(number) is int}
IN_SYMPY = {name: sympy.Integer(number) for name, number in (PARAMS | SIZES).items()}
FUNCTIONS_OF_SYMPY = {"min": sympy.Min, "max": sympy.Max, "ceil": sympy.ceiling, "floor": sympy.floor}


def random_number(draw: random.Random, depth: int) -> str:
    """An expression over params, with all operators and functions."""
    if depth == 0 or draw.random() < 0.2:
        return draw.choice([*PARAMS, str(draw.randrange(1, 30))])
    a, b = (random_number(draw, depth - 1) for _ in range(2))
    small, divisor = draw.randrange(4), draw.randrange(1, 9)
    return draw.choice(
        [f"{a} + {b}", f"{a} - ({b})", f"({a}) * ({b})", f"-({a})", f"({a}) // {divisor}", f"({a}) % {divisor}",
         f"({a}) / {divisor}", f"({a})**{small}", f"min({a}, {b})", f"max({a}, {b}, {small})",
         f"ceil(({a}) / {divisor})", f"floor(({a}) / {divisor})"]
    )  # fmt: skip


def random_size(draw: random.Random, depth: int) -> str:
    """An expression over dims and params, as shapes have them."""
    if depth == 0 or draw.random() < 0.15:
        return draw.choice([*SIZES, *PARAMS, str(draw.randrange(1, 30))])
    a, b = (random_size(draw, depth - 1) for _ in range(2))
    divisor = draw.choice([1, 2, 3, 4, 8, 16])
    return draw.choice(
        [f"{a} + {b}", f"{a} - ({b})", f"({a}) * ({b})", f"-({a})", f"({a}) // {divisor}",
         f"{divisor} * ({a}) / {divisor}", f"(h * ({a}) + 16 * ({b})) / 16", f"ceil({a})"]
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("random_text", [random_number, random_size])
def test_an_expression_has_sympy_s_value(random_text: Callable[[random.Random, int], str], seed: int) -> None:
    """5,000 of each kind. Those that grow out of bounds are refused, and left out."""
    draw, span, compared = random.Random(seed), read_yaml("x", file="spec.yaml").span, 0
    for _ in range(1250):
        text = random_text(draw, 3)
        try:
            result = evaluate(text, SCOPE, span)
        except SpecError as error:
            assert "the number is too large" in str(error), text  # noqa: PT017  # which one is raised is not the point
            continue

        assert isinstance(result, int | float | Dim)
        number = result.evaluate(SIZES) if isinstance(result, Dim) else result
        exact = eval(text, {"__builtins__": {}}, IN_SYMPY | FUNCTIONS_OF_SYMPY)
        assert number == pytest.approx(float(exact), rel=1e-12), text
        compared += 1
    assert compared > 1000
