"""Mermaid's flowcharts → `Drawing`. The grammar stands in the docstrings of the functions, from the top down.

- S101 no header, or another diagram
- S102 cannot be read here
- S103 a bracket, quote or brace left open
- S104 a label that Mermaid cannot read
- S105 an arrow without source or target
- S106 an arrow to or from a subgraph
- S107 a link that no data can follow
- S108 two labels for one node
- S109 a subgraph without its id, its end or its place
- S110 an id that Mermaid reads as something else
- S111 the text of an arrow
- S112 properties in `@{…}`
- S113 more than stackc reads
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from stackc.core.confusables import in_ascii, lookalike
from stackc.core.diagnostics import Collector, SpecError, character, did_you_mean
from stackc.spec.drawing import Drawing, StyleLine
from stackc.spec.mermaid.drawing_builder import DrawingBuilder, OpenGroup
from stackc.spec.mermaid.labels import read_bracketed, read_properties
from stackc.spec.mermaid.links import Link, read_link
from stackc.spec.mermaid.mermaid_source import prepare_mermaid
from stackc.spec.mermaid.tokens import RULES, TOKEN_START, SyntaxFault, Tokenizer

_DIRECTIONS = {"TD": "TB", "<": "RL", ">": "LR", "^": "BT", "v": "TB"}
# An `x` or `o` that Mermaid takes for the tail of the arrow right behind it.
_TAIL = re.compile(rf"{TOKEN_START}[xo]$")
_TRAILING_END = re.compile(r"(?:^|[^A-Za-z0-9_-])[0-9]*end$")
_HINTS = {
    "&": "between two nodes stands ` & `, with spaces, or an arrow",
    '"': 'an id has no quotes; a label may have them: `a["label"]`',
}
_COMMENT = "a comment is `%% text`, on a line of its own"
_STATEMENTS = ("SUBGRAPH", "END", "DIRECTION", "STYLING", "ACCESSIBILITY")


def read_drawing(text: str, *, file: str, line: int = 1, column: int = 1, header: bool = True) -> Drawing:
    """The drawing of a diagram whose first character stands at `line` and `column` of `file`.

    `column` is the indent of an embedded block, the same for all of its lines. `header` says whether the diagram has
    to begin with `graph LR` or the like. Raises SpecError with every problem found, the first thousand at most: S101 to
    S113, and S008 for names.
    """
    source = prepare_mermaid(text, Tokenizer(text, file, line, column).span)
    sketch = DrawingBuilder(Collector([*source.swallowed]), styling=[*source.directives])
    reader = _Reader(Tokenizer(source.text, file, line, column), sketch)
    direction = reader.header(required=header)
    reader.statements()
    return sketch.drawing(direction, source.comments)


def has_header(text: str) -> bool:
    """Whether a drawing begins with `graph LR` or the like."""
    tokens = Tokenizer(prepare_mermaid(text, Tokenizer(text, "").span).text, "")
    tokens.read("BREAK")
    return tokens.check("HEADER") is not None


@dataclass
class _Reader:
    tokens: Tokenizer
    sketch: DrawingBuilder

    # -- the diagram

    def header(self, *, required: bool) -> str | None:
        """Header = ("graph" | "flowchart" | "flowchart-elk") [direction] (";" | newline)."""
        tokens = self.tokens
        tokens.read("BREAK")
        if match := tokens.read("HEADER"):
            return _DIRECTIONS.get(match["direction"], match["direction"])
        start = tokens.position
        if match := tokens.read("BROKEN_HEADER"):
            span = tokens.span(start, match.end())
            hint = "write `graph LR`, and the arrows below it"
            self.sketch.diagnostics.error("S101", "this header cannot be read", span, hint)
        elif required and (other := tokens.check("OTHER_DIAGRAM")):
            span = tokens.span(*other.span("kind"))
            hint = "draw the model as a flowchart: `graph LR`, and the arrows below it"
            self.sketch.diagnostics.error("S101", f"this is a diagram of another kind: {other['kind']}", span, hint)
            tokens.position = len(tokens.text)
        elif required and (odd := tokens.check("ODD_HEADER")):
            guess = did_you_mean(odd["word"], ("graph", "flowchart"))
            self.sketch.diagnostics.error("S101", "this header cannot be read", tokens.span(*odd.span("word")), guess)
            tokens.position = odd.end()
        elif required:
            span = tokens.span(start, tokens.line_end(start))
            hint = "write it above this line"
            self.sketch.diagnostics.error("S101", "a flowchart begins with `graph LR` or the like", span, hint)
            if tokens.check("LONE_WORD"):  # of a diagram that stackc has not heard of
                tokens.position = len(tokens.text)
        return None

    def statements(self) -> None:
        """Statements = (statement | ";" | newline)*."""
        self.tokens.read("BREAK")
        while not self.tokens.at_end and not self.sketch.is_hopeless:
            try:
                self._statement()
            except SyntaxFault as fault:
                self.sketch.diagnostics.extend(SpecError(fault.diagnostic))
                self.tokens.recover(fault.resume)
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
            self._keep(tokens.text[start : tokens.position].strip(), start)
        elif tokens.text[start] in "#/" and tokens.check("FOREIGN_COMMENT"):
            self._unreadable()
        else:
            self._chain()

    def _keep(self, text: str, start: int) -> None:
        self.sketch.styling.append(StyleLine(text, self.tokens.span(start, self.tokens.position)))

    def _link_properties(self) -> bool:
        """Link properties = link-id "@{" yaml "}": how a link is drawn."""
        match = self.tokens.check("LINK_PROPERTIES") if self.sketch.arrow_ids else None
        if match is None or match["id"] not in self.sketch.arrow_ids:
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
        name = "" if re.search(r"\s", title) else title.strip("`")
        label = None if name == title else title
        self.sketch.open_group(group := OpenGroup(name or None, label, span))
        if match and match.re is RULES["TITLE"] and _TRAILING_END.search(title):
            tokens.fail(
                "S110",
                "Mermaid reads a title that ends in 'end' on into the next line",
                span,
                "put the title in quotes",
            )
        if not match or (tokens.startswith("[") and not name):
            tokens.fail(
                "S109", "a subgraph needs an id of one word", span, "for example `subgraph encoder[The encoder]`"
            )
        if tokens.startswith("["):
            group.label = read_bracketed(tokens, start)[1]
        self._end_of_statement()

    def _end(self, start: int) -> None:
        """End = "end", which closes the innermost subgraph."""
        if not self.sketch.open:
            span = self.tokens.span(start, start + 3)
            self.tokens.fail("S109", "`end` without a subgraph", span, "`end` closes a subgraph; call a node `end_`")
        self.sketch.close_group()

    def _direction(self, match: re.Match[str], start: int) -> None:
        """Direction = "direction" ("LR" | "RL" | "TB" | "BT" | "TD"). Outside subgraphs Mermaid gives it no meaning."""
        direction = match["direction"]
        if match["rest"].strip("; \t"):
            span = self.tokens.span(match.start("rest"), match.end("rest"))
            self.tokens.fail(
                "S102", "Mermaid skips what follows a direction on its line", span, "write it on the next line"
            )
        if self.sketch.open:
            self.sketch.open[-1].direction = _DIRECTIONS.get(direction, direction)
        else:
            self._keep(f"direction {direction}", start)

    # -- chains

    def _chain(self) -> None:
        """Chain = nodes (link nodes)*."""
        if arrow := self.tokens.check("LINK"):
            hint = "write a node before it; one called 'o' or 'x' needs a space before its arrow"
            self.tokens.fail("S105", "an arrow without a source", self.tokens.span(*arrow.span("arrow")), hint)
        sources = self._nodes()
        while not self.sketch.is_hopeless and (link := read_link(self.tokens, self.sketch.diagnostics)):
            targets = self._targets(link)
            self.sketch.connect(sources, link, targets)
            sources = targets
        self._end_of_statement()

    def _targets(self, link: Link) -> list[str]:
        """Targets = nodes, on the next line at the latest, and on the same line after `|text|`."""
        tokens = self.tokens
        behind = tokens.position
        tokens.read("SPACE" if link.piped else "GAP")
        next_line = "\n" in tokens.text[behind : tokens.position]
        if not tokens.check("ID") or (next_line and any(map(tokens.check, _STATEMENTS))):
            tokens.fail("S105", "an arrow without a target", link.span, "write a node behind it", resume=behind)
        return self._nodes()

    def _nodes(self) -> list[str]:
        """Nodes = node (" & " node)*."""
        nodes = [self._node()]
        while joint := self.tokens.read("AND"):
            if not self.tokens.check("ID"):
                self.tokens.fail("S102", "a node is missing behind `&`", self.tokens.span(joint.end() - 2))
            nodes.append(self._node())
        return nodes

    def _node(self) -> str:
        """Node = id [bracketed label] [":::" class] ["@{" properties "}"]."""
        tokens, sketch = self.tokens, self.sketch
        start = tokens.position
        match = tokens.read("ID")
        if not match:
            self._unreadable()
        id, span = match[0], tokens.span(start, match.end())
        sketch.mention(id, span)
        if _TAIL.search(id) and tokens.check("GLUED_LINK"):
            sketch.diagnostics.error(
                "S110", f"Mermaid reads '{id[-1]}' as the tail of the arrow", span, "put a space before the arrow"
            )
        if tokens.check("BRACKET"):
            opening = tokens.position
            shape, label = read_bracketed(tokens, start)
            sketch.describe(id, shape, label, tokens.span(opening, tokens.position))
        if styled := tokens.read("CLASS"):
            self._keep(f"class {id} {styled['name']}", styled.start())
        if tokens.startswith("@{"):
            self._properties(id)
        return id

    def _properties(self, id: str) -> None:
        start = self.tokens.position
        shape, label, rest = read_properties(self.tokens, id)
        self.sketch.describe(id, shape, label, self.tokens.span(start, self.tokens.position))
        if rest:
            self._keep(rest, start)

    # -- what cannot be read

    def _end_of_statement(self) -> None:
        self.tokens.read("SPACE")
        if not self.tokens.at_end and self.tokens.text[self.tokens.position] not in ";\n":
            self._unreadable()

    def _unreadable(self) -> NoReturn:
        tokens = self.tokens
        start = tokens.position
        here = tokens.span(start)
        if tokens.at_end or tokens.text[start] == "\n":
            tokens.fail("S102", "a node is missing at the end of the line", here)
        if tokens.startswith("%%"):
            message = "a comment needs a line of its own, and a text"
            tokens.fail("S102", message, here, _COMMENT, resume=tokens.line_end(start))
        if match := tokens.check("FOREIGN_COMMENT"):
            span = tokens.span(*match.span("mark"))
            tokens.fail("S102", f"'{match['mark']}' begins no comment", span, _COMMENT, resume=tokens.line_end(start))
        if match := tokens.check("FOREIGN_ARROW"):
            tokens.fail("S102", f"'{match[0]}' is no arrow of Mermaid", tokens.span(start, match.end()), "write `-->`")
        if tokens.check("BRACKET") and tokens.text[start - 1 : start].isspace():
            message = "a label has to follow its node without a space"
            tokens.fail("S102", message, here, "write the bracket right behind the id", resume=tokens.line_end(start))
        if alike := lookalike(tokens.text[start]):
            tokens.fail("S102", f"cannot read {alike} here", here, f"write `{in_ascii(tokens.text[start])}`")
        between = "between two nodes stands an arrow, `a --> b`; a label has brackets, `a[label]`"
        if (match := tokens.check("ID")) and (tokens.text[start].isalnum() or tokens.text[start] == "_"):
            span = tokens.span(start, match.end())
            tokens.fail("S102", f"no arrow stands before '{match[0]}'", span, between)
        hint = _HINTS.get(tokens.text[start], between)
        tokens.fail("S102", f"cannot read {character(tokens.text[start])} here", here, hint)
