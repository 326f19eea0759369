"""What people write in expressions that is none: other languages' operators and functions, products without `*`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from keyword import iskeyword

from stackc.core.confusables import in_ascii, lookalike

_NAME = r"[^\W\d]\w*"


@dataclass(frozen=True, slots=True)
class Slip:
    """Why a text is no expression, and the mend."""

    reason: str
    hint: str


def slip_in(text: str) -> Slip | None:
    """The first of the usual slips that a text which is no expression has in it; None where it has none of them."""
    return next((slip for find in _SLIPS if (slip := find(text))), None)


def _of_another_keyboard(text: str) -> Slip | None:
    alike = lookalike(text)
    return Slip(f"{alike} stands in it", f"write `{in_ascii(text)}`") if alike else None


def _rounded(text: str) -> Slip | None:
    match = re.search(r"\b(?P<name>int|round|trunc)\(", text)
    if not match:
        return None
    written = f"{text[: match.start()]}floor({text[match.end() :]}"
    return Slip(f"there is no function '{match['name']}'", f"floor rounds down, ceil up: `{written}`")


def _rooted(text: str) -> Slip | None:
    match = re.search(r"\b(?:math\.)?sqrt\((?P<of>[^()]*)\)", text)
    if not match:
        return None
    of = match["of"].strip()
    of = of if re.fullmatch(r"\w+", of) else f"({of})"
    return Slip("there is no function 'sqrt'", f"write `{text[: match.start()]}{of}**0.5{text[match.end() :]}`")


def _raised(text: str) -> Slip | None:
    return Slip("'^' is no operator", f"write `{text.replace('^', '**')}`") if "^" in text else None


def _sizes(text: str) -> Slip | None:
    match = re.fullmatch(r"(\d+)\s*[xX]\s*(\d+)", text)
    return Slip("two numbers are a list", f"write `[{match[1]}, {match[2]}]`") if match else None


def _product(text: str) -> Slip | None:
    mended = re.sub(rf"(?<![\w.])(\d+(?:\.\d+)?)\s*(?={_NAME}|\()", r"\1*", text)
    return Slip("a number and a name stand side by side", f"write `{mended}`") if mended != text else None


def _listed(text: str) -> Slip | None:
    names = text.split()
    is_list = len(names) > 1 and all(re.fullmatch(r"\w+", name) and not iskeyword(name) for name in names)
    return Slip("names stand side by side", f"a list is written `[{', '.join(names)}]`") if is_list else None


_SLIPS: tuple[Callable[[str], Slip | None], ...] = (
    _of_another_keyboard, _rounded, _rooted, _raised, _sizes, _product, _listed,
)  # fmt: skip
