"""Write a picture as a Mermaid flowchart, for Mermaid 11, GitHub and others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from stackc.spec.mermaid.mermaid_source import DRAWN
from stackc.view.palette import colour_of, frame_of
from stackc.view.picture import Box, Cluster, Form, Part, Picture, heading, walk

_BRACKETS: dict[Form, tuple[str, str]] = {
    "input": ("([", "])"),
    "output": ("([", "])"),
    "port": ("((", "))"),
    "merge": ("((", "))"),
    "component": ("(", ")"),
    "model": ("[[", "]]"),
}
_ESCAPES = str.maketrans({"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\n": "<br/>"})


def write_mermaid(picture: Picture) -> str:
    """Return the flowchart of a picture, deterministically."""
    writer = _Writer(_names(picture.parts))
    title = f"---\ntitle: {json.dumps(picture.title, ensure_ascii=False)}\n{DRAWN}\n---\n"
    head = f"%% {picture.subtitle}\n" if picture.subtitle else ""

    lines = [line for part in picture.parts for line in writer.part(part, 1)]
    lines += [writer.arrow(arrow.source, arrow.target, arrow.label) for arrow in picture.arrows]
    lines += _styles(picture.parts, writer.names)
    return "\n".join([f"{title}{head}flowchart {picture.direction}", *lines]) + "\n"


@dataclass(frozen=True)
class _Writer:
    """`names` maps ids to ids that are valid in Mermaid."""

    names: dict[str, str]

    def part(self, part: Part, level: int) -> Iterator[str]:
        indent = "    " * level
        if isinstance(part, Box):
            left, right = _BRACKETS[part.form]
            text = "\n".join([heading(part), *part.lines])
            yield f"{indent}{self.names[part.id]}{left}{_quoted(text)}{right}:::{part.family}"
            return

        text = " · ".join([heading(part), *part.lines[:1]])  # Mermaid would wrap more lines onto the boxes inside
        yield f"{indent}subgraph {self.names[part.id]}[{_quoted(text)}]"
        for inner in part.parts:
            yield from self.part(inner, level + 1)
        yield f"{indent}end"

    def arrow(self, source: str, target: str, label: str) -> str:
        text = f"|{_quoted(label)}|" if label else ""
        return f"    {self.names[source]} -->{text} {self.names[target]}"


def _names(parts: tuple[Part, ...]) -> dict[str, str]:
    """Return a valid id for every part: its path with underscores, numbered if two would be equal."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for part in walk(parts):
        base = name = re.sub(r"\W", "_", part.id)
        number = 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name)
        names[part.id] = name
    return names


def _styles(parts: tuple[Part, ...], names: dict[str, str]) -> Iterator[str]:
    for family in sorted({part.family for part in walk(parts) if isinstance(part, Box)}):
        colour = colour_of(family)
        yield f"    classDef {family} fill:{colour.fill},stroke:{colour.stroke},color:{colour.text}"
    for part in walk(parts):
        if isinstance(part, Cluster):
            frame = frame_of(part.family)
            yield f"    style {names[part.id]} fill:{frame.fill},stroke:{frame.stroke},color:{frame.text}"


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
