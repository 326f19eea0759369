"""`Drawing` → Mermaid text, one statement per line. Parsing that text gives an equal drawing.

A node is described at the first arrow that names it, or on its own line if the order of the nodes requires that.
Comments stay above the same arrow. Subgraphs, which name their members, and styles come last.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from stackc.spec.drawing import Arrow, Drawing, DrawnNode, Group, StyleLine
from stackc.spec.mermaid.shapes import BRACKETS, NAMES

_INDENT = "    "
_BRACKETS_OF = {shape: (opening, closing) for opening, ends in BRACKETS.items() for closing, shape in ends.items()}
# Text that Mermaid reads without quotes in any position; all other text is quoted.
_PLAIN_TEXT = re.compile(r"[^\W_][\w .,+*=-]*")
_PLAIN_ID = re.compile(r"[\w-]+")


def write_drawing(drawing: Drawing) -> str:
    """Return the Mermaid text of a drawing, with a header."""
    header = f"flowchart {drawing.direction}" if drawing.direction else "flowchart"
    return "\n".join([header, *(_INDENT + line for line in _statements(drawing))]) + "\n"


def _statements(drawing: Drawing) -> Iterator[str]:
    yield from _chart(deque(drawing.nodes.values()), drawing.arrows, deque(drawing.comments))
    nested = {member for group in drawing.groups.values() for member in group.members}
    for id, group in drawing.groups.items():
        if id not in nested:
            yield from _group(group, drawing)
    for line in drawing.styling:
        yield line.text


def _chart(nodes: deque[DrawnNode], arrows: tuple[Arrow, ...], comments: deque[StyleLine]) -> Iterator[str]:
    """Yield the arrows in order; each new node is described in, or before, the first arrow at it."""
    waiting = {node.id for node in nodes}
    for arrow in arrows:
        while comments and comments[0].span.line < arrow.span.line:
            yield f"%% {comments.popleft().text}"

        before: list[DrawnNode] = []
        while waiting & {arrow.source, arrow.target}:
            before.append(nodes.popleft())
            waiting.remove(before[-1].id)

        target = _node(before.pop()) if before and before[-1].id == arrow.target else arrow.target
        source = arrow.source
        if before and before[-1].id == source and not (arrow.id and _has_properties(before[-1])):
            source = _node(before.pop())

        yield from map(_node, before)
        yield f"{source} {_link(arrow)} {target}"
    yield from map(_node, nodes)
    yield from (f"%% {comment.text}" for comment in comments)


def _node(node: DrawnNode) -> str:
    """Return `id` or `id[label]`, with properties if the shape has no brackets, or there is no label to put in them."""
    properties = f"@{{ shape: {node.shape} }}" if _has_properties(node) else ""
    if node.label is None:
        assert node.shape in NAMES, f"{node.shape} brackets contain a label"
        return node.id + properties
    opening, closing = _BRACKETS_OF.get(node.shape, _BRACKETS_OF["rect"])
    return f"{node.id}{opening}{_text(node.label)}{closing}{properties}"


def _has_properties(node: DrawnNode) -> bool:
    """Return whether the shape is written as `@{ shape: … }`, after which Mermaid reads no link with an id."""
    return node.shape not in _BRACKETS_OF or (node.label is None and node.shape != "rect")


def _link(arrow: Arrow) -> str:
    """Return `-->` or `-->|text|` with the id, stroke and length of the arrow."""
    line = {"normal": "-" * (arrow.length + 1), "thick": "=" * (arrow.length + 1), "dotted": f"-{'.' * arrow.length}-"}
    id = f"{arrow.id}@" if arrow.id else ""
    text = f"|{_text(arrow.text)}|" if arrow.text else ""
    return f"{id}{line[arrow.stroke]}>{text}"


def _text(text: str) -> str:
    return text if _PLAIN_TEXT.fullmatch(text) else f'"{text or " "}"'


def _group(group: Group, drawing: Drawing) -> Iterator[str]:
    """Yield the lines of a subgraph: header, direction, members, `end`."""
    label = "" if group.label is None else f"[{_text(group.label)}]"
    yield f"subgraph {group.id if _PLAIN_ID.fullmatch(group.id) else _text(group.id)}{label}"
    if group.direction:
        yield f"{_INDENT}direction {group.direction}"
    for member in group.members:
        inner = drawing.groups.get(member)
        yield from (_INDENT + line for line in (_group(inner, drawing) if inner else [member]))
    yield "end"
