"""Speed against error of many candidates, as a picture in SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 320, 64, 16, 150, 44
LEAST_ERROR = 1e-9
"""Errors below it are drawn there: the axis is logarithmic."""


@dataclass(frozen=True, slots=True)
class ParetoPoint:
    """A candidate: its time over that of the baseline, its error, and whether it is within the budget and chosen."""

    name: str
    ratio: float
    error: float
    within: bool
    chosen: bool = False


def pareto_front(points: Sequence[ParetoPoint]) -> list[ParetoPoint]:
    """Return the points that no other is both faster and more exact than, the fastest first."""
    front: list[ParetoPoint] = []
    for point in sorted(points, key=lambda each: (each.ratio, each.error)):
        if not front or point.error < front[-1].error:
            front.append(point)
    return front


def draw_pareto(points: Sequence[ParetoPoint]) -> str:
    """Draw time to the right and error upwards, both logarithmic; a line joins the front. "" without points."""
    drawn = [point for point in points if math.isfinite(point.error) and point.ratio > 0.0]
    if not drawn:
        return ""
    xs = _axis([point.ratio for point in drawn], LEFT, WIDTH - RIGHT)
    ys = _axis([max(point.error, LEAST_ERROR) for point in drawn], HEIGHT - BOTTOM, TOP)

    front = pareto_front(drawn)
    line = " ".join(f"{xs.at(each.ratio):.1f},{ys.at(max(each.error, LEAST_ERROR)):.1f}" for each in front)
    parts = [f'<polyline class="front" points="{line}" fill="none" stroke="currentColor" stroke-opacity="0.4"/>']
    parts += [_mark(point, xs, ys) for point in drawn]
    parts += [_tick(x, xs, vertical=False) for x in xs.ticks] + [_tick(y, ys, vertical=True) for y in ys.ticks]
    body = "".join(parts)
    title = "time over float32's to the right, error of the length of the output upwards"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-size="11" '
        f'font-family="sans-serif"><title>{title}</title>{body}</svg>'
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis from `low` at one place to `high` at another."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Return the place of a value."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def _axis(values: Sequence[float], start: float, end: float) -> _Axis:
    low, high = math.log10(min(values)), math.log10(max(values))
    margin = max(0.05, 0.06 * (high - low))
    low, high = low - margin, high + margin
    powers = range(math.ceil(low), math.floor(high) + 1)
    steps = [step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in (1, 2, 5)]
    ticks = [10.0**power for power in powers] if len(powers) > 2 else [x for x in steps if low <= math.log10(x) <= high]
    return _Axis(low, high, start, end, tuple(ticks[:: max(1, len(ticks) // 8)]))


def _mark(point: ParetoPoint, xs: _Axis, ys: _Axis) -> str:
    x, y = xs.at(point.ratio), ys.at(max(point.error, LEAST_ERROR))
    fill = "currentColor" if point.within else "none"
    weight = ' font-weight="bold"' if point.chosen else ""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{6 if point.chosen else 4}" fill="{fill}" stroke="currentColor"/>'
        f'<text x="{x + 9:.1f}" y="{y + 4:.1f}" fill="currentColor"{weight}>{escape(point.name)}</text>'
    )


def _tick(value: float, axis: _Axis, *, vertical: bool) -> str:
    place = axis.at(value)
    x, y, anchor = (LEFT - 8.0, place + 4.0, "end") if vertical else (place, HEIGHT - BOTTOM + 22.0, "middle")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor" opacity="0.7">{value:g}</text>'
