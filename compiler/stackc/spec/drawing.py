"""A drawing as data: the nodes, arrows and groups of a Mermaid flowchart, before nodes are resolved to ops.

Spans do not take part in equality: two drawings are equal if they have the same content. Labels and texts stay as
Mermaid writes them: entity codes (`#35;`) and `<br/>` are kept, a markdown string keeps its backticks, and a double
quote, which Mermaid cannot write in a label, is always `#quot;`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stackc.core.diagnostics import Span


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A node of the flowchart. `span` is its first mention; `label` is None if it has none.

    `shape` is Mermaid's name for the brackets (rect, round, stadium, …) or the name in `@{shape: …}`.
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
    `stroke` (normal, thick, dotted) and `length` only affect how it is drawn.
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
        """The port that the arrow leaves, or None if the text does not name it."""
        out, colon, _ = self._words.partition(":")
        return (out.strip() or None) if colon else None

    @property
    def into(self) -> str | None:
        """The port that the arrow enters, or None if the text does not name it."""
        return self._words.rpartition(":")[2].strip() or None

    @property
    def _words(self) -> str:
        """The text without the marks of Mermaid's Markdown: a port in bold is that port."""
        text = self.text or ""
        return text[1:-1].strip().strip("*_") if len(text) > 1 and text[0] == text[-1] == "`" else text


@dataclass(frozen=True, slots=True)
class Group:
    """A subgraph. `members` are the nodes and groups directly inside it; each is a member of at most one group."""

    id: str
    label: str | None = None
    members: tuple[str, ...] = ()
    direction: str | None = None
    span: Span = field(default=Span("", 0), compare=False)


@dataclass(frozen=True, slots=True)
class StyleLine:
    """A line that is kept but has no meaning to stackc: a comment (without `%%`), a class, a style, a directive."""

    text: str
    span: Span = field(default=Span("", 0), compare=False)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A whole flowchart: nodes in the order of first mention, arrows and groups in the order of the text."""

    direction: str | None = None
    nodes: Mapping[str, DrawnNode] = field(default_factory=dict)
    arrows: tuple[Arrow, ...] = ()
    groups: Mapping[str, Group] = field(default_factory=dict)
    styling: tuple[StyleLine, ...] = ()
    comments: tuple[StyleLine, ...] = ()
