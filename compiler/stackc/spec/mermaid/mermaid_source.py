"""What Mermaid does to a text before its grammar reads it: comments and directives are taken out, HTML is requoted.

Every character that stays keeps its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from stackc.core.diagnostics import Diagnostic, Span
from stackc.spec.drawing import StyleLine

DRAWN = "# a drawing by `stackc show`, not a spec: what is edited here is drawn over"
"""The line in the front matter of a drawing that tells it from a spec, whose name may end as its does."""

_COMMENT = re.compile(r"^[^\S\n]*%%(?!\{)(?P<text>[^\n]+)$", re.MULTILINE)
_DIRECTIVE = re.compile(r"%%\{(?:[^}%]|\}(?!%%)|%(?!%\{))*+\}%%")
_TAG = re.compile(r"<\w[^<>]*+>")
# A line with these words anywhere is a direction to Mermaid, whatever else stands on it.
_DIRECTION = re.compile(r"^(?P<before>[^\n]*?)direction\s++(?:TB|BT|RL|LR|TD)", re.MULTILINE)

Place = Callable[[int, int], Span]


@dataclass(frozen=True)
class MermaidText:
    """A text as the grammar gets it, with what was taken out of it and what Mermaid would swallow of it."""

    text: str
    comments: tuple[StyleLine, ...]
    directives: tuple[StyleLine, ...]
    swallowed: tuple[Diagnostic, ...]


def prepare_mermaid(text: str, place: Place) -> MermaidText:
    """Take comments and directives out of `text`; `place` gives the span of text[start:end]."""
    comments = tuple(StyleLine(m["text"].strip(), place(*m.span("text"))) for m in _COMMENT.finditer(text))
    text = _blank(_COMMENT, text)
    directives = tuple(StyleLine(m[0], place(*m.span())) for m in _DIRECTIVE.finditer(text))
    text = _TAG.sub(lambda tag: tag[0].replace('"', "'"), _blank(_DIRECTIVE, text))
    swallowed = tuple(_swallowed(place(*m.span())) for m in _DIRECTION.finditer(text) if m["before"].strip())
    return MermaidText(text, comments, directives, swallowed)


def _blank(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _swallowed(span: Span) -> Diagnostic:
    message = "Mermaid reads this whole line as the direction of a subgraph"
    return Diagnostic("S102", message, span, "write 'direction' and 'LR' or the like apart from each other")
