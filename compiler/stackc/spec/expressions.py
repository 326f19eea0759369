"""Bare expressions over params and dims, and `${…}` in text. Arithmetic and comparison; nothing else can be reached."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import simpleeval

from stackc.diagnostics import Diagnostic, Span, SpecError, near
from stackc.types import Dim

Number: TypeAlias = int | float | bool | Dim
Bound: TypeAlias = Number | str | None
Scope = Mapping[str, Bound]

MAX_LENGTH = 400
MAX_POWER = 64


def _divide(a: Number, b: Number) -> Number:
    """Exact division of dims; the quotient of numbers, whole where it is."""
    if isinstance(a, Dim) and isinstance(b, int):
        if (quotient := a.exactly(b)) is None:
            raise ValueError(f"{b} does not divide {a} at every size; write // to round down")
        return quotient
    if isinstance(a, Dim) or isinstance(b, Dim):
        raise ValueError(f"{a} cannot be divided by {b}")
    ratio = a / b
    return int(ratio) if ratio.is_integer() else ratio


def _power(a: Number, b: Number) -> Number:
    if isinstance(a, Dim) or isinstance(b, Dim) or abs(b) > MAX_POWER:
        raise ValueError(f"{a} ** {b} is too much: powers are of numbers, and up to {MAX_POWER}")
    return a**b


def _round(function: Callable[[float], int]) -> Callable[[Number], Number]:
    return lambda value: value if isinstance(value, Dim) else function(value)


def _of_numbers(function: Callable[[Any, Any], object]) -> Callable[[object, object], object]:
    """`function`, of numbers and dims alone: a text times a billion is no number, and no small one."""

    def run(a: object, b: object) -> object:
        if isinstance(a, str) or isinstance(b, str):
            raise TypeError("text cannot be calculated with")
        return function(a, b)

    return run


_OPERATORS: dict[type[ast.AST], Callable[..., object]] = {
    ast.Add: _of_numbers(operator.add), ast.Sub: _of_numbers(operator.sub), ast.Mult: _of_numbers(operator.mul),
    ast.Div: _of_numbers(_divide), ast.FloorDiv: _of_numbers(operator.floordiv), ast.Mod: _of_numbers(operator.mod),
    ast.Pow: _of_numbers(_power), ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., object]] = {
    "min": min,
    "max": max,
    "ceil": _round(math.ceil),
    "floor": _round(math.floor),
}
_CONSTANTS = {"true": True, "false": False}
_NODES = ("Expression", "Expr", "BinOp", "UnaryOp", "BoolOp", "Compare", "Call", "Name", "Constant")


def evaluate(text: str, scope: Scope, span: Span) -> Bound:
    """The value of a bare expression. SpecError X001 (not an expression), X002 (unknown name), X003 (no value)."""
    if len(text) > MAX_LENGTH:
        raise SpecError(
            Diagnostic("X001", f"an expression has at most {MAX_LENGTH} characters; this has {len(text)}", span)
        )
    if text in scope:
        return scope[text]
    evaluator = simpleeval.SimpleEval(operators=_OPERATORS, functions=_FUNCTIONS, names=dict(_CONSTANTS) | dict(scope))
    evaluator.nodes = {kind: run for kind, run in evaluator.nodes.items() if kind.__name__ in _NODES}
    try:
        value = evaluator.eval(text.strip())
    except simpleeval.NameNotDefined as error:
        message = f"'{error.name}' is neither a param nor a dim"
        raise SpecError(Diagnostic("X002", message, _inside(span, text, error.name), near(error.name, scope))) from None
    except (SyntaxError, simpleeval.InvalidExpression, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        hint = "arithmetic, comparison, min, max, ceil and floor over params and dims"
        raise SpecError(Diagnostic("X001", f"'{text}' is not an expression: {reason}", span, hint)) from None
    except (ArithmeticError, ValueError, TypeError) as error:
        raise SpecError(Diagnostic("X003", f"'{text}' has no value: {error}", span)) from None
    if isinstance(value, (int, float, Dim)):
        return value
    raise SpecError(Diagnostic("X003", f"'{text}' has no number as its value", span))


_INTERPOLATED = re.compile(r"\$\{([^{}]*)\}")


def interpolate(text: str, scope: Scope, span: Span) -> Bound:
    """`text` with every `${expression}` replaced; the typed value itself where the text is one `${…}` and no more."""
    if whole := _INTERPOLATED.fullmatch(text):
        return evaluate(whole[1], scope, span)
    return _INTERPOLATED.sub(lambda match: str(evaluate(match[1], scope, span)), text)


def _inside(span: Span, text: str, word: str) -> Span:
    """The place of a word of the expression, where the expression stands as written."""
    match = re.search(rf"\b{re.escape(word)}\b", text)
    if match is None or span.end - span.column != len(text):
        return span
    return Span(span.file, span.line, span.column + match.start(), span.column + match.end())
