"""Lay out source on lines of at most 120 columns, broken where `ruff format` breaks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

WIDTH = 120
UNBROKEN = "\xa0"
"""A space at which a docstring is not broken."""


@dataclass(frozen=True, slots=True)
class Bracketed:
    """Items between brackets after a head: a call, or a list. `each` ends a comprehension of the only item."""

    head: str
    items: tuple[Expression, ...]
    brackets: tuple[str, str] = ("(", ")")
    each: str = ""

    def __str__(self) -> str:
        opening, closing = self.brackets
        return f"{self.head}{opening}{', '.join(map(str, self.items))}{self.each}{closing}"


@dataclass(frozen=True, slots=True)
class Named:
    """An argument passed by name."""

    name: str
    value: Expression

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


Expression: TypeAlias = "str | Bracketed | Named"


def laid_out(before: str, expression: Expression, after: str = "", *, indent: int) -> list[str]:
    """Return the lines of `before` + expression + `after`; brackets that do not fit are broken from the outside in."""
    line = f"{' ' * indent}{before}{expression}{after}"
    if isinstance(expression, Named):
        return laid_out(f"{before}{expression.name}=", expression.value, after, indent=indent)
    if len(line) <= WIDTH or isinstance(expression, str) or not expression.items:
        return [line]

    opening, closing = expression.brackets
    items = _items_inside(expression, indent + 4)
    return [f"{' ' * indent}{before}{expression.head}{opening}", *items, f"{' ' * indent}{closing}{after}"]


def _items_inside(expression: Bracketed, indent: int) -> list[str]:
    joined = " " * indent + ", ".join(map(str, expression.items))
    if expression.each:
        if len(joined + expression.each) <= WIDTH:
            return [joined + expression.each]
        return [*laid_out("", expression.items[0], indent=indent), " " * indent + expression.each.strip()]

    if expression.brackets == ("(", ")") and expression.head and len(joined) <= WIDTH:
        return [joined]
    return [line for item in expression.items for line in laid_out("", item, ",", indent=indent)]


def docstring(text: str, *, indent: int) -> list[str]:
    """Return a docstring of one or more paragraphs, whatever text a spec has; lines are broken between words."""
    escaped = text.strip().replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    escaped = escaped[:-1] + '\\"' if escaped.endswith('"') else escaped

    lines = [part for line in escaped.split("\n") for part in _wrap(line, WIDTH - indent - 6)]
    if len(lines) == 1:
        return [f'{" " * indent}"""{lines[0]}"""'.replace(UNBROKEN, " ")]
    shown = [f'"""{lines[0]}', *lines[1:], '"""']
    return [f"{' ' * indent}{line}".rstrip().replace(UNBROKEN, " ") for line in shown]


def _wrap(line: str, width: int) -> Sequence[str]:
    words, lines = line.split(" "), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines
