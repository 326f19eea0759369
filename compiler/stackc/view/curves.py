"""Curves → coordinates of an SVG: lines and ticks on linear or logarithmic axes, which pages/curves.html draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

Points: TypeAlias = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 12, 26
"""The margins around the area of the lines: room for the labels of ticks."""

MOST_POINTS = 400
"""The most points of a line, about one a pixel; beyond, each is the mean of several."""

COLOURS = 8
"""The number of colours of the style sheet, after which they start again, dashed."""


@dataclass(frozen=True)
class Series:
    """A line by its name: y over x, in the order of x."""

    name: str
    points: Points


@dataclass(frozen=True)
class Chart:
    """Lines over one axis. The other may be logarithmic: if all values are positive and range over a factor of 30."""

    title: str
    curves: Sequence[Series]
    along: str = "step"
    may_be_log: bool = True


def chart_coordinates(chart: Chart) -> dict[str, Any] | None:
    """Return what the template draws; None if no point is finite. Points that are not finite are left out."""
    finite = [[point for point in curve.points if all(map(math.isfinite, point))] for curve in chart.curves]
    xs, ys = ([point[axis] for points in finite for point in points] for axis in (0, 1))
    if not xs:
        return None

    is_log = chart.may_be_log and min(ys) > 0 and max(ys) / min(ys) >= 30
    across = _Axis.over(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    upward = _Axis.over(min(ys), max(ys), HEIGHT - BOTTOM, TOP, is_log=is_log)
    lines = [
        {
            "name": curve.name,
            "colour": index % COLOURS,
            "dashed": index >= COLOURS,
            "points": [(across.place(x), upward.place(y)) for x, y in thinned(points)],
            "last": _label(points[-1][1]) if points else "–",
        }
        for index, (curve, points) in enumerate(zip(chart.curves, finite, strict=True))
    ]
    size = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT, "bottom": HEIGHT - BOTTOM}
    ticks = {"across": across.ticks(6), "upward": upward.ticks(5)}
    return {"title": chart.title, "along": chart.along, "lines": lines, **size, **ticks}


def thinned(points: Points, most: int = MOST_POINTS) -> Points:
    """Return at most so many points: the means of runs of points that follow each other."""
    if len(points) <= most:
        return points
    ends = [len(points) * index // most for index in range(most + 1)]
    runs = [points[start:end] for start, end in pairwise(ends)]
    return [(sum(x for x, _ in run) / len(run), sum(y for _, y in run) / len(run)) for run in runs]


@dataclass(frozen=True)
class _Axis:
    """The map from values between `low` and `high` to pixels."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool

    @staticmethod
    def over(low: float, high: float, start: float, end: float, *, is_log: bool = False) -> _Axis:
        """Return an axis over these values; a single one lies in the middle."""
        if low == high:
            low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
        return _Axis(low, high, start, end, is_log)

    def place(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high, value = (math.log(each) if self.is_log else each for each in (self.low, self.high, value))
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Return the pixels and labels of round values: powers of ten, or multiples of 1, 2 or 5 of one."""
        if self.is_log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            powers = range(first, last + 1, max(1, math.ceil((last - first + 1) / most)))
            return [(self.place(10.0**power), _label(10.0**power)) for power in powers]

        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        numbers = range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)
        return [(self.place(number * step), _label(number * step)) for number in numbers]


def _label(value: float) -> str:
    """Write a number with up to four digits."""
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e6 else f"{value:.4g}"
