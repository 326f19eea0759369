"""Widths of texts, without knowing the font that will draw them.

The widths are those of wide sans-serif fonts (DejaVu Sans, Verdana): a text that fits in them fits in all common ones.
"""

from __future__ import annotations

from unicodedata import combining, east_asian_width

_NARROW, _SLIM, _BROAD = frozenset("iIjl.,:;'|! ·"), frozenset('()[]{}frt/\\-"'), frozenset("mwMW@%×+=<>…")


def width_of(text: str, size: float, bold: bool = False) -> float:
    """Return the width of one line of text at a font size, in the unit of the size."""
    return sum(map(_width, text)) * size * (1.1 if bold else 1.0)


def is_wide(text: str) -> bool:
    """Return whether a text has characters of East Asian scripts, which need other fonts."""
    return any(east_asian_width(character) in "WF" for character in text)


def _width(character: str) -> float:
    """Return the width of a character in ems."""
    if combining(character):
        return 0.0
    if east_asian_width(character) in "WF":
        return 1.0
    if character in _NARROW:
        return 0.32
    if character in _SLIM:
        return 0.42
    return 0.86 if character in _BROAD else 0.69 if character.isupper() else 0.62
