"""An expression as written, and its binding: captures take their numbers, sizes are evaluated over params.

Sizes and indices are the bare expressions of a spec, `2*dim` or `i + 1`; names take `{3*i + j}` and `*`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.spec.expressions.expressions import Scope, evaluate, span_of_part
from stackc.weights.tensor_expressions.operations import (
    Arithmetic,
    DtypeCast,
    Flipped,
    Indexed,
    Joined,
    Operation,
    Part,
    Permuted,
    Reshaped,
    Squeezed,
    Stacked,
    Swapped,
    Transposed,
    Unsqueezed,
)
from stackc.weights.tensor_expressions.tree import Applied, ConstantTensor, NamedTensor, TensorExpression

MOST_NUMBERS = 2**31
"""How many numbers a constant may have: no spec fills the memory."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of the text of an entry, and where in the text it starts."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """The name of a tensor, with `*`, `**` and `{…}` in it."""

    snippet: TextPart


@dataclass(frozen=True, slots=True)
class NumberTemplate:
    """A number, or `{…}` by itself."""

    snippet: TextPart


@dataclass(frozen=True, slots=True)
class FillTemplate:
    """`zeros(3, dim)`, `ones()`."""

    value: float
    sizes: tuple[TextPart, ...]


@dataclass(frozen=True, slots=True)
class ApplyTemplate:
    """An operation by its `kind`: a method, "T", "[]", "cat", "stack", or a symbol of arithmetic."""

    kind: str
    arguments: tuple[TextPart, ...]
    operands: tuple[Template, ...]


Template: TypeAlias = NameTemplate | NumberTemplate | FillTemplate | ApplyTemplate


@dataclass(frozen=True)
class CaptureBinding:
    """What the pattern of an entry matched in one name: its `stars` in order, and the numbers of its `captures`.

    `params` are those of the spec; a capture hides a param of its name. `text` is the whole expression at `span`.
    """

    stars: tuple[str, ...]
    captures: Mapping[str, int]
    params: Scope
    text: str
    span: Span

    @property
    def scope(self) -> Scope:
        """The names that sizes and indices may use."""
        return {**self.params, **self.captures}

    def name(self, text: str, start: int = 0) -> str:
        """Replace stars and braces in a name. Raises SpecError if a brace has no value."""
        stars = iter(self.stars)

        def replaced(match: re.Match[str]) -> str:
            if match[0].startswith("*"):
                return next(stars, match[0])
            return self.piece(TextPart(match[0][1:-1], start + match.start() + 1))

        return re.sub(r"\*\*?|\{[^{}]*\}", replaced, text)

    def piece(self, snippet: TextPart) -> str:
        """Return a piece of a name: a text param, or a whole number. Raises SpecError."""
        value = self.scope.get(snippet.text.strip())
        return value if isinstance(value, str) else str(self.integer(snippet))

    def number(self, snippet: TextPart) -> int | float:
        """Evaluate an expression. Raises SpecError (X001, X002, X003)."""
        lead = len(snippet.text) - len(snippet.text.lstrip())
        text = snippet.text.strip()
        if re.fullmatch(r"-?\d{1,9}", text):
            return int(text)
        if text.startswith("{") and text.endswith("}"):
            text = text[1:-1]
        value = evaluate(text, self.scope, self.part(TextPart(snippet.text.strip(), snippet.start + lead)))
        if not isinstance(value, (int, float)):
            raise SpecError(self.problem(snippet, f"'{text}' is not a number"))
        return value

    def integer(self, snippet: TextPart) -> int:
        """Evaluate a size or an index. Raises SpecError, W807 for what is not a whole number."""
        value = self.number(snippet)
        if isinstance(value, bool) or not isinstance(value, int):
            raise SpecError(self.problem(snippet, f"'{snippet.text.strip()}' is {value:g}, not a whole number"))
        return value

    def part(self, snippet: TextPart) -> Span:
        """Return the span of a part of the text."""
        return span_of_part(self.span, self.text, snippet.start, snippet.start + len(snippet.text))

    def problem(self, snippet: TextPart, message: str, hint: str | None = None) -> Diagnostic:
        """Return a W807 at a part of the text."""
        return Diagnostic("W807", message, self.part(snippet), hint)


def snippets_of(template: Template) -> Iterator[TextPart]:
    """Yield every part of the text that is evaluated over captures and params."""
    if isinstance(template, (NameTemplate, NumberTemplate)):
        for match in re.finditer(r"\{([^{}]*)\}", template.snippet.text):
            yield TextPart(match[1], template.snippet.start + match.start(1))
    elif isinstance(template, FillTemplate):
        yield from template.sizes
    else:
        yield from template.arguments if template.kind != "to" else ()
        for operand in template.operands:
            yield from snippets_of(operand)


def bind(template: Template, binding: CaptureBinding) -> TensorExpression:
    """Return the expression for one parameter. Raises SpecError (W807, X001, X002, X003)."""
    if isinstance(template, NameTemplate):
        return NamedTensor(binding.name(template.snippet.text, template.snippet.start))
    if isinstance(template, NumberTemplate):
        return ConstantTensor(_literal(template.snippet, binding))
    if isinstance(template, FillTemplate):
        sizes = tuple(map(binding.integer, template.sizes))
        if any(size < 0 for size in sizes) or math.prod(sizes) > MOST_NUMBERS:
            message = f"a constant of {' × '.join(map(str, sizes))} numbers"
            raise SpecError(binding.problem(template.sizes[0], message, "write the sizes of the parameter"))
        return ConstantTensor(template.value, sizes or None)
    operands = tuple(bind(operand, binding) for operand in template.operands)
    return Applied(_operation(template, binding), operands)


def _literal(snippet: TextPart, binding: CaptureBinding) -> float:
    return binding.number(snippet) if snippet.text.startswith("{") else float(snippet.text)


def _operation(template: ApplyTemplate, binding: CaptureBinding) -> Operation:
    """Return the operation of a template, its sizes evaluated."""
    kind, arguments = template.kind, template.arguments
    if kind == "[]":
        return Indexed(tuple(_item(snippet, binding) for snippet in arguments))
    if kind == "to":
        return DtypeCast(arguments[0].text.strip())
    if kind in ("+", "-", "*", "/"):
        return Arithmetic(kind)

    sizes = tuple(map(binding.integer, arguments))
    if kind == "squeeze":
        return Squeezed(sizes[0] if sizes else None)
    return _MAKERS[kind](sizes)


_MAKERS: Mapping[str, Callable[[tuple[int, ...]], Operation]] = {
    "T": lambda _: Transposed(),
    "reshape": Reshaped,
    "permute": Permuted,
    "swapaxes": lambda sizes: Swapped(*sizes),
    "unsqueeze": lambda sizes: Unsqueezed(*sizes),
    "flip": lambda sizes: Flipped(*sizes),
    "cat": lambda sizes: Joined(*sizes),
    "stack": lambda sizes: Stacked(*sizes),
}


def _item(snippet: TextPart, binding: CaptureBinding) -> Any:
    """Return one item of an index: a number, a slice, `...`, or `1/3` for the second of three equal parts."""
    text = snippet.text.strip()
    if text == "...":
        return Ellipsis
    if match := re.fullmatch(r"(\d{1,4})\s*/\s*(\d{1,4})", text):
        number, parts = int(match[1]), int(match[2])
        if number >= parts:
            message = f"'{text}' is none of {parts} parts, which count from 0"
            raise SpecError(binding.problem(snippet, message, f"the last is {max(parts - 1, 0)}/{parts}"))
        return Part(number, parts)
    if ":" not in text:
        return binding.integer(snippet)

    bounds: list[int | None] = []
    start = snippet.start
    for bound in snippet.text.split(":"):
        bounds.append(binding.integer(TextPart(bound, start)) if bound.strip() else None)
        start += len(bound) + 1
    if len(bounds) > 3 or (len(bounds) == 3 and bounds[2] == 0):
        raise SpecError(binding.problem(snippet, f"'{text}' is not START:STOP or START:STOP:STEP"))
    return slice(*bounds)
