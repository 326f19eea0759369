"""Output to a terminal or pipe whose encoding lacks characters: they are replaced by ASCII, and nothing fails.

`✓` becomes `ok`, `→` becomes `->`, lines of boxes become `|`, `-` and `+`, accents are dropped. Any other character
becomes `?`. JSON is written with escapes there instead, so that it keeps its meaning: see `cli.screen`.
"""

from __future__ import annotations

import codecs
import sys
import unicodedata
from typing import TextIO

HANDLER = "stackc.plain_text"
"""The name of the error handler of codecs."""

# fmt: off
REPLACEMENTS = {
    "✓": "ok", "✗": "no", "→": "->", "←": "<-", "↔": "<->", "⇒": "=>", "×": "x", "·": "*", "÷": "/", "±": "+-",
    "−": "-", "–": "-", "—": "-", "‑": "-", "…": "...", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "√": "sqrt",
    "Σ": "sum", "∞": "inf", "α": "alpha", "β": "beta", "γ": "gamma", "ε": "eps", "σ": "sigma", "μ": "mu", "θ": "theta",
    "λ": "lambda", "τ": "tau", "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "‖": "||", "∈": "in", "∂": "d",
    "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "«": '"', "»": '"', "•": "*",
    "●": "*", "○": "o", "²": "^2", "³": "^3", "█": "#", "━": "-", "╸": "-",
}
# fmt: on


def degrade_output() -> None:
    """Let the standard streams replace what their encoding lacks."""
    codecs.register_error(HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if has_narrow_encoding(stream):
            stream.reconfigure(errors=HANDLER)  # type: ignore[union-attr]  # it is a TextIOWrapper, as others have no encoding


def has_narrow_encoding(stream: TextIO) -> bool:
    """Return whether a stream of text has an encoding that lacks characters."""
    encoding: str | None = getattr(stream, "encoding", None)
    return encoding is not None and not codecs.lookup(encoding).name.startswith("utf")


def ascii_for(character: str) -> str:
    """Return ASCII for a character."""
    if character in REPLACEMENTS:
        return REPLACEMENTS[character]
    if name := unicodedata.name(character, ""):
        if name.startswith("BOX DRAWINGS"):
            return _box_part(name)
        letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
        return letters or "?"
    return "?"


def _box_part(name: str) -> str:
    """Return the ASCII form of a part of a box by its Unicode name."""
    if name.endswith("HORIZONTAL") and "AND" not in name:
        return "-"
    return "|" if name.endswith("VERTICAL") and "AND" not in name else "+"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(ascii_for, error.object[error.start : error.end])), error.end
