"""The tokens of Mermaid's flowcharts as a table of regular expressions, and the tokenizer that applies them.

The expressions do not backtrack (their repeats are possessive), so that the time is linear in the length of any text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NoReturn

from stackc.core.confusables import DASHES
from stackc.core.diagnostics import Diagnostic, Span
from stackc.spec.mermaid.shapes import BRACKETS

# Mermaid begins a new token at the start of an id, after digits there, and after every letter that is not ASCII. At the
# start of a token it looks for its keywords and arrows first.
TOKEN_START = r"(?:^|(?<=[^\x00-\x7f]))[0-9]*"

_ARROW = r"[xo<]?(?:--+[-xo>]|==+[=xo>]|-?\.++-[xo>]?)"
_LINK = rf"(?:{_ARROW}|~~~+)"
_OPENING = r"(?:--|==|-\.)"
_BEFORE_LINK = r"(?:[^\S\n]++(?P<id>[\w-]++)@|\s*+)"
_WORD = r"(?:\w|-(?![->.]))++"
_BRACED = r'@\{(?P<yaml>[^}"^]*+(?:"[^"]*+"[^}"^]*+)*+)\}'

# The first words of Mermaid's other diagrams.
_OTHER_KINDS = (
    r"(?:sequence|class|state|er)Diagram(?:-v2)?|C4(?:Context|Container|Component|Dynamic|Deployment)|requirement(?:Diagram)?|"
    r"(?:block|packet|sankey|xychart|architecture|radar|treemap|ishikawa)(?:-beta)?|(?:\w+-)+beta|"
    r"gantt|pie|journey|gitGraph|mindmap|timeline|kanban|quadrantChart|zenuml|info"
)

RULES = {
    name: re.compile(rule)
    for name, rule in {
        # between statements
        "BREAK": r"[\s;]*+",
        "SPACE": r"[^\S\n]*+",
        "GAP": r"\s*+",
        "REST_OF_STATEMENT": r"[^;\n]*+",
        # statements by their keyword, unless a link follows it: then the word is a node
        "HEADER": r"(?:graph|flowchart-elk|flowchart)(?!\w)"
        r"(?:[^\S\n]*+(?P<direction>(?:LR|RL|TB|BT|TD|BR|v)(?!\w)|[<>^]))?"
        r"(?:[^\S\n]*+(?:\n|\Z)|(?(direction);|(?!)))",
        "BROKEN_HEADER": rf"(?:graph|flowchart)(?!\w)(?!\s*+(?:{_LINK}|{_OPENING}|&))[^;\n]*+",
        "OTHER_DIAGRAM": rf"(?P<kind>{_OTHER_KINDS})(?![\w-])(?!\s*+(?:{_LINK}|{_OPENING}|&))",
        "UNKNOWN_HEADER": r"(?P<word>[\w-]++)[^\S\n]++(?:LR|RL|TB|BT|TD)[^\S\n]*+(?=[;\n]|\Z)",
        "LONE_WORD": r"[\w-]++[^\S\n]*+(?:\n|\Z)",
        "SUBGRAPH": rf"subgraph(?![\w-])(?!\s*+(?:{_LINK}|{_OPENING}|&))",
        "END": rf"end(?![\w-])(?!\s*+(?:{_LINK}|{_OPENING}|&))",
        "DIRECTION": r"direction[^\S\n]++(?P<direction>LR|RL|TB|BT|TD)(?!\w)(?P<rest>[^\n]*+)",
        "STYLING": rf"(?:classDef|class|style|linkStyle|click)[^\S\n]++(?!{_LINK}|{_OPENING}|&)"
        r'(?:[^";\n]++|"[^"\n]*+"|")++',
        "ACCESSIBILITY": r"(?:accTitle\s*+:|accDescr\s*+:)[^\n]*+|accDescr\s*+\{[^}]*+\}",
        "TITLE": r"(?P<text>(?:\w|[^\S\n]|[!#$%&'*+.`?\\/:-])++)",
        # nodes
        "ID": rf"(?!%%)(?:\w|[^\x00-\x7f\s→⟶⇒＞{DASHES}]|[!#$%&'*+.`?\\/,]|:(?!::)|-(?![->.])|=(?!=))++",
        "AND": r"[^\S\n]++&[^\S\n]++",
        "CLASS": rf":::(?P<name>{_WORD})",
        "PROPERTIES": _BRACED,
        "LINK_PROPERTIES": rf"(?P<id>{_WORD}){_BRACED}",
        # labels
        "BRACKET": "|".join(map(re.escape, BRACKETS)),
        "MARKDOWN": r'"(?P<text>`[^`"]*+`)"',
        "QUOTED": r'"(?P<text>[^"]++)"',
        "TEXT": r'(?P<text>(?:(?!\s*+~~~)[^][(){}|"]++)?)',
        "ODD_TEXT": r'(?P<text>[^][(){}|"\n]*+)',
        "SLANTED_TEXT": r"(?P<text>(?:[^][(){}\\/]|[\\/](?!\]))*+)",
        "ELLIPSE_TEXT": r'(?P<text>(?:[^][(){}"-]|-(?!\)))*+)',
        # links
        "LINK": rf"{_BEFORE_LINK}(?P<arrow>{_LINK})",
        "TEXT_LINK": rf"{_BEFORE_LINK}(?P<tail>[xo<]?)(?P<opening>{_OPENING})[^\S\n]*+",
        "GLUED_LINK": rf"{_LINK}|{_OPENING}",
        "QUOTED --": r'"(?P<text>[^"]++)"\s*+(?P<arrow>[xo<]?--+[-xo>])',
        "QUOTED ==": r'"(?P<text>[^"]++)"\s*+(?P<arrow>[xo<]?==+[=xo>])',
        "QUOTED -.": r'"(?P<text>[^"]++)"\s*+(?P<arrow>[xo<]?-?\.++-[xo>]?)',
        "TEXT --": r'(?P<text>(?:[^-"\n]|-(?!-))*+)(?P<arrow>--+[-xo>])',
        "TEXT ==": r'(?P<text>[^="\n]*+)(?P<arrow>==+[=xo>])',
        "TEXT -.": r'(?P<text>[^."\n]*+)(?P<arrow>\.++-[xo>]?)',
        # arrows of other languages
        "FOREIGN_ARROW": rf"<?[-={DASHES}]+[>＞]|[→⟶⇒]|[{DASHES}]+|--?(?!\S)",
        # comments of other languages
        "FOREIGN_COMMENT": r"(?P<mark>#|//)[^\n]*+",
    }.items()
}


class MermaidSyntaxError(Exception):
    """An error that ends a statement. Parsing resumes after the statement that contains the offset `resume`."""

    def __init__(self, diagnostic: Diagnostic, resume: int) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic, self.resume = diagnostic, resume


@dataclass
class Tokenizer:
    """A text that is read from left to right. Its first character is at `line` and `column` of `file`.

    Every line of the text begins at this `column`, since embedded diagrams are indented.
    """

    text: str
    file: str
    line: int = 1
    column: int = 1
    position: int = 0
    _starts: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", self.text))]

    def check(self, rule: str) -> re.Match[str] | None:
        """Match `rule` at the current position without moving it."""
        return RULES[rule].match(self.text, self.position)

    def read(self, rule: str) -> re.Match[str] | None:
        """Match `rule` at the current position, and move past the match."""
        match = RULES[rule].match(self.text, self.position)
        if match:
            self.position = match.end()
        return match

    def startswith(self, prefix: str) -> bool:
        """Return whether the rest of the text begins with `prefix`."""
        return self.text.startswith(prefix, self.position)

    @property
    def at_end(self) -> bool:
        """Whether the whole text has been read."""
        return self.position >= len(self.text)

    def line_end(self, start: int) -> int:
        """Return the offset at which the line of the character at `start` ends."""
        end = self.text.find("\n", start)
        return len(self.text) if end < 0 else end

    def span(self, start: int, end: int | None = None) -> Span:
        """Return the span of text[start:end] up to the end of its first line; one character long without `end`."""
        row = bisect_right(self._starts, start) - 1
        end = start + 1 if end is None else end
        is_last_row = row + 1 == len(self._starts)
        stop = end if is_last_row else min(end, self.line_end(start))
        offset = self.column - self._starts[row]
        return Span(self.file, self.line + row, start + offset, stop + offset)

    def fail(
        self, code: str, message: str, span: Span, hint: str | None = None, *, resume: int | None = None
    ) -> NoReturn:
        """End the statement with an error; resume after it, or after the statement that contains `resume`."""
        raise MermaidSyntaxError(Diagnostic(code, message, span, hint), self.position if resume is None else resume)

    def recover(self, resume: int) -> None:
        """Move to the end of the statement that contains the offset `resume`."""
        self.position = resume
        self.read("REST_OF_STATEMENT")
