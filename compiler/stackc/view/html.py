"""Write a model as one self-contained HTML page: a picture to pan, zoom, fold, unfold and search, with facts of nodes.

The page lays out opened blocks itself, from the levels that it contains: see pages/layout.js. Everything from the
spec is escaped by the template, or set as text by the script.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from stackc.ir.training import Training
from stackc.ir.typed import TypedGraph
from stackc.view.levels import Level, levels_of
from stackc.view.overlays import Overlay, cost_overlays
from stackc.view.palette import (
    DARK_PAPER,
    FAINT,
    INK,
    LINE,
    PAPER,
    Colour,
    colour_of,
    family_colours,
    frame_in_the_dark,
    frame_of,
    in_the_dark,
)
from stackc.view.picture import Box, Cluster, heading, walk
from stackc.view.sizes import header_size


def write_html(
    typed: TypedGraph,
    sources: Mapping[str, str],
    depth: int = 1,
    training: Training | None = None,
    overlays: Sequence[Overlay] = (),
) -> str:
    """Return the page of a checked spec, with blocks and stacks initially open down to `depth`.

    `sources` has the texts of the spec's files by name, for the source lines of nodes. The drawing can be coloured by
    `overlays`, and by parameters and FLOPs. Raises SpecError (V101, V102).
    """
    title, measured = typed.graph.document.name, {overlay.name for overlay in overlays}
    overlays = [*overlays, *(each for each in cost_overlays(typed) if each.name not in measured)]
    return render_page("show.html", title=title, view=page_data(typed, sources, depth, training, overlays))


def page_data(
    typed: TypedGraph,
    sources: Mapping[str, str],
    depth: int,
    training: Training | None = None,
    overlays: Sequence[Overlay] = (),
) -> dict[str, Any]:
    """Return the data of the page's script: every level, how many to open, and what to colour by.

    Raises SpecError (V101, V102).
    """
    levels = levels_of(typed, sources, training)
    return {
        "title": levels[0].picture.title,
        "subtitle": levels[0].picture.subtitle,
        "depth": depth,
        "levels": [_level(level) for level in levels],
        "overlays": [overlay.data() for overlay in overlays],
    }


def render_page(template: str, **values: Any) -> str:
    """Render a template of pages/, escaping every value, with the colours of both themes."""
    light = {"ink": INK, "faint": FAINT, "paper": PAPER, "line": LINE}
    dark = {"ink": "#e6eaef", "faint": "#9aa7b5", "paper": DARK_PAPER, "line": "#64707e"}
    colours = {family: (colour_of(family), in_the_dark(colour_of(family))) for family in (*family_colours(), "other")}
    frames = {kind: (frame_of(kind), frame_in_the_dark(frame_of(kind))) for kind in ("block", "stack", "group")}

    page = _environment().get_template(template)
    return page.render(grounds=(light, dark), colours=_themes(colours), frames=_themes(frames), **values)


def _themes(pairs: Mapping[str, tuple[Colour, Colour]]) -> tuple[dict[str, Colour], dict[str, Colour]]:
    return {name: light for name, (light, _) in pairs.items()}, {name: dark for name, (_, dark) in pairs.items()}


@cache
def _environment() -> Environment:
    loader = PackageLoader("stackc.view", "pages")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _level(level: Level) -> dict[str, Any]:
    """Return a level for the script: boxes, frames and arrows with their coordinates."""
    picture, layout = level.picture, level.layout
    parts = list(walk(picture.parts))

    boxes = [_box(part, level) for part in parts if isinstance(part, Box)]
    frames = [
        {"id": part.id, "titles": heading(part).split("\n"), "family": part.family} | asdict(layout.clusters[part.id])
        for part in parts
        if isinstance(part, Cluster)
    ]
    arrows = [
        {"source": arrow.source, "target": arrow.target, "label": arrow.label, "at": curve.label}
        | {"points": _rounded(curve.points), "tip": _rounded([curve.tip])[0]}
        for arrow, curve in zip(picture.arrows, layout.curves, strict=True)
    ]
    return {"width": layout.width, "height": layout.height, "boxes": boxes, "frames": frames, "arrows": arrows}


def _box(box: Box, level: Level) -> dict[str, Any]:
    """Return a box for the script, with what it opens into and its facts, if any."""
    data: dict[str, Any] = {"id": box.id, "titles": heading(box).split("\n"), "lines": box.lines, "form": box.form}
    data |= {"family": box.family if box.family in family_colours() else "other", "repeat": box.repeat}
    data |= asdict(level.layout.boxes[box.id])

    if inside := level.inside.get(box.id):
        cluster = Cluster(box.id, box.title, box.lines, box.family, (), box.repeat)
        data |= {"inside": asdict(inside), "head": header_size(cluster)}
    if copies := level.copies.get(box.id):
        data["copies"] = copies
    if facts := level.facts.get(box.id):
        data["facts"] = {name: value for name, value in asdict(facts).items() if value}
    return data


def _rounded(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(round(x, 1), round(y, 1)) for x, y in points]
