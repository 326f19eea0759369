"""Numbers and types as people read them in a picture."""

from __future__ import annotations

import math
from collections import Counter

from stackc.core.types import Dim, Monomial, Symbol, TensorType

_UNITS = ("", "k", "M", "G", "T", "P", "E")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LONGEST = 3  # terms of a sum that a picture has room for


def counted(number: int, what: str) -> str:
    """`1 component`, `12,345 components`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def parameters_text(number: int) -> str:
    """`109 M parameters`, with three significant digits."""
    return f"{scaled(number)} parameter{'' if abs(number) == 1 else 's'}"


def flops_text(flops: Dim) -> str:
    """`170 M·batch·seq + 36.9 k·batch·seq² FLOPs`, as `sum_text` has it."""
    return f"{sum_text(flops)} FLOPs"


def sum_text(number: Dim | int) -> str:
    """A sum of products, the highest degree last; of many terms the lowest are left out."""
    terms = sorted(Dim.of(number).terms, key=lambda term: (len(term[0]), tuple(map(str, term[0]))))
    shown = [_term(monomial, coefficient) for monomial, coefficient in terms[-_LONGEST:]]
    return " + ".join(["…"] * (len(terms) > _LONGEST) + shown).replace("+ -", "- ") or "0"


def bytes_text(number: Dim | int) -> str:
    """`438 MB` where the number is known, else bytes as `sum_text` has them; a kB is 1,000 bytes."""
    constant = Dim.of(number).constant
    if constant is None:
        return f"{sum_text(number)} B"
    text = scaled(constant)
    return f"{text}B" if text[-1].isalpha() else f"{text} B"


def type_text(type_: TensorType) -> str:
    """`[batch, seq, 768]`, with the element type before it where that is not float32."""
    shape = f"[{', '.join(map(str, type_.shape))}]"
    return shape if type_.dtype == "float32" else f"{type_.dtype}{shape}"


def scaled(number: float) -> str:
    """Three significant digits and a unit, `7.09 M`; a number below 1,000 as it is."""
    if abs(number) < 1000:
        return f"{number:.3g}"
    digits, exponent = f"{number:.2e}".split("e")
    power = min(int(exponent) // 3, len(_UNITS) - 1)
    return f"{float(digits) * 10 ** (int(exponent) - 3 * power):.3g} {_UNITS[power]}"


def _term(monomial: Monomial, coefficient: int) -> str:
    """One product; a dim declared with a `multiple_of` stands in it as its own multiple."""
    divisor = math.prod(atom.multiple_of for atom in monomial if isinstance(atom, Symbol))
    powers = Counter(atom.name if isinstance(atom, Symbol) else str(atom) for atom in monomial)
    factors = [name + (str(power).translate(_SUPERSCRIPTS) if power > 1 else "") for name, power in powers.items()]
    return "·".join([scaled(coefficient / divisor), *factors])
