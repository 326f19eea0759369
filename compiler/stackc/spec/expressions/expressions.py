"""Bare expressions over params and dims, and `${…}` in text. Arithmetic and comparison; nothing else can be reached."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

import simpleeval

from stackc.core.diagnostics import Diagnostic, Span, SpecError, did_you_mean
from stackc.core.types import Dim
from stackc.spec.expressions.arithmetic import FUNCTIONS, OPERATORS, Number, is_bounded

ParamValue: TypeAlias = Number | str | None
Scope = Mapping[str, ParamValue]

OPEN = "…"
"""What stands where a value is wanted, in a spec to fill in that `stackc init` wrote."""

MAX_LENGTH = 400
_LANGUAGE = "+ - * / // % **, comparison, and or not, min, max, ceil and floor, over params and dims"
_CONSTANTS = {"true": True, "false": False}
_ALLOWED = (
    *OPERATORS, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.And, ast.Or, ast.Compare, ast.Call, ast.Name, ast.Load,
    ast.Constant,
)  # fmt: skip


def evaluate(text: str, scope: Scope, span: Span) -> ParamValue:
    """The value of a bare expression. SpecError X001 (not an expression), X002 (unknown name), X003 (no value)."""
    text = text.strip()
    if text in scope:
        return scope[text]
    if text == OPEN:
        raise SpecError(Diagnostic("X001", "still to fill in: a value", span, "a number, or an expression over params"))
    try:
        names = partial(_value_of, scope)
        evaluator = simpleeval.SimpleEval(operators=OPERATORS, functions=FUNCTIONS, names=names)
        value = evaluator.eval(text, _parsed(text))
    except simpleeval.NameNotDefined as error:
        message = f"'{error.name}' is neither a param nor a dim"
        raise SpecError(
            Diagnostic("X002", message, _inside(span, text, error.name), did_you_mean(error.name, scope))
        ) from None
    except (SyntaxError, simpleeval.InvalidExpression, RecursionError, MemoryError) as error:
        from stackc.spec.expressions.hints import (  # only where something is wrong: it has many patterns
            ForeignSyntax,
            foreign_syntax,
        )

        slip = foreign_syntax(text) or ForeignSyntax(_reason(error), _LANGUAGE)
        raise SpecError(Diagnostic("X001", f"'{text}' is not an expression: {slip.reason}", span, slip.hint)) from None
    except (ArithmeticError, ValueError, TypeError) as error:
        raise SpecError(Diagnostic("X003", f"'{text}' has no value: {_obstacle(error)}", span)) from None
    if not isinstance(value, (int, float, Dim)) or not is_bounded(value):
        raise SpecError(Diagnostic("X003", f"'{text}' has no number as its value, or one out of bounds", span))
    return value


def _value_of(scope: Scope, name: ast.Name) -> ParamValue:
    if name.id in scope:
        return scope[name.id]
    if name.id in _CONSTANTS:
        return _CONSTANTS[name.id]
    raise simpleeval.NameNotDefined(name.id, "")


def _obstacle(error: Exception) -> str:
    if isinstance(error, ZeroDivisionError):
        return "it divides by zero"
    return "a function gets too many numbers, or too few" if isinstance(error, TypeError) else str(error)


class _Unfit(SyntaxError):
    """What Python would read and an expression cannot be."""


def _parsed(text: str) -> ast.expr:
    """The syntax tree; SyntaxError where it is none. The parser of Python also warns, which nobody here would read."""
    if not text or len(text) > MAX_LENGTH:
        raise _Unfit(f"it has more than {MAX_LENGTH} characters" if text else "it is empty")
    if "\0" in text:
        raise _Unfit("it has a control character")
    with warnings.catch_warnings(action="ignore"):
        tree = ast.parse(text, mode="eval").body
    if not all(isinstance(node, _ALLOWED) for node in ast.walk(tree)):
        raise _Unfit("it has more than arithmetic and comparison in it")
    return tree


def _reason(error: BaseException) -> str:
    if isinstance(error, _Unfit):
        return error.msg
    if isinstance(error, SyntaxError):
        return error.msg if error.msg.startswith("'") else "it cannot be read"  # else in words of Python
    if isinstance(error, simpleeval.FunctionNotDefined):
        return f"there is no function '{error.func_name}'"
    return (
        "it is nested too deep" if isinstance(error, (RecursionError, MemoryError)) else "it calls what is no function"
    )


_INTERPOLATED = re.compile(r"\$\{([^{}]*)\}")


def interpolate(text: str, scope: Scope, span: Span) -> ParamValue:
    """`text` with every `${expression}` replaced; the typed value itself where the text is one `${…}` and no more."""

    def value(match: re.Match[str]) -> ParamValue:
        return evaluate(match[1], scope, _part(span, text, *match.span(1)))

    if whole := _INTERPOLATED.fullmatch(text):
        return value(whole)
    return _INTERPOLATED.sub(lambda match: str(value(match)), text)


def _inside(span: Span, text: str, word: str) -> Span:
    """The place of a word of the expression."""
    match = re.search(rf"\b{re.escape(word)}\b", text)
    return _part(span, text, *match.span()) if match else span


def _part(span: Span, text: str, start: int, end: int) -> Span:
    """The place of text[start:end], where the text stands in the file as it is, in quotes or without."""
    quotes = span.end - span.column - len(text)
    if quotes not in (0, 2):
        return span
    begin = span.column + quotes // 2
    return Span(span.file, span.line, begin + start, begin + end)
