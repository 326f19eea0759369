"""Characters that look like those of a spec but are not: full-width brackets and commas, long dashes, curly quotes."""

from __future__ import annotations

DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d"

# Full-width forms of ASCII lie at a constant distance from ASCII itself.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_OTHERS = {
    "\u3000": " ", "\u00a0": " ", "【": "[", "】": "]", "〔": "[", "〕": "]", "「": '"', "」": '"', "“": '"', "”": '"',
    "„": '"', "‘": "'", "’": "'", "、": ",", "。": ".", "×": "*", "·": "*", "⋅": "*", "÷": "/", "≤": "<=", "≥": ">=",
    **dict.fromkeys(DASHES, "-"),
}  # fmt: skip
_TO_ASCII = str.maketrans(_FULL_WIDTH | {ord(character): plain for character, plain in _OTHERS.items()})


def in_ascii(text: str) -> str:
    """Replace every look-alike in a text by the ASCII that a spec expects."""
    return text.translate(_TO_ASCII)


def lookalike(text: str) -> str | None:
    """Return the first look-alike in a text as messages show it, with its code point, or None."""
    character = next((c for c in text if ord(c) in _TO_ASCII), None)
    if character is None:
        return None
    number = f"U+{ord(character):04X}"
    return number if character.isspace() else f"'{character}' ({number})"
