"""Explain common mistakes in expressions: operators and functions of other languages, products without `*`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from keyword import iskeyword

from stackc.core.confusables import in_ascii, lookalike

_NAME = r"[^\W\d]\w*"


@dataclass(frozen=True, slots=True)
class ForeignSyntax:
    """Syntax that is not part of expressions: the reason why it is invalid, and the hint what to write instead."""

    reason: str
    hint: str


def find_foreign_syntax(text: str) -> ForeignSyntax | None:
    """Return the first common mistake in a text that is not an expression, or None if it has none of them."""
    return next((mistake for find in _COMMON_MISTAKES if (mistake := find(text))), None)


def _lookalike(text: str) -> ForeignSyntax | None:
    shown = lookalike(text)
    return ForeignSyntax(f"it contains {shown}", f"write `{in_ascii(text)}`") if shown else None


def _rounding(text: str) -> ForeignSyntax | None:
    match = re.search(r"\b(?P<name>int|round|trunc)\(", text)
    if not match:
        return None
    floor = f"{text[: match.start()]}floor({text[match.end() :]}"
    reason = f"unknown function '{match['name']}'"
    return ForeignSyntax(reason, f"floor rounds down, ceil rounds up: `{floor}`")


def _square_root(text: str) -> ForeignSyntax | None:
    match = re.search(r"\b(?:math\.)?sqrt\((?P<argument>[^()]*)\)", text)
    if not match:
        return None
    argument = match["argument"].strip()
    base = argument if re.fullmatch(r"\w+", argument) else f"({argument})"
    power = f"{text[: match.start()]}{base}**0.5{text[match.end() :]}"
    return ForeignSyntax("unknown function 'sqrt'", f"write `{power}`")


def _caret(text: str) -> ForeignSyntax | None:
    return ForeignSyntax("'^' is not an operator", f"write `{text.replace('^', '**')}`") if "^" in text else None


def _size_by_size(text: str) -> ForeignSyntax | None:
    match = re.fullmatch(r"(\d+)\s*[xX]\s*(\d+)", text)
    return ForeignSyntax("two sizes are a list", f"write `[{match[1]}, {match[2]}]`") if match else None


def _product_without_operator(text: str) -> ForeignSyntax | None:
    repaired = re.sub(rf"(?<![\w.])(\d+(?:\.\d+)?)\s*(?={_NAME}|\()", r"\1*", text)
    reason = "missing operator between a number and a name"
    return ForeignSyntax(reason, f"write `{repaired}`") if repaired != text else None


def _list_without_brackets(text: str) -> ForeignSyntax | None:
    names = text.split()
    is_list = len(names) > 1 and all(re.fullmatch(r"\w+", name) and not iskeyword(name) for name in names)
    if not is_list:
        return None
    return ForeignSyntax("missing operator between two names", f"write a list as `[{', '.join(names)}]`")


_COMMON_MISTAKES: tuple[Callable[[str], ForeignSyntax | None], ...] = (
    _lookalike, _rounding, _square_root, _caret, _size_by_size, _product_without_operator, _list_without_brackets,
)  # fmt: skip
