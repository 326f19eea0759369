"""Explain why no rule of the grammar matches at a position: S102 with the most likely mistake."""

from __future__ import annotations

from typing import NoReturn

from stackc.core.confusables import in_ascii, lookalike
from stackc.core.diagnostics import character
from stackc.spec.mermaid.tokens import Tokenizer

_COMMENT = "write a comment as `%% text`, on its own line"
_BETWEEN_NODES = "connect two nodes with an arrow, `a --> b`, and write a label in brackets, `a[label]`"
_HINTS = {
    "&": "write ` & ` with spaces between two nodes, or an arrow",
    '"': 'an id has no quotes; a label may have them: `a["label"]`',
}


def fail_unreadable(tokens: Tokenizer) -> NoReturn:
    """End the statement at the current position, where a node or the end of the statement is expected."""
    start = tokens.position
    here = tokens.span(start)
    if tokens.at_end or tokens.text[start] == "\n":
        tokens.fail("S102", "missing node at the end of the line", here)

    _fail_at_comment(tokens)
    if match := tokens.check("FOREIGN_ARROW"):
        message = f"'{match[0]}' is not an arrow in Mermaid"
        tokens.fail("S102", message, tokens.span(start, match.end()), "write `-->`")
    if tokens.check("BRACKET") and tokens.text[start - 1 : start].isspace():
        message = "unexpected space between a node and its label"
        hint = "write the bracket directly after the id"
        tokens.fail("S102", message, here, hint, resume=tokens.line_end(start))
    if shown := lookalike(tokens.text[start]):
        tokens.fail("S102", f"unexpected {shown}", here, f"write `{in_ascii(tokens.text[start])}`")

    if (match := tokens.check("ID")) and (tokens.text[start].isalnum() or tokens.text[start] == "_"):
        span = tokens.span(start, match.end())
        tokens.fail("S102", f"missing arrow before '{match[0]}'", span, _BETWEEN_NODES)
    hint = _HINTS.get(tokens.text[start], _BETWEEN_NODES)
    tokens.fail("S102", f"unexpected {character(tokens.text[start])}", here, hint)


def _fail_at_comment(tokens: Tokenizer) -> None:
    start = tokens.position
    resume = tokens.line_end(start)
    if tokens.startswith("%%"):
        message = "a comment must have its own line, and a text"
        tokens.fail("S102", message, tokens.span(start), _COMMENT, resume=resume)
    if match := tokens.check("FOREIGN_COMMENT"):
        span = tokens.span(*match.span("mark"))
        tokens.fail("S102", f"'{match['mark']}' does not begin a comment", span, _COMMENT, resume=resume)
