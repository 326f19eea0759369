"""How wide a text is going to be, in a font that nobody knows yet.

The widths are those of wide sans-serif fonts (DejaVu Sans, Verdana): what fits in them fits in all common ones.
"""

from __future__ import annotations

from unicodedata import combining, east_asian_width

_NARROW, _SLIM, _BROAD = frozenset("iIjl.,:;'|! ·"), frozenset('()[]{}frt/\\-"'), frozenset("mwMW@%×+=<>…")


def width_of(text: str, size: float, bold: bool = False) -> float:
    """The width of one line of text at a font size, in the unit of the size."""
    return sum(map(_width, text)) * size * (1.1 if bold else 1.0)


def is_wide(text: str) -> bool:
    """Whether it has characters of East Asian scripts, which need fonts of their own."""
    return any(east_asian_width(character) in "WF" for character in text)


def _width(character: str) -> float:
    """In ems."""
    if combining(character):
        return 0.0
    if east_asian_width(character) in "WF":
        return 1.0
    if character in _NARROW:
        return 0.32
    if character in _SLIM:
        return 0.42
    return 0.86 if character in _BROAD else 0.69 if character.isupper() else 0.62
