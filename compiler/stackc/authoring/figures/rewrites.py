"""Redraw the arrows of a figure: a label that names an operation becomes a node, one that names no port goes.

`A -->|max pool 2x2| B` becomes `A --> A_B["max pool 2x2"] --> B`. What a label says that goes is kept: `copy and crop`
or `concat` joins the arrows of its target, `64` or `1 × 1 × C` are the channels of its source. An arrow that shares its
text with others (`A & B -->|…| C`) is left as it is, and `check` asks about its label.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stackc.authoring.figures.decisions import candidates
from stackc.authoring.figures.labels import label_text, read_label, read_width
from stackc.components import REGISTRY
from stackc.core.diagnostics import Span
from stackc.resolve.op_guess import op_of
from stackc.spec.drawing import Arrow, Drawing, DrawnNode

_STROKES = {"normal": "-->", "thick": "==>", "dotted": "-.->"}
_CONCAT = re.compile(r"copy|crop|concat|拼接", re.IGNORECASE)
_NOTHING = re.compile(r"(?:(?:identity|skip|shortcut|residual|connection|mapping|x)\b\W*)+", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z]\w?(?:\([A-Za-z]\))?(?:\s*\+\s*[A-Za-z])?['′]?")
_PORTS = {"q": "", "query": "", "queries": "", "k": "context", "keys": "context", "v": "value", "values": "value"}


@dataclass(frozen=True)
class Redrawn:
    """The text of a figure after a change, and what the labels said that went.

    `joined` are the targets whose arrows are to be concatenated, `cropped` says whether any label
    speaks of cropping, `widths` has the channels of nodes.
    """

    body: str
    joined: frozenset[str]
    cropped: bool
    widths: Mapping[str, str]


def redraw(body: str, drawing: Drawing, line: int) -> Redrawn:
    """Redraw every labelled arrow whose label is understood; `line` is that of the first line of `body`."""
    shared = Counter(arrow.span for arrow in drawing.arrows)
    taken = set(drawing.nodes)
    edits: list[tuple[Span, str]] = []
    joined, cropped = set(), False
    widths: dict[str, str] = {}
    for arrow in drawing.arrows:
        text = label_text(arrow.text or "")
        if not text or shared[arrow.span] > 1 or _is_port(text, drawing.nodes[arrow.target]):
            continue

        link = _link(arrow)
        if (width := read_width(text)) is not None:
            widths.setdefault(arrow.source, width)
            edits.append((arrow.span, link))
        elif _CONCAT.search(text):
            joined.add(arrow.target)
            cropped = cropped or "crop" in text.lower()
            edits.append((arrow.span, link))
        elif (ports := _attention_ports(text, drawing.nodes[arrow.target])) is not None:
            edits.append((arrow.span, f"{link}|{ports}|" if ports else link))
        elif read_label(text).operations and not _NOTHING.fullmatch(text):
            id = _new_id(f"{arrow.source}_{arrow.target}", taken)
            edits.append((arrow.span, f'{link} {id}["{arrow.text}"] {link}'))
        elif _NOTHING.fullmatch(text) or _NAME.fullmatch(text) or _is_shape(text):
            edits.append((arrow.span, link))
    return Redrawn(_edited(body, edits, line), frozenset(joined), cropped, widths)


def insert_nodes(
    body: str, drawing: Drawing, line: int, arrows: Iterable[tuple[str, str]], label: str
) -> tuple[str, list[str]]:
    """Put a node with this label on each of these arrows; returns the text and the ids. Shared arrows are left out."""
    shared = Counter(arrow.span for arrow in drawing.arrows)
    wanted, taken = set(arrows), set(drawing.nodes)
    edits, ids = [], []
    for arrow in drawing.arrows:
        if (arrow.source, arrow.target) in wanted and shared[arrow.span] == 1:
            ids.append(_new_id(f"{arrow.source}_{arrow.target}", taken))
            port = f"|{arrow.text}|" if arrow.text else ""
            edits.append((arrow.span, f"{_STROKES[arrow.stroke]} {ids[-1]}[{label}] {_link(arrow)}{port}"))
    return _edited(body, edits, line), ids


def _link(arrow: Arrow) -> str:
    return f"{f'{arrow.id}@' if arrow.id else ''}{_STROKES[arrow.stroke]}"


def _new_id(id: str, taken: set[str]) -> str:
    while id in taken:
        id += "_"
    taken.add(id)
    return id


def _edited(body: str, edits: Iterable[tuple[Span, str]], line: int) -> str:
    """Return the text with the links at these spans replaced, the last of each line first."""
    rows = body.split("\n")
    for span, text in sorted(edits, key=lambda edit: (edit[0].line, -edit[0].column)):
        row = rows[span.line - line]
        rows[span.line - line] = f"{row[: span.column - 1].rstrip()} {text} {row[span.end - 1 :].lstrip()}"
    return "\n".join(rows)


def _is_port(text: str, target: DrawnNode) -> bool:
    """Return whether a label names a port of its target, whatever that may be."""
    name = text.rpartition(":")[2].strip()
    operations = read_label(target.label or target.id).operations
    ops = [op_of(target) or "", *(op for each in operations for op in candidates(each, 2, images=False))]
    return any(port.name == name for op in ops if op in REGISTRY for port in REGISTRY[op].ports)


def _attention_ports(text: str, target: DrawnNode) -> str | None:
    """Return the port that Q, K and V enter, "" for the first; None for another label or another target."""
    words = re.findall(r"[a-z]+", text.lower())
    operations = read_label(target.label or target.id).operations
    is_attention = any("attention" in each.ops for each in operations)
    if not words or not is_attention or not all(word in _PORTS for word in words):
        return None
    return _PORTS[words[0]]


def _is_shape(text: str) -> bool:
    return bool(read_label(text).shape)
