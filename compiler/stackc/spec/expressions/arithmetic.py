"""What `+`, `min` and the like mean in expressions: of numbers, and of dims whose size is known only at run time.

Every result is bounded, so that no expression, however nested, fills the memory. A ValueError says in the user's words
what has no value.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any, TypeAlias

from stackc.core.types import Dim

Number: TypeAlias = int | float | bool | Dim
Operation: TypeAlias = Callable[[Any, Any], Any]

MAX_BITS = 256
MAX_TEXT = 1000
"""Characters of a dim as it is written: products of sums grow without end otherwise."""


def is_bounded(value: object) -> bool:
    """Whether a number is finite and small enough to be a size or to be calculated with."""
    if isinstance(value, int):
        return value.bit_length() <= MAX_BITS
    if isinstance(value, Dim):
        return len(str(value)) <= MAX_TEXT
    return not isinstance(value, float) or math.isfinite(value)


def _arithmetic(operation: Operation) -> Operation:
    """`operation` of two numbers or dims, bounded: a text times a billion is no number, and no small one."""

    def run(a: object, b: object) -> Number:
        if not isinstance(a, (int, float, Dim)) or not isinstance(b, (int, float, Dim)):
            raise ValueError("text cannot be calculated with")
        if {Dim, float} <= {type(a), type(b)}:
            raise ValueError("a dim is calculated with whole numbers alone")
        result = operation(a, b)
        if not isinstance(result, (int, float, Dim)):
            raise ValueError("it is no real number")
        if not is_bounded(result):
            raise ValueError("the number is too large")
        return result

    return run


def _quotient(a: Number, b: Number) -> Number:
    """Exact division of dims; the quotient of numbers, whole where it is."""
    if isinstance(b, Dim):
        raise ValueError(f"{a} cannot be divided by {b}, whose size is known only at run time")
    if isinstance(a, Dim):
        if (quotient := a.exactly(int(b))) is None:
            raise ValueError(
                f"{b} does not divide {a} at every size; write // to round down, or give it `multiple_of: {b}`"
            )
        return quotient
    whole = isinstance(a, int) and isinstance(b, int) and a % b == 0
    return a // b if whole else a / b


def _power(a: Any, b: Any) -> Any:
    a, b = _known(a, b)
    if isinstance(a, int) and isinstance(b, int) and abs(b) * a.bit_length() > MAX_BITS:
        raise ValueError("the number is too large")
    return a**b


def _comparison(compare: Operation) -> Operation:
    return lambda a, b: compare(*_known(a, b))


def _equality(compare: Operation) -> Operation:
    """Texts are equal or not; numbers as `_comparison` has them."""
    return lambda a, b: compare(a, b) if isinstance(a, str) or isinstance(b, str) else compare(*_known(a, b))


def _round(function: Callable[[Any], int]) -> Callable[[Any], Number]:
    return lambda value: value if isinstance(value, Dim) else function(*_known(value))


def _extreme(function: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    def run(*values: object) -> Any:
        if not values:
            raise ValueError("min and max need numbers")
        return function(_known(*values))

    return run


def _known(*values: object) -> list[int | float]:
    """The values as numbers; a ValueError where one is text, or a dim whose size is known only at run time."""
    numbers = []
    for value in values:
        number = value.constant if isinstance(value, Dim) else value
        if isinstance(value, Dim) and number is None:
            raise ValueError(f"the size of {value} is known only at run time")
        if not isinstance(number, (int, float)):
            raise ValueError("text cannot be calculated with")
        numbers.append(number)
    return numbers


_minus, _plus = _arithmetic(operator.sub), _arithmetic(operator.add)

OPERATORS: dict[type[ast.AST], Callable[..., object]] = {
    ast.Add: _plus, ast.Sub: _minus, ast.Mult: _arithmetic(operator.mul), ast.Div: _arithmetic(_quotient),
    ast.FloorDiv: _arithmetic(operator.floordiv), ast.Mod: _arithmetic(lambda a, b: operator.mod(*_known(a, b))),
    ast.Pow: _arithmetic(_power), ast.USub: lambda a: _minus(0, a), ast.UAdd: lambda a: _plus(0, a),
    ast.Not: operator.not_, ast.Eq: _equality(operator.eq), ast.NotEq: _equality(operator.ne),
    ast.Lt: _comparison(operator.lt), ast.LtE: _comparison(operator.le), ast.Gt: _comparison(operator.gt),
    ast.GtE: _comparison(operator.ge),
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., object]] = {
    "min": _extreme(min),
    "max": _extreme(max),
    "ceil": _round(math.ceil),
    "floor": _round(math.floor),
}
