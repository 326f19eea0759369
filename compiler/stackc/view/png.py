"""Render SVG as PNG, with the fonts of this machine. The only module that imports resvg."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from xml.etree import ElementTree

import resvg_py

ZOOM = 2.0
"""Pixels per unit of the SVG."""

_MOST_PIXELS = 50_000_000
_IN_NO_FONT = "\U0010ffff"  # a code point without a character


@dataclass(frozen=True, slots=True)
class Raster:
    """A PNG, and the characters in it that no installed font has: they are drawn as empty boxes."""

    data: bytes
    missing: str


def draw_png(svg: str, zoom: float = ZOOM) -> Raster:
    """Return the PNG of an SVG from `write_svg`, at a lower zoom if it would exceed fifty million pixels."""
    root = ElementTree.fromstring(svg)
    area = float(root.attrib["width"]) * float(root.attrib["height"])
    data = resvg_py.svg_to_bytes(svg_string=svg, zoom=min(zoom, math.sqrt(_MOST_PIXELS / area)))

    style = "".join(element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}style"))
    shown = {character for text in root.itertext() if text != style for character in text if not character.isspace()}
    return Raster(data, "".join(sorted(character for character in shown if not _has_glyph(character, style))))


@cache
def _has_glyph(character: str, style: str) -> bool:
    return _draw_character(character, style) != _draw_character(_IN_NO_FONT, style)


@cache
def _draw_character(character: str, style: str) -> bytes:
    """Return a picture of one character; all characters that no font has give the same picture."""
    text = f'<text x="8" y="30" font-size="24">&#{ord(character)};</text>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="48" height="40"><style>{style}</style>{text}</svg>'
    return bytes(resvg_py.svg_to_bytes(svg_string=svg))
