"""Parse Mermaid's flowcharts into a `Drawing`. The docstrings of the functions are the grammar, from the top down.

- S101 missing header, or another kind of diagram
- S102 unexpected text
- S103 unclosed bracket, quote or brace
- S104 label that Mermaid cannot read
- S105 arrow without source or target
- S106 arrow to or from a subgraph
- S107 link that data cannot follow
- S108 two labels for one node
- S109 subgraph without id or `end`, duplicate, or inside itself
- S110 id that Mermaid reads as something else
- S111 invalid text of an arrow
- S112 invalid properties in `@{…}`
- S113 drawing beyond the limits of stackc
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stackc.core.diagnostics import Collector, Span, SpecError, did_you_mean
from stackc.spec.characters import forbidden_character, forbidden_entity
from stackc.spec.drawing import Drawing, StyleLine
from stackc.spec.mermaid.drawing_builder import DrawingBuilder, OpenGroup
from stackc.spec.mermaid.labels import read_bracketed, read_properties
from stackc.spec.mermaid.links import Link, read_link
from stackc.spec.mermaid.mermaid_source import preprocess_mermaid
from stackc.spec.mermaid.tokens import RULES, TOKEN_START, MermaidSyntaxError, Tokenizer
from stackc.spec.mermaid.unreadable import fail_unreadable

_DIRECTIONS = {"TD": "TB", "<": "RL", ">": "LR", "^": "BT", "v": "TB"}
# An `x` or `o` that Mermaid reads as the tail of the arrow directly after it.
_TAIL = re.compile(rf"{TOKEN_START}[xo]$")
_TRAILING_END = re.compile(r"(?:^|[^A-Za-z0-9_-])[0-9]*end$")
_STATEMENTS = ("SUBGRAPH", "END", "DIRECTION", "STYLING", "ACCESSIBILITY")


def read_drawing(text: str, *, file: str, line: int = 1, column: int = 1, header: bool = True) -> Drawing:
    """Parse a diagram whose first character is at `line` and `column` of `file`.

    `column` is the indent of an embedded diagram, the same for all of its lines. With `header` it must begin with
    `graph LR` or the like. Raises SpecError with every problem, at most the first thousand: S101 to S113, S001 for an
    entity code of a control character, and S008 for names.
    """
    source = preprocess_mermaid(text, Tokenizer(text, file, line, column).span)
    tokens = Tokenizer(source.text, file, line, column)
    builder = DrawingBuilder(Collector([*source.problems]), styling=[*source.directives])
    if entity := forbidden_entity(source.text):
        character, code = entity
        builder.diagnostics.extend(SpecError(forbidden_character(character, tokens.span(*code.span()), code[0])))

    reader = _Reader(tokens, builder)
    direction = reader.header(required=header)
    reader.statements()
    return builder.drawing(direction, source.comments)


def has_header(text: str) -> bool:
    """Return whether a drawing begins with `graph LR` or the like."""
    tokens = Tokenizer(preprocess_mermaid(text, Tokenizer(text, "").span).text, "")
    tokens.read("BREAK")
    return tokens.check("HEADER") is not None


@dataclass
class _Reader:
    tokens: Tokenizer
    builder: DrawingBuilder

    # -- the diagram

    def header(self, *, required: bool) -> str | None:
        """Header = ("graph" | "flowchart" | "flowchart-elk") [direction] (";" | newline). Returns the direction."""
        tokens = self.tokens
        tokens.read("BREAK")
        if match := tokens.read("HEADER"):
            return _DIRECTIONS.get(match["direction"], match["direction"])

        start = tokens.position
        if match := tokens.read("BROKEN_HEADER"):
            hint = "write `graph LR`, then the arrows below it"
            self._header_error("invalid header of a flowchart", tokens.span(start, match.end()), hint)
        elif required:
            self._missing_header()
        return None

    def _missing_header(self) -> None:
        """Report what there is instead of the header, and skip the text if it is another kind of diagram."""
        tokens = self.tokens
        if other := tokens.check("OTHER_DIAGRAM"):
            hint = "draw the model as a flowchart: `graph LR`, then the arrows below it"
            self._header_error(f"unsupported kind of diagram: {other['kind']}", tokens.span(*other.span("kind")), hint)
            tokens.position = len(tokens.text)
        elif unknown := tokens.check("UNKNOWN_HEADER"):
            guess = did_you_mean(unknown["word"], ("graph", "flowchart"))
            self._header_error("invalid header of a flowchart", tokens.span(*unknown.span("word")), guess)
            tokens.position = unknown.end()
        else:
            span = tokens.span(tokens.position, tokens.line_end(tokens.position))
            self._header_error("missing header of the flowchart", span, "write `graph LR` or the like above this line")
            if tokens.check("LONE_WORD"):  # a kind of diagram that stackc does not know
                tokens.position = len(tokens.text)

    def _header_error(self, message: str, span: Span, hint: str | None) -> None:
        self.builder.diagnostics.error("S101", message, span, hint)

    def statements(self) -> None:
        """Statements = (statement | ";" | newline)*."""
        self.tokens.read("BREAK")
        while not self.tokens.at_end and not self.builder.is_hopeless:
            try:
                self._statement()
            except MermaidSyntaxError as error:
                self.builder.diagnostics.extend(SpecError(error.diagnostic))
                self.tokens.recover(error.resume)
            self.tokens.read("BREAK")

    def _statement(self) -> None:
        """Statement = subgraph | "end" | direction | styling | accessibility | link properties | chain."""
        tokens = self.tokens
        start = tokens.position
        if tokens.read("SUBGRAPH"):
            self._subgraph(start)
        elif tokens.read("END"):
            self._end(start)
        elif match := tokens.read("DIRECTION"):
            self._direction(match, start)
        elif tokens.read("STYLING") or tokens.read("ACCESSIBILITY") or self._link_properties():
            self._keep_style(tokens.text[start : tokens.position].strip(), start)
        elif tokens.text[start] in "#/" and tokens.check("FOREIGN_COMMENT"):
            fail_unreadable(tokens)
        else:
            self._chain()

    def _keep_style(self, text: str, start: int) -> None:
        self.builder.styling.append(StyleLine(text, self.tokens.span(start, self.tokens.position)))

    def _link_properties(self) -> bool:
        """Link properties = link-id "@{" yaml "}", which style a link. Returns whether they were read."""
        match = self.tokens.check("LINK_PROPERTIES") if self.builder.arrow_ids else None
        if match is None or match["id"] not in self.builder.arrow_ids:
            return False
        self.tokens.position = match.end()
        return True

    # -- subgraphs

    def _subgraph(self, start: int) -> None:
        """Subgraph = "subgraph" (id | title | id "[" label "]"), then its statements up to "end"."""
        tokens = self.tokens
        tokens.read("SPACE")
        match = tokens.read("MARKDOWN") or tokens.read("QUOTED") or tokens.read("TITLE")
        title = match["text"].strip() if match else ""
        span = tokens.span(start, tokens.position)

        # A title of one word is the id; one with spaces is a label, and Mermaid numbers the subgraph.
        id = "" if re.search(r"\s", title) else title.strip("`")
        group = OpenGroup(id or None, None if id == title else title, span)
        self.builder.open_group(group)  # before its errors, so that its `end` has a subgraph to close

        if match and match.re is RULES["TITLE"] and _TRAILING_END.search(title):
            message = "Mermaid continues a title that ends in 'end' on the next line"
            tokens.fail("S110", message, span, "put the title in quotes")
        if not match or (tokens.startswith("[") and not id):
            hint = "for example `subgraph encoder[The encoder]`"
            tokens.fail("S109", "a subgraph needs an id of one word", span, hint)

        if tokens.startswith("["):
            _, group.label = read_bracketed(tokens, start)
        self._end_of_statement()

    def _end(self, start: int) -> None:
        """End = "end", which closes the innermost subgraph."""
        if not self.builder.open:
            hint = "`end` closes a subgraph; call a node `end_` instead"
            self.tokens.fail("S109", "`end` without a subgraph", self.tokens.span(start, start + 3), hint)
        self.builder.close_group()

    def _direction(self, match: re.Match[str], start: int) -> None:
        """Direction = "direction" ("LR" | "RL" | "TB" | "BT" | "TD"). Outside of subgraphs it has no effect."""
        direction = match["direction"]
        if match["rest"].strip("; \t"):
            message = "Mermaid ignores text after a direction on the same line"
            self.tokens.fail("S102", message, self.tokens.span(*match.span("rest")), "write it on the next line")
        if self.builder.open:
            self.builder.open[-1].direction = _DIRECTIONS.get(direction, direction)
        else:
            self._keep_style(f"direction {direction}", start)

    # -- chains

    def _chain(self) -> None:
        """Chain = nodes (link nodes)*."""
        if arrow := self.tokens.check("LINK"):
            hint = "write a node before it; a node called 'o' or 'x' needs a space before its arrow"
            self.tokens.fail("S105", "this arrow has no source", self.tokens.span(*arrow.span("arrow")), hint)

        sources = self._nodes()
        while not self.builder.is_hopeless and (link := read_link(self.tokens, self.builder.diagnostics)):
            targets = self._targets(link)
            self.builder.connect(sources, link, targets)
            sources = targets
        self._end_of_statement()

    def _targets(self, link: Link) -> list[str]:
        """Targets = nodes, at the latest on the next line; after `|text|` on the same line."""
        tokens = self.tokens
        after_link = tokens.position
        tokens.read("SPACE" if link.piped else "GAP")
        is_next_line = "\n" in tokens.text[after_link : tokens.position]
        if not tokens.check("ID") or (is_next_line and any(map(tokens.check, _STATEMENTS))):
            tokens.fail("S105", "this arrow has no target", link.span, "write a node after it", resume=after_link)
        return self._nodes()

    def _nodes(self) -> list[str]:
        """Nodes = node (" & " node)*."""
        nodes = [self._node()]
        while separator := self.tokens.read("AND"):
            if not self.tokens.check("ID"):
                self.tokens.fail("S102", "missing node after `&`", self.tokens.span(separator.end() - 2))
            nodes.append(self._node())
        return nodes

    def _node(self) -> str:
        """Node = id [bracketed label] [":::" class] ["@{" properties "}"]. Returns the id."""
        tokens, builder = self.tokens, self.builder
        start = tokens.position
        match = tokens.read("ID")
        if not match:
            fail_unreadable(tokens)
        id, span = match[0], tokens.span(start, match.end())
        builder.mention(id, span)
        if _TAIL.search(id) and tokens.check("GLUED_LINK"):
            message = f"Mermaid reads '{id[-1]}' as the tail of the arrow"
            builder.diagnostics.error("S110", message, span, "put a space before the arrow")

        if tokens.check("BRACKET"):
            opening = tokens.position
            shape, label = read_bracketed(tokens, start)
            builder.describe(id, shape, label, tokens.span(opening, tokens.position))
        if style := tokens.read("CLASS"):
            self._keep_style(f"class {id} {style['name']}", style.start())
        if tokens.startswith("@{"):
            self._properties(id)
        return id

    def _properties(self, id: str) -> None:
        start = self.tokens.position
        shape, label, style = read_properties(self.tokens, id)
        self.builder.describe(id, shape, label, self.tokens.span(start, self.tokens.position))
        if style:
            self._keep_style(style, start)

    def _end_of_statement(self) -> None:
        self.tokens.read("SPACE")
        if not self.tokens.at_end and self.tokens.text[self.tokens.position] not in ";\n":
            fail_unreadable(self.tokens)
