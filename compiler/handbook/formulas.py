"""Formulas of docstrings, which are plain text, as HTML: indices below, exponents above, names in italics."""

from __future__ import annotations

import re
from html import escape

_GROUP = r"\(([^()]*(?:\([^()]*\)[^()]*)*)\)"
_TOKEN = re.compile(
    rf"(?P<raised>\^(?:{_GROUP}|(?P<power>[−-]?\w+)))"
    r"|(?P<lowered>_(?:\{(?P<index>[^{}]*)\}|(?P<word>[A-Za-z0-9]+)))"
    r"|(?<![A-Za-zΑ-Ωα-ω])(?P<name>[A-Za-zΑ-Ωα-ω])(?![A-Za-zΑ-Ωα-ω])"
)


def formula_html(formula: str) -> str:
    """Return a formula as HTML. A single letter is a variable, and in italics; words stand upright."""
    parts, end = [], 0
    for token in _TOKEN.finditer(formula):
        parts.append(escape(formula[end : token.start()]))
        parts.append(_token_html(token))
        end = token.end()
    return f'<p class="formula">{"".join(parts)}{escape(formula[end:])}</p>'


def _token_html(token: re.Match[str]) -> str:
    if token["raised"]:
        return f"<sup>{_inner(token[2] or token['power'])}</sup>"
    if token["lowered"]:
        return f"<sub>{_inner(token['index'] or token['word'])}</sub>"
    return f"<i>{token['name']}</i>"


def _inner(text: str) -> str:
    return formula_html(text).removeprefix('<p class="formula">').removesuffix("</p>")
