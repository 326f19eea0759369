"""What people write in expressions that is none: other languages' operators and functions, products without `*`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from keyword import iskeyword

from stackc.core.confusables import in_ascii, lookalike

_NAME = r"[^\W\d]\w*"


@dataclass(frozen=True, slots=True)
class ForeignSyntax:
    """Why a text is no expression, and the mend."""

    reason: str
    hint: str


def foreign_syntax(text: str) -> ForeignSyntax | None:
    """The first of the usual slips that a text which is no expression has in it; None where it has none of them."""
    return next((slip for find in _SLIPS if (slip := find(text))), None)


def _of_another_keyboard(text: str) -> ForeignSyntax | None:
    alike = lookalike(text)
    return ForeignSyntax(f"{alike} stands in it", f"write `{in_ascii(text)}`") if alike else None


def _rounded(text: str) -> ForeignSyntax | None:
    match = re.search(r"\b(?P<name>int|round|trunc)\(", text)
    if not match:
        return None
    written = f"{text[: match.start()]}floor({text[match.end() :]}"
    return ForeignSyntax(f"there is no function '{match['name']}'", f"floor rounds down, ceil up: `{written}`")


def _rooted(text: str) -> ForeignSyntax | None:
    match = re.search(r"\b(?:math\.)?sqrt\((?P<of>[^()]*)\)", text)
    if not match:
        return None
    of = match["of"].strip()
    of = of if re.fullmatch(r"\w+", of) else f"({of})"
    return ForeignSyntax(
        "there is no function 'sqrt'", f"write `{text[: match.start()]}{of}**0.5{text[match.end() :]}`"
    )


def _raised(text: str) -> ForeignSyntax | None:
    return ForeignSyntax("'^' is no operator", f"write `{text.replace('^', '**')}`") if "^" in text else None


def _sizes(text: str) -> ForeignSyntax | None:
    match = re.fullmatch(r"(\d+)\s*[xX]\s*(\d+)", text)
    return ForeignSyntax("two numbers are a list", f"write `[{match[1]}, {match[2]}]`") if match else None


def _product(text: str) -> ForeignSyntax | None:
    repaired = re.sub(rf"(?<![\w.])(\d+(?:\.\d+)?)\s*(?={_NAME}|\()", r"\1*", text)
    return ForeignSyntax("a number and a name stand side by side", f"write `{repaired}`") if repaired != text else None


def _listed(text: str) -> ForeignSyntax | None:
    names = text.split()
    is_list = len(names) > 1 and all(re.fullmatch(r"\w+", name) and not iskeyword(name) for name in names)
    return ForeignSyntax("names stand side by side", f"a list is written `[{', '.join(names)}]`") if is_list else None


_SLIPS: tuple[Callable[[str], ForeignSyntax | None], ...] = (
    _of_another_keyboard, _rounded, _rooted, _raised, _sizes, _product, _listed,
)  # fmt: skip
