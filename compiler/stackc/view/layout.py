"""Picture → places, by `graphviz-pure`, a Graphviz that pip installs. Coordinates grow to the right and down."""

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
    """From the left upper corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The way of an arrow: a start and Bézier segments of three points each, then straight on to the `tip`."""

    points: tuple[Point, ...]
    tip: Point
    label: Point | None


@dataclass(frozen=True)
class Layout:
    """Where everything of a picture is: boxes and clusters by id, arrows in their order."""

    width: float
    height: float
    boxes: Mapping[str, Rectangle]
    clusters: Mapping[str, Rectangle]
    curves: tuple[Curve, ...]


def lay_out(picture: Picture) -> Layout:
    """The places of everything. Raises SpecError (V101, V102) where the program is missing or fails."""
    found = json.loads(_run(write_dot(picture)))
    left, bottom, right, top = _numbers(found["bb"])
    boxes: dict[str, Rectangle] = {}
    clusters: dict[str, Rectangle] = {}
    for item in found.get("objects", ()):
        if "bb" in item:
            x0, y1, x1, y0 = _numbers(item["bb"])
            clusters[item["name"].removeprefix("cluster_")] = Rectangle(x0, y0, x1 - x0, y1 - y0)
        elif "pos" in item:
            x, y = _numbers(item["pos"])
            width, height = 72 * float(item["width"]), 72 * float(item["height"])
            boxes[item["name"]] = Rectangle(x - width / 2, y - height / 2, width, height)
    curves = tuple(_curve(edge) for edge in sorted(found.get("edges", ()), key=lambda edge: int(edge["id"])))
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
        message = f"{_PROGRAM} could not lay the picture out: {done.stderr.strip()}"
        hint = "a fault of stackc, not of the spec; `stackc show SPEC -o FILE.dot` writes what it was given"
        raise SpecError(Diagnostic("V102", message, hint=hint))
    return done.stdout


def _program() -> str:
    """The program where pip puts it, for this environment or for this user; else on the search path."""
    user = sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))
    folders = [str(Path(sys.executable).parent), sysconfig.get_path("scripts"), user]
    for path in (*folders, None):
        if found := shutil.which(_PROGRAM, path=path):
            return found
    hint = f"install it with: {sys.executable} -m pip install {_PROGRAM}"
    raise SpecError(Diagnostic("V101", f"the program {_PROGRAM}, which lays pictures out, is not here", hint=hint))
