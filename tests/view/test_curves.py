"""Coordinates of curves: where values and ticks lie, and what is left out."""

from __future__ import annotations

import math

import pytest

from stackc.view.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Series, chart_coordinates, thinned


def test_a_line_goes_from_corner_to_corner() -> None:
    drawn = chart_coordinates(Chart("y", [Series("a", [(0, 0), (5, 2.5), (10, 5)])]))
    assert drawn is not None
    middle = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    assert drawn["lines"][0]["points"] == [(LEFT, HEIGHT - BOTTOM), middle, (WIDTH - RIGHT, TOP)]
    assert [label for _, label in drawn["across"]] == ["0", "2", "4", "6", "8", "10"]
    assert [label for _, label in drawn["upward"]] == ["0", "1", "2", "3", "4", "5"]
    assert drawn["lines"][0]["last"] == "5"


def test_decades_are_equally_far_apart() -> None:
    drawn = chart_coordinates(Chart("y", [Series("a", [(1, 1e-3), (2, 1e-1), (3, 1e1)])]))
    assert drawn is not None
    heights = [y for _, y in drawn["lines"][0]["points"]]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    assert [label for _, label in drawn["upward"]] == ["0.001", "0.01", "0.1", "1", "10"]


@pytest.mark.parametrize("values", [[0.0, 100.0], [-1.0, 100.0], [10.0, 100.0]])
def test_other_values_are_on_a_linear_axis(values: list[float]) -> None:
    drawn = chart_coordinates(Chart("y", [Series("a", [(0, values[0]), (1, sum(values) / 2), (2, values[1])])]))
    assert drawn is not None
    assert drawn["lines"][0]["points"][1][1] == pytest.approx((TOP + HEIGHT - BOTTOM) / 2)


def test_what_is_not_finite_is_left_out() -> None:
    drawn = chart_coordinates(Chart("y", [Series("a", [(1, math.nan), (2, 3.0), (3, math.inf)]), Series("b", [])]))
    assert drawn is not None
    assert [len(line["points"]) for line in drawn["lines"]] == [1, 0]
    assert drawn["lines"][1]["last"] == "–"
    assert chart_coordinates(Chart("y", [Series("a", [(1, math.nan)])])) is None


def test_long_lines_keep_their_mean() -> None:
    points = [(float(x), float(x % 7)) for x in range(1237)]
    short = thinned(points, 100)
    assert len(short) == 100
    assert sum(y for _, y in short) / 100 == pytest.approx(sum(y for _, y in points) / 1237, abs=0.05)
    assert thinned(points[:100], 100) == points[:100]
