"""SVG → PNG, with the fonts of this machine. The only home of resvg."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from xml.etree import ElementTree

import resvg_py

ZOOM = 2.0
"""Pixels for each unit of the SVG."""

_MOST_PIXELS = 50_000_000
_NOBODYS = "\U0010ffff"  # a code point that no font may have


@dataclass(frozen=True, slots=True)
class Raster:
    """A PNG, and the characters in it that no font of this machine has: empty boxes stand where they should."""

    data: bytes
    missing: str


def draw_png(svg: str, zoom: float = ZOOM) -> Raster:
    """The PNG of an SVG of ours, zoomed less where it would have more than fifty million pixels."""
    root = ElementTree.fromstring(svg)
    area = float(root.attrib["width"]) * float(root.attrib["height"])
    data = resvg_py.svg_to_bytes(svg_string=svg, zoom=min(zoom, math.sqrt(_MOST_PIXELS / area)))
    style = "".join(element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}style"))
    shown = {character for text in root.itertext() if text != style for character in text if not character.isspace()}
    return Raster(data, "".join(sorted(character for character in shown if not _has_glyph(character, style))))


@cache
def _has_glyph(character: str, style: str) -> bool:
    return _alone(character, style) != _alone(_NOBODYS, style)


@cache
def _alone(character: str, style: str) -> bytes:
    """A picture of one character: of all that no font has, the same."""
    text = f'<text x="8" y="30" font-size="24">&#{ord(character)};</text>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="48" height="40"><style>{style}</style>{text}</svg>'
    return bytes(resvg_py.svg_to_bytes(svg_string=svg))
