"""A drawing while it is read: which nodes, arrows and groups there are so far, and what may not be said of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product

from stackc.core.confusables import in_ascii, lookalike
from stackc.core.diagnostics import MOST_PROBLEMS, Collector, Note, Span, character
from stackc.spec.drawing import Arrow, Drawing, DrawnNode, Group, StyleLine
from stackc.spec.mermaid.links import INVISIBLE, Link
from stackc.spec.mermaid.tokens import TOKEN_START
from stackc.spec.names import MERMAID_WORDS, check_name

_RESERVED = re.compile(rf"{TOKEN_START}({'|'.join(sorted(MERMAID_WORDS))})(?![A-Za-z0-9_])")

MOST_NODES = 40_000
MOST_ARROWS = 250_000
DEEPEST = 64


@dataclass(eq=False)
class OpenGroup:
    """A subgraph whose statements are being read; `mentioned` are the ids in them, in order."""

    id: str | None
    label: str | None
    span: Span
    direction: str | None = None
    mentioned: dict[str, None] = field(default_factory=dict)
    members: tuple[str, ...] = ()


@dataclass
class DrawingBuilder:
    """Nodes, arrows and groups in the order in which they are read, and the problems found in them."""

    diagnostics: Collector = field(default_factory=Collector)
    nodes: dict[str, DrawnNode] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)
    arrow_ids: set[str] = field(default_factory=set)
    styling: list[StyleLine] = field(default_factory=list)
    open: list[OpenGroup] = field(default_factory=list)
    groups: list[OpenGroup] = field(default_factory=list)
    group_spans: dict[str, Span] = field(default_factory=dict)
    owner: dict[str, str] = field(default_factory=dict)
    closed: int = 0

    @property
    def is_hopeless(self) -> bool:
        """Whether there are so many problems that nobody would read more of them."""
        return len(self.diagnostics.diagnostics) >= MOST_PROBLEMS

    # -- nodes

    def mention(self, id: str, span: Span) -> None:
        """A node is named; the innermost open group has it among its own."""
        if id not in self.nodes:
            if len(self.nodes) == MOST_NODES:
                self.diagnostics.error("S113", f"a drawing has at most {MOST_NODES:,} nodes", span)
                self.diagnostics.raise_if_any()
            self._check_id(id, span)
            self.nodes[id] = DrawnNode(id, span=span)
        if self.open:
            self.open[-1].mentioned[id] = None

    def _check_id(self, id: str, span: Span) -> None:
        if "&" in id:
            self.diagnostics.error(
                "S110", f"'{id}' is one id to Mermaid", span, "several nodes have spaces between: `A & B`"
            )
        elif odd := [c for c in id if not (c.isascii() or (c.isalpha() and c <= "\uffff"))]:
            hint = "make it the label: `node[" + id + "]`"
            if alike := lookalike(id):
                self.diagnostics.error("S110", f"Mermaid cannot read {alike}", span, f"write `{in_ascii(id)}`")
                return
            self.diagnostics.error("S110", f"Mermaid cannot read {character(odd[0])} in an id", span, hint)
        elif id not in MERMAID_WORDS and (word := _RESERVED.search(id)):
            message = f"Mermaid reads the word '{word[1]}' in the id '{id}'"
            proposal = f"{id[: word.end()]}_{id[word.end() :].removeprefix('-')}"
            self.diagnostics.error("S110", message, span, f"call it '{proposal}'")
        else:
            check_name(id, "a node", span, self.diagnostics)

    def describe(self, id: str, shape: str | None, label: str | None, span: Span) -> None:
        """A node gets a shape, a label, or both. The later shape counts; a label may be repeated, not changed."""
        node = self.nodes[id]
        if label is not None and node.label is not None and label != node.label:
            notes = [Note("the first label", node.label_span)] if node.label_span else []
            message = f"'{id}' has two labels, '{node.label}' and '{label}'"
            self.diagnostics.error(
                "S108", message, span, "write the label once: Mermaid would draw the later one", *notes
            )
        placed = span if label is not None and node.label is None else node.label_span
        text = node.label if label is None else label
        self.nodes[id] = DrawnNode(id, text, shape or node.shape, node.span, placed)

    # -- arrows

    def connect(self, sources: list[str], link: Link, targets: list[str]) -> None:
        """Arrows from each source to each target. The id of the link goes to one of them, as Mermaid gives it."""
        if len(self.arrows) + len(sources) * len(targets) > MOST_ARROWS:
            self.diagnostics.error("S113", f"a drawing has at most {MOST_ARROWS:,} arrows", link.span)
            return
        for source, target in product(sources, targets):
            if link.stroke == INVISIBLE:
                self.styling.append(StyleLine(f"{source} ~~~ {target}", link.span))
                continue
            named = source == sources[-1] and target == targets[0] and link.id not in self.arrow_ids
            id = link.id if named else None
            self.arrow_ids |= {id} if id else set()
            self.arrows.append(Arrow(source, target, link.text, id, link.stroke, link.length, link.span))

    # -- groups

    def open_group(self, group: OpenGroup) -> None:
        """The statements that follow are those of `group`."""
        if group.id and group.id in self.group_spans:
            first = Note("the first", self.group_spans[group.id])
            self.diagnostics.error("S109", f"two subgraphs are called '{group.id}'", group.span, None, first)
        elif group.id:
            self.group_spans[group.id] = group.span
        self.open.append(group)
        self.groups.append(group)

    def close_group(self) -> None:
        """The innermost group ends. A node belongs to the first group that ends after naming it, as in Mermaid."""
        group = self.open.pop()
        group.id = group.id or f"subGraph{self.closed}"
        self.closed += 1
        group.members = tuple(id for id in group.mentioned if id not in self.owner)
        self.owner.update(dict.fromkeys(group.members, group.id))
        if self.open:
            self.open[-1].mentioned[group.id] = None

    # -- the whole

    def drawing(self, direction: str | None, comments: tuple[StyleLine, ...]) -> Drawing:
        """The finished drawing; SpecError with all that was found."""
        for group in [] if self.is_hopeless else self.open:
            self.diagnostics.error(
                "S109", "a subgraph without its `end`", group.span, "write `end` after its last line"
            )
        groups = {g.id: Group(g.id, g.label, g.members, g.direction, g.span) for g in self.groups if g.id}
        self._check_groups(groups)
        self.diagnostics.raise_if_any()
        nodes = {id: node for id, node in self.nodes.items() if id not in groups}
        styling = sorted(self.styling, key=lambda line: (line.span.line, line.span.column))
        return Drawing(direction, nodes, tuple(self.arrows), groups, tuple(styling), comments)

    def _check_groups(self, groups: dict[str, Group]) -> None:
        for arrow in self.arrows:
            for end, preposition in ((arrow.source, "from"), (arrow.target, "to")):
                if end in groups:
                    hint = "an arrow joins two nodes: name the node inside that it means"
                    self.diagnostics.error("S106", f"an arrow {preposition} the subgraph '{end}'", arrow.span, hint)
        if not self.diagnostics.diagnostics:
            self._check_nesting(groups)

    def _check_nesting(self, groups: dict[str, Group]) -> None:
        for id, group in groups.items():
            above, depth = self.owner.get(id), 1
            while above and above != id and depth < DEEPEST:
                above, depth = self.owner.get(above), depth + 1
            if above == id:
                self.diagnostics.error("S109", f"the subgraph '{id}' is inside itself", group.span)
                break
            if above:
                self.diagnostics.error("S113", f"subgraphs are more than {DEEPEST} deep inside each other", group.span)
                break
