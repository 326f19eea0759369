"""Characters of other keyboards that look like those of a spec: full-width brackets and commas, long dashes, quotes."""

from __future__ import annotations

DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d"

_WIDE = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
_OTHERS = {
    "\u3000": " ", "\u00a0": " ", "【": "[", "】": "]", "〔": "[", "〕": "]", "「": '"', "」": '"', "“": '"', "”": '"',
    "„": '"', "‘": "'", "’": "'", "、": ",", "。": ".", "×": "*", "·": "*", "⋅": "*", "÷": "/", "≤": "<=", "≥": ">=",
    **dict.fromkeys(DASHES, "-"),
}  # fmt: skip
_ASCII = str.maketrans(_WIDE | {ord(character): plain for character, plain in _OTHERS.items()})


def in_ascii(text: str) -> str:
    """The text with what a spec takes in the place of every character that only looks like it."""
    return text.translate(_ASCII)


def lookalike(text: str) -> str | None:
    """The first character that only looks like one of a spec, with its number, as messages call it; or None."""
    odd = next((c for c in text if ord(c) in _ASCII), None)
    if odd is None:
        return None
    number = f"U+{ord(odd):04X}"
    return number if odd.isspace() else f"'{odd}' ({number})"
