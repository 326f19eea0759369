"""What Mermaid's flowcharts are made of, as a table of regular expressions, and the reading of a text by them.

Every expression takes what it takes in one go (possessive repeats), so that no text, however odd, needs more time than
in proportion to its length.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NoReturn

from stackc.core.confusables import DASHES
from stackc.core.diagnostics import Diagnostic, Span
from stackc.spec.mermaid.shapes import BRACKETS

# Mermaid begins a new token at the start of an id, after digits there, and after every letter that is not ASCII;
# where a token begins, it looks for its own words and arrows first.
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
        # statements by their first word, unless a link follows it: then the word is meant as a node
        "HEADER": r"(?:graph|flowchart-elk|flowchart)(?!\w)"
        r"(?:[^\S\n]*+(?P<direction>(?:LR|RL|TB|BT|TD|BR|v)(?!\w)|[<>^]))?"
        r"(?:[^\S\n]*+(?:\n|\Z)|(?(direction);|(?!)))",
        "BROKEN_HEADER": rf"(?:graph|flowchart)(?!\w)(?!\s*+(?:{_LINK}|{_OPENING}|&))[^;\n]*+",
        "OTHER_DIAGRAM": rf"(?P<kind>{_OTHER_KINDS})(?![\w-])(?!\s*+(?:{_LINK}|{_OPENING}|&))",
        "ODD_HEADER": r"(?P<word>[\w-]++)[^\S\n]++(?:LR|RL|TB|BT|TD)[^\S\n]*+(?=[;\n]|\Z)",
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
        # what other languages write for an arrow
        "FOREIGN_ARROW": rf"<?[-={DASHES}]+[>＞]|[→⟶⇒]|[{DASHES}]+|--?(?!\S)",
        # what other languages write before a comment
        "FOREIGN_COMMENT": r"(?P<mark>#|//)[^\n]*+",
    }.items()
}


class SyntaxFault(Exception):
    """A statement that cannot be read further; reading goes on with the one after `resume`."""

    def __init__(self, diagnostic: Diagnostic, resume: int) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic, self.resume = diagnostic, resume


@dataclass
class Tokenizer:
    """A text read from left to right. `line` and `column` say where in `file` its first character stands.

    All lines of the text are indented by the same `column`.
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
        """What `rule` makes of the text from here on; the position stays."""
        return RULES[rule].match(self.text, self.position)

    def read(self, rule: str) -> re.Match[str] | None:
        """What `rule` makes of the text from here on; the position moves behind it."""
        match = RULES[rule].match(self.text, self.position)
        if match:
            self.position = match.end()
        return match

    def startswith(self, prefix: str) -> bool:
        """Whether the rest of the text begins with `prefix`."""
        return self.text.startswith(prefix, self.position)

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self.position >= len(self.text)

    def line_end(self, start: int) -> int:
        """Where the line of the character at `start` ends."""
        end = self.text.find("\n", start)
        return len(self.text) if end < 0 else end

    def span(self, start: int, end: int | None = None) -> Span:
        """The place of text[start:end], as far as it is on one line; of one character where there is no end."""
        row = bisect_right(self._starts, start) - 1
        stop = start + 1 if end is None else min(end, self.line_end(start)) if row + 1 < len(self._starts) else end
        offset = self.column - self._starts[row]
        return Span(self.file, self.line + row, start + offset, stop + offset)

    def fail(
        self, code: str, message: str, span: Span, hint: str | None = None, *, resume: int | None = None
    ) -> NoReturn:
        """End the statement with a problem, and go on behind it, or behind the one that `resume` is in."""
        raise SyntaxFault(Diagnostic(code, message, span, hint), self.position if resume is None else resume)

    def recover(self, resume: int) -> None:
        """Move to the end of the statement that `resume` is in."""
        self.position = resume
        self.read("REST_OF_STATEMENT")
