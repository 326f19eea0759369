"""The operators and functions of expressions, on numbers and on dims whose size is known only at run time.

Every result is bounded, so that no expression, however nested, fills the memory. They raise ValueError with a message
for the user if there is no value.
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
"""Most characters of a dim as text; without a limit, products of sums would grow exponentially."""


def is_bounded(value: object) -> bool:
    """Return whether a number is finite and small enough to be a size or an operand."""
    if isinstance(value, int):
        return value.bit_length() <= MAX_BITS
    if isinstance(value, Dim):
        return len(str(value)) <= MAX_TEXT
    return not isinstance(value, float) or math.isfinite(value)


def _arithmetic(operation: Operation) -> Operation:
    """Restrict `operation` to numbers and dims, and bound its result: text times a billion would fill the memory."""

    def run(a: object, b: object) -> Number:
        for operand in (a, b):
            if not isinstance(operand, (int, float, Dim)):
                raise ValueError(_unusable(operand))
        if {Dim, float} <= {type(a), type(b)}:
            raise ValueError("a dim can be combined only with whole numbers")

        result = operation(a, b)
        if not isinstance(result, (int, float, Dim)):
            raise ValueError("the result is not a real number")
        if not is_bounded(result):
            raise ValueError("the number is too large")
        return result

    return run


def _quotient(a: Number, b: Number) -> Number:
    """Divide dims exactly. The quotient of whole numbers is a whole number if there is no remainder."""
    if isinstance(b, Dim):
        raise ValueError(f"{a} cannot be divided by {b}, whose size is known only at run time")
    if isinstance(a, Dim):
        if (quotient := a.exactly(int(b))) is None:
            message = f"{b} does not divide {a} at every size; write // to round down, or give it `multiple_of: {b}`"
            raise ValueError(message)
        return quotient
    is_whole = isinstance(a, int) and isinstance(b, int) and a % b == 0
    return a // b if is_whole else a / b


def _power(a: Any, b: Any) -> Any:
    a, b = _numbers(a, b)
    if isinstance(a, int) and isinstance(b, int) and abs(b) * a.bit_length() > MAX_BITS:
        raise ValueError("the number is too large")
    return a**b


def _comparison(compare: Operation) -> Operation:
    return lambda a, b: compare(*_numbers(a, b))


def _equality(compare: Operation) -> Operation:
    """Compare text for equality, and numbers as `_comparison` does."""
    return lambda a, b: compare(a, b) if isinstance(a, str) or isinstance(b, str) else compare(*_numbers(a, b))


def _round(function: Callable[[Any], int]) -> Callable[[Any], Number]:
    return lambda value: value if isinstance(value, Dim) else function(*_numbers(value))


def _extreme(function: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    def run(*values: object) -> Any:
        if not values:
            raise ValueError("min and max need numbers")
        return function(_numbers(*values))

    return run


def _numbers(*values: object) -> list[int | float]:
    """Return the values as numbers. Raises ValueError for text, and for a dim whose size is known only at run time."""
    numbers = []
    for value in values:
        number = value.constant if isinstance(value, Dim) else value
        if isinstance(value, Dim) and number is None:
            raise ValueError(f"the size of {value} is known only at run time")
        if not isinstance(number, (int, float)):
            raise ValueError(_unusable(number))
        numbers.append(number)
    return numbers


def _unusable(operand: object) -> str:
    if isinstance(operand, tuple):
        return "a list cannot be used in arithmetic: write one of its entries, as in `rates[0]`"
    return "text cannot be used in arithmetic"


def truth_of(condition: object) -> bool:
    """Return whether the condition of `a if b else c` holds. Raises ValueError for text, a list, and an open dim."""
    (number,) = _numbers(condition)
    return bool(number)


def entry_of(values: object, index: object) -> Any:
    """Return an entry of a list, counted from 0, or from the end if negative. Raises ValueError if there is none."""
    if not isinstance(values, tuple):
        raise ValueError("only a list has entries")
    (number,) = _numbers(index)
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError(f"the entries of a list are numbered, and {number} is no whole number")
    if not -len(values) <= number < len(values):
        count = "1 entry" if len(values) == 1 else f"{len(values)} entries"
        raise ValueError(f"the list has {count}, numbered from 0, and none is number {number}")
    return values[number]


def _length(values: object) -> int:
    if not isinstance(values, tuple):
        raise ValueError("only a list has a length")
    return len(values)


_minus, _plus = _arithmetic(operator.sub), _arithmetic(operator.add)

OPERATORS: dict[type[ast.AST], Callable[..., object]] = {
    ast.Add: _plus, ast.Sub: _minus, ast.Mult: _arithmetic(operator.mul), ast.Div: _arithmetic(_quotient),
    ast.FloorDiv: _arithmetic(operator.floordiv), ast.Mod: _arithmetic(lambda a, b: operator.mod(*_numbers(a, b))),
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
    "len": _length,
}
