"""The colours of a picture: one hue per family, pale inside, with an edge dark enough to distinguish families."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Colour:
    """The colours of a box or a cluster: inside, edge and title."""

    fill: str
    stroke: str
    text: str


INK, FAINT, PAPER, LINE = "#1f2933", "#5f6c7b", "#ffffff", "#8792a1"
"""Titles, the lines below them and the labels of arrows, the background, the arrows."""

_FAMILIES = {
    "input": Colour("#ffffff", "#52606d", INK),
    "output": Colour("#323f4b", "#323f4b", "#ffffff"),
    "port": Colour("#ffffff", "#9aa5b1", FAINT),
    "embedding": Colour("#fdf0d5", "#d9992b", INK),
    "linear": Colour("#dceafb", "#4a86cf", INK),
    "attention": Colour("#fbdfd6", "#d9694a", INK),
    "norm": Colour("#e0f2e4", "#4f9d69", INK),
    "activation": Colour("#f9e3f0", "#bf5a9c", INK),
    "merge": Colour("#eceff3", "#7b8794", INK),
    "conv": Colour("#d6ecf8", "#2b86b3", INK),
    "elementwise": Colour("#f1eddc", "#8a7d3f", INK),
    "padding": Colour("#e3ebe9", "#5f857c", INK),
    "image": Colour("#edf3d3", "#8ba02f", INK),
    "layout": Colour("#e9eaf0", "#6e7191", INK),
    "product": Colour("#f3e3d8", "#a9714b", INK),
    "pool": Colour("#d9f1f1", "#35949b", INK),
    "recurrent": Colour("#fbe3e3", "#c25b66", INK),
    "block": Colour("#ebe6fa", "#7d63c4", INK),
    "stack": Colour("#e2e3fb", "#5b55c2", INK),
}
_OTHER = Colour("#f0ece2", "#8d8266", INK)


def family_colours() -> tuple[str, ...]:
    """Return every family and form with its own colour."""
    return tuple(_FAMILIES)


def colour_of(family: str) -> Colour:
    """Return the colour of a family of components, a kind of model or a form; one colour for all others."""
    return _FAMILIES.get(family, _OTHER)


_FRAMES = {
    "block": Colour("#faf8fe", "#c3b6e8", "#5b3fa8"),
    "stack": Colour("#f6f6fe", "#aeb0ea", "#443ea6"),
}
_GROUP = Colour("#f7f8fa", "#c5ced8", FAINT)


def frame_of(family: str) -> Colour:
    """Return the colour of the frame around an opened block or stack, or around a group of the drawing."""
    return _FRAMES.get(family, _GROUP)


DARK_PAPER = "#14181d"
"""The background of a dark page."""

_DARK_INK = "#e6eaef"


def in_the_dark(colour: Colour) -> Colour:
    """Return the same hue for a dark background: a dim inside, a brighter edge, a pale title."""
    fill, stroke = _mixed(colour.stroke, DARK_PAPER, 0.26), _mixed(colour.stroke, "#ffffff", 0.86)
    return Colour(fill, stroke, _DARK_INK if colour.text in (INK, FAINT, "#ffffff") else _mixed(stroke, "#ffffff", 0.6))


def frame_in_the_dark(colour: Colour) -> Colour:
    """Return the colour of a frame for a dark background: hardly brighter than the background."""
    lit = in_the_dark(colour)
    return Colour(_mixed(colour.text, DARK_PAPER, 0.12), _mixed(lit.stroke, DARK_PAPER, 0.5), lit.text)


def _mixed(first: str, second: str, share: float) -> str:
    """Mix two colours: `share` of the first, the rest of the second."""
    pairs = ((int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)
