"""`Drawing` → Mermaid's text, one statement a line: reading it gives an equal drawing.

A node is described where an arrow first names it, on a line of its own where the order of nodes asks for that. Comments
stand above the arrow that they stood above; subgraphs, which only name their members, and lines of style come last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stackc.spec.drawing import Arrow, Drawing, Drawn, Group, Line
from stackc.spec.shapes import BRACKETS

_INDENT = "    "
_OPENINGS = {shape: (opening, closing) for opening, by in BRACKETS.items() for closing, shape in by.items()}
# Texts that Mermaid reads without quotes; all others are quoted.
_PLAIN = re.compile(r"\w(?:[\w .,+*:=-]*\w)?")
_PLAIN_ID = re.compile(r"[\w.-]+")


def write_drawing(drawing: Drawing) -> str:
    """The Mermaid text of a drawing, header included."""
    header = f"flowchart {drawing.direction}" if drawing.direction else "flowchart"
    return "\n".join([header, *(_INDENT + line for line in _lines(drawing))]) + "\n"


def _lines(drawing: Drawing) -> Iterator[str]:
    yield from _nodes_and_arrows(drawing)
    inside = {member for group in drawing.groups.values() for member in group.members}
    for id, group in drawing.groups.items():
        if id not in inside:
            yield from _group(group, drawing)
    for line in drawing.styling:
        yield line.text


def _nodes_and_arrows(drawing: Drawing) -> Iterator[str]:
    fresh, comments = list(reversed(drawing.nodes.values())), list(reversed(drawing.comments))
    for arrow in drawing.arrows:
        yield from _comments(comments, arrow.span.line)
        described = {}
        for node in _until_mentioned(fresh, arrow):
            if node.id == arrow.source or (node.id == arrow.target and (described or node is not arrow)):
                described[node.id] = node
        yield ""
    yield from map(_node, reversed(fresh))
    yield from _comments(comments, None)
