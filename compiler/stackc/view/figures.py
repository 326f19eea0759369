"""Numbers and types in a form for people: in pictures, tables and messages."""

from __future__ import annotations

import math
from collections import Counter

from stackc.core.types import Dim, Monomial, Symbol, TensorType

_UNITS = ("", "k", "M", "G", "T", "P", "E")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LONGEST = 3  # terms of a sum, which is what fits into a box


def parameters_text(number: int) -> str:
    """Return `109 M parameters`, with three significant digits."""
    return f"{scaled(number)} parameter{'' if abs(number) == 1 else 's'}"


def flops_text(flops: Dim) -> str:
    """Return `170 M·batch·seq + 36.9 k·batch·seq² FLOPs`."""
    return f"{sum_text(flops)} FLOPs"


def sum_text(number: Dim | int) -> str:
    """Return a sum of products, the highest degree last; terms of the lowest degrees are abbreviated to `…`."""
    terms = sorted(Dim.of(number).terms, key=lambda term: (len(term[0]), tuple(map(str, term[0]))))
    shown = [_term(monomial, coefficient) for monomial, coefficient in terms[-_LONGEST:]]
    return " + ".join(["…"] * (len(terms) > _LONGEST) + shown).replace("+ -", "- ") or "0"


def bytes_text(number: Dim | int) -> str:
    """Return `438 MB` for a known number, otherwise the sum in bytes; a kB is 1,000 bytes."""
    constant = Dim.of(number).constant
    if constant is None:
        return f"{sum_text(number)} B"
    text = scaled(constant)
    return f"{text}B" if text[-1].isalpha() else f"{text} B"


def type_text(type_: TensorType) -> str:
    """Return `[batch, seq, 768]`, preceded by the element type unless that is float32."""
    shape = f"[{', '.join(map(str, type_.shape))}]"
    return shape if type_.dtype == "float32" else f"{type_.dtype}{shape}"


def scaled(number: float) -> str:
    """Return three significant digits and a unit, `7.09 M`; a number below 1,000 without a unit."""
    if abs(number) < 1000:
        return f"{number:.3g}"
    digits, exponent = f"{number:.2e}".split("e")
    power = min(int(exponent) // 3, len(_UNITS) - 1)
    return f"{float(digits) * 10 ** (int(exponent) - 3 * power):.3g} {_UNITS[power]}"


def _term(monomial: Monomial, coefficient: int) -> str:
    """Return one product; a dim with a `multiple_of` is a multiple of a symbol, which the coefficient is divided by."""
    divisor = math.prod(atom.multiple_of for atom in monomial if isinstance(atom, Symbol))
    powers = Counter(atom.name if isinstance(atom, Symbol) else str(atom) for atom in monomial)
    named = {name: f"({name})" if "//" in name else name for name in powers}  # ((h + 1)//2)·w is not (h + 1)//2·w
    factors = [
        named[name] + (str(power).translate(_SUPERSCRIPTS) if power > 1 else "") for name, power in powers.items()
    ]
    return "·".join([scaled(coefficient / divisor), *factors])
