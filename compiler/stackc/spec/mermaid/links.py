"""Parse the links between nodes, with their stroke, id and text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from stackc.core.diagnostics import Collector, Span
from stackc.spec.mermaid.labels import clean
from stackc.spec.mermaid.tokens import Tokenizer

_STROKES = {"-": "normal", "=": "thick", ".": "dotted"}
INVISIBLE = "invisible"
LONGEST = 10


@dataclass(frozen=True, slots=True)
class Link:
    """A link; `stroke` is normal, thick, dotted or invisible, and `piped` says whether its text is in bars."""

    stroke: str
    length: int
    id: str | None
    text: str | None
    piped: bool
    span: Span


def read_link(tokens: Tokenizer, diagnostics: Collector) -> Link | None:
    """Link = [id "@"] (arrow ["|" text "|"] | opening text arrow). Returns None if no link follows.

    A text between opening and arrow must end on its line. Mermaid would read on, but that is most likely a mistake.
    """
    if match := tokens.read("LINK"):
        arrow, text, tail = match["arrow"], _piped_text(tokens), ""
        piped = text is not None
    elif (match := tokens.check("TEXT_LINK")) and match["tail"] == "<":
        _fail_backward(tokens, match)
    elif match := tokens.read("TEXT_LINK"):
        arrow, text = _inline_text(tokens, match)
        tail, piped = match["tail"], False
    else:
        return None

    span = tokens.span(match.end() - len(match[0].lstrip()), tokens.position)
    if not arrow.startswith("~"):
        _check_heads(tail + arrow, span, diagnostics)
    return Link(*_stroke_and_length(arrow), match["id"], _checked_text(text, span, diagnostics), piped, span)


def _fail_backward(tokens: Tokenizer, match: re.Match[str]) -> NoReturn:
    """Report `a <-- b`, which Mermaid reads as the beginning of an arrow that points both ways."""
    arrow = match["tail"] + match["opening"]
    message = f"'{arrow}' points backwards, but data flows from left to right"
    start = match.start("tail")
    hint = "reverse the arrow: `b --> a` for `a <-- b`"
    tokens.fail("S107", message, tokens.span(start, start + len(arrow)), hint, resume=tokens.line_end(start))


def _stroke_and_length(arrow: str) -> tuple[str, int]:
    """Return the stroke and the length of an arrow, as Mermaid counts it: `-->` and `-.->` have length 1."""
    if arrow.startswith("~"):
        return INVISIBLE, 1
    line = arrow.lstrip("<xo")
    dots = line.count(".")
    stroke = "." if dots else line[0]
    return _STROKES[stroke], min(dots or len(line) - 2, LONGEST)


def _check_heads(arrow: str, span: Span, diagnostics: Collector) -> None:
    if arrow[0] == "<" and arrow[-1] == ">":
        hint = "write `-->`, and a second arrow back"
        diagnostics.error("S107", f"data flows one way, but '{arrow}' points both ways", span, hint)
    elif arrow[-1] in "xo":
        hint = f"write `-->`; put a space before a text or node that begins with '{arrow[-1]}'"
        diagnostics.error("S107", f"data cannot follow '{arrow}': it ends in '{arrow[-1]}'", span, hint)
    elif arrow[-1] != ">":
        diagnostics.error("S107", f"data cannot follow '{arrow}': it has no arrowhead", span, "write `-->`")
    elif arrow[0] in "xo":
        hint = "write `-->`; put a space after a text that ends in this letter"
        diagnostics.error("S107", f"Mermaid reads the '{arrow[0]}' of '{arrow}' as a tail", span, hint)


def _piped_text(tokens: Tokenizer) -> str | None:
    """Piped text = "|" (text | quoted text) "|"."""
    after_arrow = tokens.position
    tokens.read("GAP")
    start = tokens.position
    if not tokens.startswith("|"):
        tokens.position = after_arrow
        return None

    tokens.position += 1
    match = tokens.read("MARKDOWN") or tokens.read("QUOTED") or tokens.read("TEXT")
    assert match is not None, "a text may be empty"
    if not tokens.startswith("|") or not match["text"]:
        span, resume = tokens.span(start, tokens.position), tokens.line_end(start)
        hint = 'write the text of an arrow as `|text|`, or in quotes if it has brackets: `|"text"|`'
        tokens.fail("S111", "invalid text of an arrow", span, hint, resume=resume)

    tokens.position += 1
    return match["text"]


def _inline_text(tokens: Tokenizer, opening: re.Match[str]) -> tuple[str, str]:
    """Inline text = opening (text | quoted text) arrow, with one stroke. Returns the arrow and the text."""
    kind = opening["opening"]
    quoted = tokens.read(f"QUOTED {kind}")
    match = quoted or tokens.read(f"TEXT {kind}")
    start = opening.start("opening")
    if not match or not match["text"].strip():
        span, resume = tokens.span(start, start + 2), tokens.line_end(start)
        hint = "write `-->`, or with a text `-- text -->` or `-->|text|`"
        message = f"'{kind}' begins the text of an arrow, but no arrow follows on this line"
        tokens.fail("S111", message, span, hint, resume=resume)

    text, arrow = match["text"], match["arrow"]
    if not quoted and kind == "-.":
        text = text.removesuffix("-")
    if not quoted and text[-1:] in ("x", "o", "<"):  # Mermaid reads `--info-->` as `inf`, with the tail `o`
        text, arrow = text[:-1], text[-1] + arrow
    return arrow, text


def _checked_text(text: str | None, span: Span, diagnostics: Collector) -> str | None:
    """Return the text of an arrow, which names one port or the ports at both ends; None if it is blank."""
    text = clean(text or "") or None
    if text and text.count(":") > 1:
        hint = "write `|in|`, or `|out:in|`"
        diagnostics.error("S111", f"the text '{text}' names more than two ports", span, hint)
    return text
