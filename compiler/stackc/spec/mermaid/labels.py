"""What a node is drawn as: a label in brackets, and properties in `@{…}`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NoReturn

from stackc.core.diagnostics import SpecError, character, did_you_mean
from stackc.spec.mermaid.shapes import BRACKETS, NAMES
from stackc.spec.mermaid.tokens import Tokenizer
from stackc.spec.yaml.tree import Scalar, Value
from stackc.spec.yaml.yaml_reader import read_yaml

_TEXT_RULES = {">": "ODD_TEXT", "[/": "SLANTED_TEXT", "[\\": "SLANTED_TEXT", "(-": "ELLIPSE_TEXT"}


_SHAPE = "for example `@{ shape: circle, label: text }`"


def read_bracketed(tokens: Tokenizer, statement: int) -> tuple[str, str]:
    """Bracketed = opening (text | quoted text | markdown text) closing: the shape and the label.

    `statement` is where the id before the bracket begins. Without quotes a text has no brackets, bars and quotes.
    """
    start = tokens.position
    bracket = tokens.read("BRACKET")
    assert bracket is not None, "a bracketed label begins with a bracket"
    opening = bracket[0]
    quoted = tokens.read("MARKDOWN") or tokens.read("QUOTED")
    text = quoted or tokens.read(_TEXT_RULES.get(opening, "TEXT"))
    assert text is not None, "a text may be empty"
    closing = next((closing for closing in BRACKETS[opening] if tokens.startswith(closing)), None)
    if closing is None:
        _unclosed(tokens, start, opening)
    tokens.position += len(closing)
    if not text["text"]:
        span = tokens.span(start, tokens.position)
        tokens.fail("S104", "an empty label", span, 'leave the brackets out, or write `" "`')
    if not quoted and "@" in text["text"]:
        _check_at(tokens, statement, start)
    return BRACKETS[opening][closing], clean(text["text"])


def clean(text: str) -> str:
    """A label or text as the drawing keeps it: without outer quotes and spaces, a quote in it as `#quot;`."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text.replace('"', "#quot;")


def _unclosed(tokens: Tokenizer, start: int, opening: str) -> NoReturn:
    """The text of a label has ended, and its closing bracket does not follow."""
    stop, resume = tokens.position, tokens.line_end(start)
    bracket = tokens.span(start, start + len(opening))
    closing = " or ".join(f"`{closing}`" for closing in BRACKETS[opening])
    if tokens.startswith('""'):
        tokens.fail("S104", "an empty label", bracket, 'leave the brackets out, or write `" "`', resume=resume)
    if tokens.startswith('"') and tokens.text.find('"', stop + 1) < 0:
        tokens.fail("S103", "a quote that is never closed", tokens.span(stop), "write the closing quote", resume=resume)
    if stop < resume:
        message = f"{character(tokens.text[stop])} cannot stand in this label"
        hint = (
            f'put the whole label in quotes, right inside the brackets: `{opening}"…"{next(iter(BRACKETS[opening]))}`'
        )
        if tokens.text[stop] in ")]}" or tokens.text[stop - 1] == '"':
            message, hint = f"'{opening}' is not closed by its {closing}", f"write {closing}, or the label in quotes"
        tokens.fail("S104", message, tokens.span(stop), hint, resume=resume)
    tokens.fail("S103", f"'{opening}' is never closed", bracket, f"write {closing} behind the label", resume=resume)


def _check_at(tokens: Tokenizer, statement: int, start: int) -> None:
    """Mermaid takes what stands before an `@` for the id of a link, back to the last space."""
    at = tokens.text.index("@", start)
    if not re.search(r"\s", tokens.text[statement:at]) and tokens.text[at + 1] not in '{"':
        message = "Mermaid reads what stands before '@' as the id of an arrow"
        tokens.fail("S104", message, tokens.span(at), "put the label in quotes", resume=tokens.line_end(start))


def read_properties(tokens: Tokenizer, id: str) -> tuple[str | None, str | None, str | None]:
    """Properties = "@{" yaml "}": the shape, the label, and a statement that says all the rest, if any."""
    start = tokens.position
    match = tokens.read("PROPERTIES")
    if not match:
        tokens.fail("S103", "'@{' is never closed", tokens.span(start, start + 2), "write `}`", resume=len(tokens.text))
    span = tokens.span(start, match.end())
    try:
        entries = _entries(match["yaml"], tokens.file)
    except SpecError as error:
        message = f"these properties cannot be read: {error.diagnostics[0].message}"
        tokens.fail("S112", message, span, _SHAPE)
    shape, label = entries.pop("shape", None), entries.pop("label", None)
    if shape is not None and shape not in NAMES:
        tokens.fail("S112", f"Mermaid knows no shape '{shape}'", span, did_you_mean(str(shape), NAMES) or _SHAPE)
    rest = ", ".join(
        f"{key}: {json.dumps(clean(value) if isinstance(value, str) else value, ensure_ascii=False)}"
        for key, value in entries.items()
    )
    written = None if label is None else clean(label if isinstance(label, str) else json.dumps(label))
    return None if shape is None else str(shape), written, f"{id}@{{ {rest} }}" if rest else None


def _entries(yaml: str, file: str) -> dict[str, Scalar]:
    """The properties by name. A line end in a quoted text is a line break; other line ends make it block YAML."""
    yaml = re.sub(r'"[^"]*"', lambda quoted: re.sub(r"\n\s*", "<br/>", quoted[0]), yaml)
    tree = read_yaml(yaml if "\n" in yaml else f"{{{yaml}}}", file=file)
    if not isinstance(tree.data, Mapping):
        return {}
    return {key: _scalar(entry.value) for key, entry in tree.data.items()}


def _scalar(value: Value) -> Scalar:
    return None if isinstance(value.data, Mapping | tuple) else value.data
