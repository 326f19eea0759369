"""Write a picture as SVG: rounded boxes in the colour of their family, frames around opened blocks, types on arrows.

The same graph gives the same bytes: coordinates come from one program, and widths from one table instead of fonts.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from stackc.ir.typed import TypedGraph
from stackc.view.compose import compose
from stackc.view.layout import Curve, Layout, Point, Rectangle, lay_out
from stackc.view.palette import FAINT, INK, LINE, PAPER, colour_of, frame_of
from stackc.view.picture import Box, Cluster, Picture, heading, walk
from stackc.view.sizes import CARD, HEADING, LABEL, SMALL, SMALL_LEADING, SUBTITLE, TITLE, TITLE_LEADING
from stackc.view.text import is_wide, width_of

_LATIN = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', 'Noto Sans', 'DejaVu Sans'"
_EAST_ASIAN = "'Noto Sans CJK SC', 'Noto Sans SC', 'Source Han Sans SC', 'PingFang SC', 'Microsoft YaHei'"
_MARGIN, _HEADER = 20.0, 50.0  # the latter is the height of the name and the totals of the model
_STYLE = f"""
text {{ font-family: {_LATIN}, {_EAST_ASIAN}, sans-serif; fill: {INK}; }}
text.wide {{ font-family: {_EAST_ASIAN}, {_LATIN}, sans-serif; }}
.arrow {{ fill: none; stroke: {LINE}; stroke-width: 1.3; }}
.tip {{ fill: {LINE}; }}
"""


def draw_svg(typed: TypedGraph, depth: int = 1) -> str:
    """Return the SVG of a model, with blocks and stacks open down to `depth`. Raises SpecError (V101, V102)."""
    return write_svg(compose(typed, depth))


def write_svg(picture: Picture) -> str:
    """Return the SVG of a picture. Raises SpecError (V101, V102)."""
    layout = lay_out(picture)
    header = max(width_of(picture.title, HEADING, bold=True), width_of(picture.subtitle, SUBTITLE))
    width = round(max(layout.width, header) + 2 * _MARGIN)
    height = round(layout.height + _HEADER + 2 * _MARGIN)
    shift = f"{(width - layout.width) / 2:.2f} {_HEADER + _MARGIN:.2f}"

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{escape(picture.title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" rx="10" fill="{PAPER}"/>',
        _text(picture.title, _MARGIN, _MARGIN + 16, HEADING, bold=True),
        _text(picture.subtitle, _MARGIN, _MARGIN + 34, SUBTITLE, colour=FAINT),
        f'<g transform="translate({shift})">',
        *_elements(picture, layout),
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _elements(picture: Picture, layout: Layout) -> Iterator[str]:
    """Yield frames from the outside in, arrows, boxes, and on top the texts that an arrow may cross."""
    parts = list(walk(picture.parts))
    for part in parts:
        if isinstance(part, Cluster):
            yield _frame(part, layout.clusters[part.id])

    for curve in layout.curves:
        yield from _arrow(curve)

    for part in parts:
        if isinstance(part, Box):
            yield from _box(part, layout.boxes[part.id])
        else:
            yield from _header(part, layout.clusters[part.id])

    for arrow, curve in zip(picture.arrows, layout.curves, strict=True):
        if curve.label:
            yield _label(arrow.label, curve.label)


def _frame(cluster: Cluster, at: Rectangle) -> str:
    frame = frame_of(cluster.family)
    title = f"<title>{escape(cluster.id)}</title>"
    return f'<g class="frame {cluster.family}">{title}{_rect(at, 10, frame.fill, frame.stroke)}</g>'


def _header(cluster: Cluster, at: Rectangle) -> Iterator[str]:
    frame = frame_of(cluster.family)
    x, y = at.x + 14, at.y + 8
    titles = heading(cluster).split("\n")
    widths = [width_of(title, TITLE, bold=True) for title in titles] + [width_of(line, SMALL) for line in cluster.lines]
    height = TITLE_LEADING * len(titles) + SMALL_LEADING * len(cluster.lines)
    yield _background(x - 4, y, max(widths) + 8, height + 2, frame.fill, opacity=1)  # arrows pass behind the texts

    for title in titles:
        y += TITLE_LEADING
        yield _text(title, x, y - 4, TITLE, bold=True, colour=frame.text)
    for line in cluster.lines:
        y += SMALL_LEADING
        yield _text(line, x, y - 4, SMALL, colour=FAINT)


def _box(box: Box, at: Rectangle) -> Iterator[str]:
    colour = colour_of(box.family)
    radius = 8 if box.form in ("component", "model") else at.height / 2

    yield f'<g class="box {box.form} {box.family}"><title>{escape(box.id)}</title>'
    if box.repeat > 1:
        front = Rectangle(at.x, at.y + CARD, at.width - CARD, at.height - CARD)
        yield _rect(Rectangle(at.x + CARD, at.y, front.width, front.height), radius, colour.fill, colour.stroke)
        at = front
    yield _rect(at, radius, colour.fill, colour.stroke)
    yield from _small_caption(box, at) if box.form in ("port", "merge") else _caption(box, at)
    yield "</g>"


def _caption(box: Box, at: Rectangle) -> Iterator[str]:
    colour = colour_of(box.family).text
    x, y = at.x + at.width / 2, at.y + 8
    for title in heading(box).split("\n"):
        y += TITLE_LEADING
        yield _text(title, x, y - 4, TITLE, anchor="middle", bold=True, colour=colour)
    for line in box.lines:
        y += SMALL_LEADING
        yield _text(line, x, y - 3.5, SMALL, anchor="middle", colour=colour if box.form == "output" else FAINT)


def _small_caption(box: Box, at: Rectangle) -> Iterator[str]:
    symbol = box.form == "merge" and len(box.title) == 1
    x, y = at.x + at.width / 2, at.y + at.height / 2 + (4.5 if symbol else 3.5)
    yield _text(box.title, x, y, TITLE if symbol else SMALL, anchor="middle", colour=colour_of(box.family).text)


def _arrow(curve: Curve) -> Iterator[str]:
    start, *rest = curve.points
    yield f'<path class="arrow" d="M{_point(start)}C{" ".join(_point(point) for point in rest)}"/>'
    (x, y), (tip_x, tip_y) = curve.points[-1], curve.tip
    across = (tip_y - y) * 0.42, (x - tip_x) * 0.42
    corners = [(x + across[0], y + across[1]), curve.tip, (x - across[0], y - across[1])]
    yield f'<path class="tip" d="M{" ".join(_point(corner) for corner in corners)}Z"/>'


def _label(text: str, at: Point) -> str:
    width = width_of(text, LABEL)
    background = _background(at[0] - width / 2, at[1] - 6, width, 12, PAPER)
    return background + _text(text, at[0], at[1] + 3.3, LABEL, anchor="middle", colour=FAINT)


def _background(x: float, y: float, width: float, height: float, colour: str, opacity: float = 0.8) -> str:
    """Return a rectangle that separates a text from the arrows behind it."""
    place = f'x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"'
    return f'<rect {place} rx="3" fill="{colour}" fill-opacity="{opacity:g}"/>'


def _rect(at: Rectangle, radius: float, fill: str, stroke: str) -> str:
    place = f'x="{at.x:.2f}" y="{at.y:.2f}" width="{at.width:.2f}" height="{at.height:.2f}" rx="{radius:g}"'
    return f'<rect {place} fill="{fill}" stroke="{stroke}" stroke-width="1.2"/>'


def _text(
    text: str, x: float, y: float, size: float, *, anchor: str = "start", bold: bool = False, colour: str = INK
) -> str:
    wide = ' class="wide"' if is_wide(text) else ""
    weight = ' font-weight="600"' if bold else ""
    place = f'x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" font-size="{size:g}"{weight}'
    return f'<text{wide} {place} style="fill: {colour}">{escape(text)}</text>'


def _point(point: Point) -> str:
    return f"{point[0]:.2f},{point[1]:.2f}"
