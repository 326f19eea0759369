"""Preprocess a diagram as Mermaid does before its grammar: remove comments and directives, requote HTML.

Removed text becomes spaces, so that every other character keeps its location.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from stackc.core.diagnostics import Diagnostic, Span
from stackc.spec.drawing import StyleLine

DRAWN = "# a drawing by `stackc show`, not a spec: what is edited here is drawn over"
"""The line that marks the front matter of a drawing by stackc, since a spec may have the same file suffix."""

_COMMENT = re.compile(r"^[^\S\n]*%%(?!\{)(?P<text>[^\n]+)$", re.MULTILINE)
_DIRECTIVE = re.compile(r"%%\{(?:[^}%]|\}(?!%%)|%(?!%\{))*+\}%%")
_TAG = re.compile(r"<\w[^<>]*+>")
# Mermaid reads a whole line as a direction if it contains these words anywhere.
_DIRECTION = re.compile(r"^(?P<before>[^\n]*?)direction\s++(?:TB|BT|RL|LR|TD)", re.MULTILINE)

SpanOf = Callable[[int, int], Span]
"""Gives the span of text[start:end]."""


@dataclass(frozen=True)
class PreprocessedMermaid:
    """The text for the grammar, with the comments and directives removed from it.

    `problems` are lines that Mermaid would read as a direction and otherwise ignore.
    """

    text: str
    comments: tuple[StyleLine, ...]
    directives: tuple[StyleLine, ...]
    problems: tuple[Diagnostic, ...]


def preprocess_mermaid(text: str, span_of: SpanOf) -> PreprocessedMermaid:
    """Remove comments and directives from a diagram, and requote its HTML tags."""
    comments = tuple(StyleLine(m["text"].strip(), span_of(*m.span("text"))) for m in _COMMENT.finditer(text))
    text = _blank(_COMMENT, text)
    directives = tuple(StyleLine(m[0], span_of(*m.span())) for m in _DIRECTIVE.finditer(text))
    text = _blank(_DIRECTIVE, text)

    # Mermaid turns double quotes in tags into single ones, so that they do not end a quoted label.
    text = _TAG.sub(lambda tag: tag[0].replace('"', "'"), text)

    problems = tuple(_ignored_line(span_of(*m.span())) for m in _DIRECTION.finditer(text) if m["before"].strip())
    return PreprocessedMermaid(text, comments, directives, problems)


def _blank(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _ignored_line(span: Span) -> Diagnostic:
    message = "Mermaid reads this whole line as the direction of a subgraph"
    return Diagnostic("S102", message, span, "separate 'direction' from the 'LR' (or the like) after it")
