"""Lay out a picture with `graphviz-pure`, a Graphviz from pip. Coordinates grow to the right and down."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.view.dot import write_dot
from stackc.view.picture import Picture

Point = tuple[float, float]
_PROGRAM = "graphviz-pure"


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle, by its upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The curve of an arrow: a start, Bézier segments of three points each, then a straight line to the `tip`."""

    points: tuple[Point, ...]
    tip: Point
    label: Point | None


@dataclass(frozen=True)
class Layout:
    """The coordinates of a picture: boxes and clusters by id, curves in the order of its arrows."""

    width: float
    height: float
    boxes: Mapping[str, Rectangle]
    clusters: Mapping[str, Rectangle]
    curves: tuple[Curve, ...]


def lay_out(picture: Picture) -> Layout:
    """Return the layout of a picture. Raises SpecError V101 if the program is missing, V102 if it fails."""
    graph = json.loads(_run(write_dot(picture)))
    left, bottom, right, top = _numbers(graph["bb"])  # with `-y` the bottom has the larger y

    boxes: dict[str, Rectangle] = {}
    clusters: dict[str, Rectangle] = {}
    for item in graph.get("objects", ()):
        if "bb" in item:
            x0, y1, x1, y0 = _numbers(item["bb"])
            clusters[item["name"].removeprefix("cluster_")] = Rectangle(x0, y0, x1 - x0, y1 - y0)
        elif "pos" in item:
            x, y = _numbers(item["pos"])
            width, height = 72 * float(item["width"]), 72 * float(item["height"])
            boxes[item["name"]] = Rectangle(x - width / 2, y - height / 2, width, height)

    curves = tuple(_curve(edge) for edge in sorted(graph.get("edges", ()), key=lambda edge: int(edge["id"])))
    return Layout(right - left, bottom - top, boxes, clusters, curves)


def _curve(edge: Mapping[str, Any]) -> Curve:
    end, *points = edge["pos"].split(" ")
    x, y = _numbers(edge["lp"]) if "lp" in edge else (0.0, 0.0)
    tip_x, tip_y = _numbers(end.removeprefix("e,"))
    line = [_numbers(point) for point in points]
    return Curve(tuple((px, py) for px, py in line), (tip_x, tip_y), (x, y) if "lp" in edge else None)


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


def _run(dot: str) -> str:
    command = [_program(), "-Tjson0", "-y"]
    done = subprocess.run(command, input=dot, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        message = f"{_PROGRAM} could not lay out the picture: {done.stderr.strip()}"
        hint = (
            "this is a bug in stackc, not in the spec; please report it with the file of `stackc show SPEC -o FILE.dot`"
        )
        raise SpecError(Diagnostic("V102", message, hint=hint))
    return done.stdout


def _program() -> str:
    """Return the path of the program where pip installs it, for this environment or this user; else on PATH."""
    user = sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))
    folders = [str(Path(sys.executable).parent), sysconfig.get_path("scripts"), user]
    for folder in (*folders, None):
        if program := shutil.which(_PROGRAM, path=folder):
            return program

    hint = f"install it with: {sys.executable} -m pip install {_PROGRAM}"
    raise SpecError(Diagnostic("V101", f"the program {_PROGRAM}, which lays out pictures, is not installed", hint=hint))
