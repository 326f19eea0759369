"""A drawing as data: nodes, arrows and groups as Mermaid's flowcharts have them, before anyone asks what a node is.

Spans take no part in equality: two drawings are equal where they say the same thing. Labels and texts stay as Mermaid
writes them: entity codes (`#35;`) and `<br/>` are kept, a markdown string keeps its backticks, and a double quote,
which Mermaid cannot write in a label, is always `#quot;`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stackc.core.diagnostics import Span


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A node as drawn. `span` is its first mention; `label` is None where none was written.

    `shape` is Mermaid's name of the brackets (rect, round, stadium, …) or what `@{shape: …}` says.
    """

    id: str
    label: str | None = None
    shape: str = "rect"
    span: Span = field(default=Span("", 0), compare=False)
    label_span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Arrow:
    """One arrow between two nodes, in the direction of the data.

    A text `mask` names the port that the arrow enters (`into`), `out:in` the ports at both ends. `id` (`e1@-->`),
    `stroke` (normal, thick, dotted) and `length` are for the drawing alone.
    """

    source: str
    target: str
    text: str | None = None
    id: str | None = None
    stroke: str = "normal"
    length: int = 1
    span: Span = field(default=Span("", 0), compare=False)

    @property
    def out(self) -> str | None:
        """The port that the arrow leaves, where the text names it."""
        out, colon, _ = (self.text or "").partition(":")
        return (out.strip() or None) if colon else None

    @property
    def into(self) -> str | None:
        """The port that the arrow enters, where the text names it."""
        return (self.text or "").rpartition(":")[2].strip() or None


@dataclass(frozen=True, slots=True)
class Group:
    """A subgraph. `members` are the nodes and groups right inside it, each a member of one group at most."""

    id: str
    label: str | None = None
    members: tuple[str, ...] = ()
    direction: str | None = None
    span: Span = field(default=Span("", 0), compare=False)


@dataclass(frozen=True, slots=True)
class StyleLine:
    """A line that is kept and means nothing to stackc: a comment without its `%%`, a class, a style, a directive."""

    text: str
    span: Span = field(default=Span("", 0), compare=False)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A whole flowchart: nodes in the order of their first mention, arrows and groups in written order."""

    direction: str | None = None
    nodes: Mapping[str, DrawnNode] = field(default_factory=dict)
    arrows: tuple[Arrow, ...] = ()
    groups: Mapping[str, Group] = field(default_factory=dict)
    styling: tuple[StyleLine, ...] = ()
    comments: tuple[StyleLine, ...] = ()
