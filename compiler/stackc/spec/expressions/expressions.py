"""Evaluate bare expressions over params and dims, and `${…}` in text: arithmetic, comparison, entries of lists."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, TypeAlias, cast

import simpleeval

from stackc.core.diagnostics import Diagnostic, Span, SpecError, did_you_mean
from stackc.core.entering_size import FUNCTIONS as ENTERING
from stackc.core.entering_size import EnteringSize
from stackc.core.types import Dim
from stackc.spec.expressions.arithmetic import FUNCTIONS, OPERATORS, Number, entry_of, is_bounded, truth_of

ParamValue: TypeAlias = "Number | str | tuple[ParamValue, ...] | None"
Scope = Mapping[str, ParamValue]

OPEN = "…"
"""The placeholder for a value in a spec that `stackc init` wrote for the user to fill in."""

MAX_LENGTH = 400
_LANGUAGE = (
    "use + - * / // % **, comparison, and or not, `a if b else c`, `list[i]`, min, max, ceil, floor and len, "
    "over params and dims"
)
_CONSTANTS = {"true": True, "false": False}
_ALLOWED = (
    *OPERATORS, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.And, ast.Or, ast.Compare, ast.Call, ast.Name, ast.Load,
    ast.Constant, ast.IfExp, ast.Subscript,
)  # fmt: skip


def evaluate(text: str, scope: Scope, span: Span, ports: Collection[str] = ()) -> ParamValue:
    """Evaluate a bare expression at `span` with the params and dims in `scope`.

    In a field of a component with these `ports`, `channels(x)` is the size of what enters x, as a symbol. Raises
    SpecError X001 (not an expression), X002 (unknown name) or X003 (no value).
    """
    text = text.strip()
    if text in scope:
        return scope[text]
    if text == OPEN:
        hint = "write a number, or an expression over params"
        raise SpecError(Diagnostic("X001", "still to fill in: a value", span, hint))

    try:
        names = partial(_value_of, scope)
        evaluator = simpleeval.SimpleEval(operators=OPERATORS, functions=FUNCTIONS, names=names)
        evaluator.nodes[ast.IfExp] = partial(_chosen, evaluator)
        evaluator.nodes[ast.Subscript] = partial(_entry, evaluator)
        evaluator.nodes[ast.Call] = partial(_called, evaluator, evaluator.nodes[ast.Call], ports)
        value = evaluator.eval(text, _parse(text))

    except simpleeval.NameNotDefined as error:
        message = f"'{error.name}' is neither a param nor a dim"
        name_span = _span_of_word(span, text, error.name)
        raise SpecError(Diagnostic("X002", message, name_span, did_you_mean(error.name, scope))) from None

    except (SyntaxError, simpleeval.InvalidExpression, RecursionError, MemoryError) as error:
        # Imported only for errors: it compiles many patterns.
        from stackc.spec.expressions.hints import ForeignSyntax, find_foreign_syntax

        mistake = find_foreign_syntax(text) or ForeignSyntax(_why_invalid(error), _LANGUAGE)
        message = f"'{text}' is not an expression: {mistake.reason}"
        raise SpecError(Diagnostic("X001", message, span, mistake.hint)) from None

    except (ArithmeticError, ValueError, TypeError) as error:
        raise SpecError(Diagnostic("X003", f"'{text}' has no value: {_why_no_value(error)}", span)) from None

    if not isinstance(value, (int, float, str, tuple, Dim)) or not is_bounded(value):
        raise SpecError(Diagnostic("X003", f"the value of '{text}' is not a number, or is out of bounds", span))
    return value


def _value_of(scope: Scope, name: ast.Name) -> ParamValue:
    if name.id in scope:
        return scope[name.id]
    if name.id in _CONSTANTS:
        return _CONSTANTS[name.id]
    raise simpleeval.NameNotDefined(name.id, "")


def _chosen(evaluator: simpleeval.SimpleEval, node: ast.IfExp) -> ParamValue:
    """Return the value of `a if b else c`; the other one is not evaluated. Raises ValueError unless b is known."""
    chosen = node.body if truth_of(evaluator._eval(node.test)) else node.orelse
    return cast(ParamValue, evaluator._eval(chosen))


def _entry(evaluator: simpleeval.SimpleEval, node: ast.Subscript) -> ParamValue:
    """Return the value of `rates[index]`. Raises ValueError if there is no such entry."""
    return cast(ParamValue, entry_of(evaluator._eval(node.value), evaluator._eval(node.slice)))


def _called(
    evaluator: simpleeval.SimpleEval, call: Callable[[ast.Call], Any], ports: Collection[str], node: ast.Call
) -> Any:
    """Return the value of a call; `channels(x)` names a port, and is a symbol for the size of what enters it."""
    function = node.func.id if isinstance(node.func, ast.Name) else ""
    if function not in ENTERING:
        return call(node)

    axes = [evaluator._eval(axis) for axis in node.args[1:]]
    port = node.args[0].id if node.args and isinstance(node.args[0], ast.Name) else None
    if port is None or len(axes) != (function == "size") or not all(type(axis) is int for axis in axes):
        raise ValueError("write for example `channels(x)`, `features(x)` or `size(x, 2)`, where x is a port")
    if not ports:
        raise ValueError(f"{function} is the size of what enters a component, which fields of components alone know")
    if port not in ports:
        raise ValueError(f"'{port}' is not a port of it: {', '.join(ports)}")
    return Dim.symbol(EnteringSize.of(function, port, *axes).text)


def _why_no_value(error: Exception) -> str:
    if isinstance(error, ZeroDivisionError):
        return "it divides by zero"
    return "a function has too many or too few arguments" if isinstance(error, TypeError) else str(error)


class _UnsupportedSyntaxError(SyntaxError):
    """Syntax that Python allows, but an expression does not."""


def _parse(text: str) -> ast.expr:
    """Return the syntax tree. Raises SyntaxError for anything else than the syntax of expressions."""
    if not text or len(text) > MAX_LENGTH:
        raise _UnsupportedSyntaxError(f"it has more than {MAX_LENGTH} characters" if text else "it is empty")
    if "\0" in text:
        raise _UnsupportedSyntaxError("it contains a control character")
    with warnings.catch_warnings(action="ignore"):  # Python warns about odd literals, which users need not see
        tree = ast.parse(text, mode="eval").body
    if not all(isinstance(node, _ALLOWED) for node in ast.walk(tree)):
        raise _UnsupportedSyntaxError("it contains more than arithmetic and comparison")
    return tree


def _why_invalid(error: BaseException) -> str:
    if isinstance(error, _UnsupportedSyntaxError):
        return error.msg
    if isinstance(error, SyntaxError):
        return error.msg if error.msg.startswith("'") else "invalid syntax"  # other messages use Python's terms
    if isinstance(error, simpleeval.FunctionNotDefined):
        return f"unknown function '{error.func_name}'"
    if isinstance(error, (RecursionError, MemoryError)):
        return "it is nested too deep"
    return "it calls something that is not a function"


_INTERPOLATED = re.compile(r"\$\{([^{}]*)\}")


def interpolate(text: str, scope: Scope, span: Span, ports: Collection[str] = ()) -> ParamValue:
    """Replace every `${expression}` in a text. A text that is a single `${…}` gives the value with its type."""

    def value(match: re.Match[str]) -> ParamValue:
        return evaluate(match[1], scope, span_of_part(span, text, *match.span(1)), ports)

    def part(match: re.Match[str]) -> str:
        inserted = value(match)
        if isinstance(inserted, tuple):
            part_span = span_of_part(span, text, *match.span(1))
            hint = f"write one of its entries: `{match[1]}[0]`"
            raise SpecError(Diagnostic("X003", f"'{match[1]}' is a list, which no text can hold", part_span, hint))
        return str(inserted)

    if whole := _INTERPOLATED.fullmatch(text):
        return value(whole)
    return _INTERPOLATED.sub(part, text)


def _span_of_word(span: Span, text: str, word: str) -> Span:
    match = re.search(rf"\b{re.escape(word)}\b", text)
    return span_of_part(span, text, *match.span()) if match else span


def span_of_part(span: Span, text: str, start: int, end: int) -> Span:
    """Return the span of text[start:end], or of the whole text unless it is in the file as it is, perhaps in quotes."""
    quotes = span.end - span.column - len(text)
    if quotes not in (0, 2):
        return span
    begin = span.column + quotes // 2
    return Span(span.file, span.line, begin + start, begin + end)
