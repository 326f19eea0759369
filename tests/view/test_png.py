"""The PNG: its size, and the characters that no font has."""

from __future__ import annotations

import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stackc.frontend import check_spec
from stackc.view.png import draw_png
from stackc.view.svg import draw_svg

SPECS = Path(__file__).parents[2] / "specs"


def size(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_it_has_two_pixels_a_unit() -> None:
    svg = draw_svg(check_spec(SPECS / "ensemble.yaml").typed)
    root = ElementTree.fromstring(svg)
    assert size(draw_png(svg).data) == (2 * int(root.attrib["width"]), 2 * int(root.attrib["height"]))


@pytest.mark.slow
def test_a_huge_picture_is_zoomed_less() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="1000000" viewBox="0 0 100 1000000"></svg>'
    width, height = size(draw_png(svg).data)
    assert 49_000_000 < width * height < 51_000_000


def test_what_no_font_has_is_told() -> None:
    svg = draw_svg(check_spec(SPECS / "seed.mmd").typed).replace("叠加组件", "叠加\U0010fffe件")
    missing = draw_png(svg).missing
    assert "\U0010fffe" in missing
    assert "组" not in missing or "件" in missing  # a machine has a font for Chinese or it has none


@pytest.mark.parametrize("text", ["Transformer", "×12 · seq²"])
def test_what_every_font_has_is_not(text: str) -> None:
    svg = draw_svg(check_spec(SPECS / "normalized.yaml").typed).replace("layer_norm", text)
    assert draw_png(svg).missing == ""
