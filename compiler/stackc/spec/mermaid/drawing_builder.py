"""Collect the nodes, arrows and groups of a flowchart while it is parsed, check them, and build the `Drawing`."""

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

# A keyword where Mermaid begins a token, as in `end-norm` or `模型end`.
_KEYWORD_AT_TOKEN = re.compile(rf"{TOKEN_START}({'|'.join(sorted(MERMAID_WORDS))})(?![A-Za-z0-9_])")

MOST_NODES = 40_000
MOST_ARROWS = 250_000
DEEPEST = 64


@dataclass(eq=False)
class OpenGroup:
    """A subgraph whose statements are being parsed. `mentioned` is an ordered set of the ids in them."""

    id: str | None
    label: str | None
    span: Span
    direction: str | None = None
    mentioned: dict[str, None] = field(default_factory=dict)
    members: tuple[str, ...] = ()


@dataclass
class DrawingBuilder:
    """Nodes, arrows and groups in the order of the text, with the diagnostics about them.

    `open` is the stack of subgraphs around the current statement and `groups` all of them; `owner` maps each member of
    a closed group to that group, `closed` counts these, and `arrow_ids` are the ids of links that properties may name.
    """

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
        """Whether there are so many problems that parsing further is pointless."""
        return len(self.diagnostics.diagnostics) >= MOST_PROBLEMS

    # -- nodes

    def mention(self, id: str, span: Span) -> None:
        """Add a node at its first mention, and note the mention in the innermost open group."""
        if id not in self.nodes:
            if len(self.nodes) == MOST_NODES:
                self.diagnostics.error("S113", f"a drawing has at most {MOST_NODES:,} nodes", span)
                self.diagnostics.raise_if_any()
            self._check_id(id, span)
            self.nodes[id] = DrawnNode(id, span=span)
        if self.open:
            self.open[-1].mentioned[id] = None

    def _check_id(self, id: str, span: Span) -> None:
        """Report S110 for an id that Mermaid reads differently, S008 for one that cannot be a node's name."""
        if "&" in id:
            message = f"Mermaid reads '{id}' as a single id"
            self.diagnostics.error("S110", message, span, "write several nodes with spaces between them: `A & B`")
            return

        # Mermaid's ids: ASCII, and letters of the basic multilingual plane.
        invalid = next((c for c in id if not (c.isascii() or (c.isalpha() and c <= "\uffff"))), None)
        if invalid is not None and (shown := lookalike(id)):
            self.diagnostics.error("S110", f"Mermaid cannot read {shown}", span, f"write `{in_ascii(id)}`")
        elif invalid is not None:
            hint = f"use it as the label: `node[{id}]`"
            self.diagnostics.error("S110", f"Mermaid cannot read {character(invalid)} in an id", span, hint)
        elif id not in MERMAID_WORDS and (keyword := _KEYWORD_AT_TOKEN.search(id)):
            message = f"Mermaid reads the keyword '{keyword[1]}' in the id '{id}'"
            proposal = f"{id[: keyword.end()]}_{id[keyword.end() :].removeprefix('-')}"
            self.diagnostics.error("S110", message, span, f"rename it to '{proposal}'")
        else:
            check_name(id, "a node", span, self.diagnostics)

    def describe(self, id: str, shape: str | None, label: str | None, span: Span) -> None:
        """Set the shape or the label of a node, or both. A later shape replaces the first; a label must not change."""
        node = self.nodes[id]
        if label is not None and node.label is not None and label != node.label:
            notes = [Note("the first label", node.label_span)] if node.label_span else []
            message = f"'{id}' has two labels, '{node.label}' and '{label}'"
            hint = "write the label once: Mermaid would draw the later one"
            self.diagnostics.error("S108", message, span, hint, *notes)

        is_first_label = label is not None and node.label is None
        label_span = span if is_first_label else node.label_span
        self.nodes[id] = DrawnNode(
            id, node.label if label is None else label, shape or node.shape, node.span, label_span
        )

    # -- arrows

    def connect(self, sources: list[str], link: Link, targets: list[str]) -> None:
        """Add an arrow from each source to each target; an invisible link is kept as a style line."""
        if len(self.arrows) + len(sources) * len(targets) > MOST_ARROWS:
            self.diagnostics.error("S113", f"a drawing has at most {MOST_ARROWS:,} arrows", link.span)
            return

        for source, target in product(sources, targets):
            if link.stroke == INVISIBLE:
                self.styling.append(StyleLine(f"{source} ~~~ {target}", link.span))
                continue

            # Mermaid gives the id of a link to one of its arrows: from the last source to the first target.
            has_id = source == sources[-1] and target == targets[0] and link.id not in self.arrow_ids
            id = link.id if has_id else None
            if id:
                self.arrow_ids.add(id)
            self.arrows.append(Arrow(source, target, link.text, id, link.stroke, link.length, link.span))

    # -- groups

    def open_group(self, group: OpenGroup) -> None:
        """Begin a subgraph: the following statements belong to it."""
        if group.id and group.id in self.group_spans:
            first = Note("the first", self.group_spans[group.id])
            self.diagnostics.error("S109", f"two subgraphs are called '{group.id}'", group.span, None, first)
        elif group.id:
            self.group_spans[group.id] = group.span
        self.open.append(group)
        self.groups.append(group)

    def close_group(self) -> None:
        """End the innermost group. As in Mermaid, a node belongs to the first group that ends after mentioning it."""
        group = self.open.pop()
        group.id = group.id or f"subGraph{self.closed}"
        self.closed += 1
        group.members = tuple(id for id in group.mentioned if id not in self.owner)
        self.owner.update(dict.fromkeys(group.members, group.id))
        if self.open:
            self.open[-1].mentioned[group.id] = None

    # -- the finished drawing

    def drawing(self, direction: str | None, comments: tuple[StyleLine, ...]) -> Drawing:
        """Return the finished drawing. Raises SpecError with every problem that was reported."""
        if not self.is_hopeless:
            for group in self.open:
                hint = "write `end` after its last line"
                self.diagnostics.error("S109", "this subgraph has no `end`", group.span, hint)
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
                    hint = "an arrow connects two nodes: name a node inside the subgraph"
                    self.diagnostics.error("S106", f"an arrow {preposition} the subgraph '{end}'", arrow.span, hint)
        if not self.diagnostics.diagnostics:
            self._check_nesting(groups)

    def _check_nesting(self, groups: dict[str, Group]) -> None:
        """Report the first group that is inside itself, or nested too deep."""
        for id, group in groups.items():
            ancestor, depth = self.owner.get(id), 1
            while ancestor and ancestor != id and depth < DEEPEST:
                ancestor, depth = self.owner.get(ancestor), depth + 1

            if ancestor == id:
                self.diagnostics.error("S109", f"the subgraph '{id}' is inside itself", group.span)
                break
            if ancestor:
                self.diagnostics.error("S113", f"subgraphs are nested deeper than {DEEPEST} levels", group.span)
                break
