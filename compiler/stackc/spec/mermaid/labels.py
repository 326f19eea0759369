"""Parse what follows the id of a node: a label in brackets, or properties in `@{…}`."""

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
_EMPTY = 'remove the brackets, or write `" "`'
_SHAPE = "for example `@{ shape: circle, label: text }`"


def read_bracketed(tokens: Tokenizer, statement: int) -> tuple[str, str]:
    """Bracketed = opening (text | quoted text | markdown text) closing. Returns the shape and the label.

    `statement` is the offset of the id before the bracket. An unquoted text has no brackets, bars and quotes.
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
        _fail_unclosed(tokens, start, opening)
    tokens.position += len(closing)

    if not text["text"]:
        span = tokens.span(start, tokens.position)
        tokens.fail("S104", "an empty label", span, _EMPTY)
    if not quoted and "@" in text["text"]:
        _check_at(tokens, statement, start)
    return BRACKETS[opening][closing], clean(text["text"])


def clean(text: str) -> str:
    """Normalize a label or text: strip spaces and outer quotes, and write quotes inside of it as `#quot;`."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text.replace('"', "#quot;")


def _fail_unclosed(tokens: Tokenizer, start: int, opening: str) -> NoReturn:
    """Report why the text of a label is not followed by its closing bracket."""
    stop, resume = tokens.position, tokens.line_end(start)
    bracket = tokens.span(start, start + len(opening))
    closing = " or ".join(f"`{closing}`" for closing in BRACKETS[opening])

    if tokens.startswith('""'):
        tokens.fail("S104", "an empty label", bracket, _EMPTY, resume=resume)
    if tokens.startswith('"') and tokens.text.find('"', stop + 1) < 0:
        tokens.fail("S103", "this quote is never closed", tokens.span(stop), "write the closing quote", resume=resume)

    if stop < resume:
        if tokens.text[stop] in ")]}" or tokens.text[stop - 1] == '"':
            message, hint = f"'{opening}' is not closed by its {closing}", f"write {closing}, or the label in quotes"
        else:
            message = f"{character(tokens.text[stop])} is not allowed in this label without quotes"
            quoted = f'{opening}"…"{next(iter(BRACKETS[opening]))}'
            hint = f"put the whole label in quotes inside the brackets: `{quoted}`"
        tokens.fail("S104", message, tokens.span(stop), hint, resume=resume)
    tokens.fail("S103", f"'{opening}' is never closed", bracket, f"write {closing} after the label", resume=resume)


def _check_at(tokens: Tokenizer, statement: int, start: int) -> None:
    """Report an `@` in a label: Mermaid takes the text before it, back to the last space, for the id of a link."""
    at = tokens.text.index("@", start)
    if not re.search(r"\s", tokens.text[statement:at]) and tokens.text[at + 1] not in '{"':
        message = "Mermaid reads the text before '@' as the id of an arrow"
        tokens.fail("S104", message, tokens.span(at), "put the label in quotes", resume=tokens.line_end(start))


def read_properties(tokens: Tokenizer, id: str) -> tuple[str | None, str | None, str | None]:
    """Properties = "@{" yaml "}". Returns the shape, the label, and a statement with all other properties."""
    start = tokens.position
    match = tokens.read("PROPERTIES")
    if not match:
        tokens.fail("S103", "'@{' is never closed", tokens.span(start, start + 2), "write `}`", resume=len(tokens.text))

    span = tokens.span(start, match.end())
    try:
        entries = _entries(match["yaml"], tokens.file)
    except SpecError as error:
        message = f"invalid properties: {error.diagnostics[0].message}"
        tokens.fail("S112", message, span, _SHAPE)

    shape, label = entries.pop("shape", None), entries.pop("label", None)
    if shape is not None and shape not in NAMES:
        tokens.fail("S112", f"Mermaid has no shape called '{shape}'", span, did_you_mean(str(shape), NAMES) or _SHAPE)
    label_text = None if label is None else clean(label if isinstance(label, str) else json.dumps(label))

    others = ", ".join(
        f"{key}: {json.dumps(clean(value) if isinstance(value, str) else value, ensure_ascii=False)}"
        for key, value in entries.items()
    )
    return None if shape is None else str(shape), label_text, f"{id}@{{ {others} }}" if others else None


def _entries(yaml: str, file: str) -> dict[str, Scalar]:
    """Return the properties by name. Line ends in a quoted text are line breaks; others make it block YAML."""
    yaml = re.sub(r'"[^"]*"', lambda quoted: re.sub(r"\n\s*", "<br/>", quoted[0]), yaml)
    tree = read_yaml(yaml if "\n" in yaml else f"{{{yaml}}}", file=file)
    if not isinstance(tree.data, Mapping):
        return {}
    return {key: _scalar(entry.value) for key, entry in tree.data.items()}


def _scalar(value: Value) -> Scalar:
    return None if isinstance(value.data, Mapping | tuple) else value.data
