"""Sizes of boxes, frames and labels in points, computed from their texts."""

from __future__ import annotations

from stackc.view.picture import Box, Cluster, heading
from stackc.view.text import width_of

HEADING, SUBTITLE, TITLE, SMALL, LABEL = 17.0, 11.0, 13.0, 10.0, 9.5
"""Font sizes: name and totals of the model, titles, the lines below them, labels of arrows."""

TITLE_LEADING, SMALL_LEADING, LABEL_LEADING = 17.0, 13.5, 13.0
"""Line heights of titles, of the lines below them, and of labels."""

CARD = 4.0
"""How far the card behind a repeated box extends at the top and at the right."""

_PADDING_X, _PADDING_Y, _CIRCLE = 13.0, 8.0, 26.0


def box_size(box: Box) -> tuple[float, float]:
    """Return width and height of a box, including the card behind a repeated one."""
    if box.form == "merge" and len(box.title) == 1:
        return _CIRCLE, _CIRCLE
    if box.form in ("merge", "port"):
        return max(22.0, _rounded(width_of(box.title, SMALL) + 14)), 20.0

    titles = heading(box).split("\n")
    widths = [width_of(title, TITLE, bold=True) for title in titles] + [width_of(line, SMALL) for line in box.lines]
    card = CARD if box.repeat > 1 else 0.0
    height = 2 * _PADDING_Y + TITLE_LEADING * len(titles) + SMALL_LEADING * len(box.lines)
    return _rounded(max(widths) + 2 * _PADDING_X) + card, height + card


def header_size(cluster: Cluster) -> tuple[float, float]:
    """Return width and height of the texts at the top of a frame."""
    titles = heading(cluster).split("\n")
    widths = [width_of(title, TITLE, bold=True) for title in titles] + [width_of(line, SMALL) for line in cluster.lines]
    return _rounded(max(widths) + 10), TITLE_LEADING * len(titles) + SMALL_LEADING * len(cluster.lines) + 4


def label_size(label: str) -> tuple[float, float]:
    """Return width and height of the label of an arrow."""
    return _rounded(width_of(label, LABEL) + 8), LABEL_LEADING + 5


def _rounded(width: float) -> float:
    return float(round(width))
