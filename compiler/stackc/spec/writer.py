"""A spec in its other skin: YAML ⇄ Mermaid, without loss.

The two skins are one YAML text but for the drawing, which is its `graph:` entry or the body below it. So a spec is not
written anew from its `Document`: the text of the drawing moves, every other character stays where it is, and with it
the comments and the order of the keys. Two things have no room in the other skin, and neither says anything: the place
of `graph:` among the keys (coming back it stands where people write it, above `nodes`), and the absence of a header,
which Mermaid asks for (it gets `flowchart`, which gives no direction).
"""

from __future__ import annotations

import json
import re

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.spec.document import Document
from stackc.spec.markdown import Syntax
from stackc.spec.mermaid.mermaid_reader import has_header
from stackc.spec.reader import FRONT_MATTER, parse
from stackc.spec.source import Source, checked_source
from stackc.spec.yaml.keys import read_keys
from stackc.spec.yaml.yaml_reader import parse_scalar

_BELOW_THE_DRAWING = ("nodes", "blocks", "outputs", "weights")
_NO_DIRECTION = "flowchart\n"


def convert_syntax(source: Source, skin: Syntax) -> str:
    """The text of a spec in either skin, with its name in it, which the name of its file may have said so far.

    Read again it is an equal `Document`. Raises SpecError as `read` does, and S013 where the drawing has a YAML anchor.
    """
    source = checked_source(source)
    document = parse(source)
    text = without_indent(source.text)
    if source.skin == "yaml":
        written = _named(text, document.name)
        written = _to_mermaid(written, document) if skin == "mermaid" else written
    else:
        front = FRONT_MATTER.match(text)
        assert front is not None, "a Mermaid spec that was read has front matter"
        keys, body = _named(front["keys"], document.name), text[front.end() :]
        written = f"---\n{keys}---\n{body}" if skin == "mermaid" else _to_yaml(keys, body)
    assert parse(Source(source.file, written, skin)) == document, "the other skin says something else"
    return written


def without_indent(text: str) -> str:
    """The text of a spec from its own left edge on: in Markdown it may stand inside a list."""
    text = text.lstrip("\n")
    indent = len(text) - len(text.lstrip(" "))
    return re.sub(rf"^ {{1,{indent}}}", "", text, flags=re.MULTILINE) if indent else text


def _named(text: str, name: str) -> str:
    """The YAML of a spec with its name."""
    keys = read_keys(text)
    if "name" in keys.entries:
        return text
    written = name if re.fullmatch(r"[^\W\d_][\w.-]*", name) and parse_scalar(name) == name else json.dumps(name)
    return keys.with_entry(f"name: {written}", behind="stackc")


def _to_mermaid(text: str, document: Document) -> str:
    keys = read_keys(text)
    if keys.is_shared("graph"):
        first = next(iter(document.body.drawing.nodes.values()))
        message = "the drawing is shared by a YAML anchor, which no Mermaid spec can do"
        raise SpecError(Diagnostic("S013", message, first.span, "write the drawing out wherever it is meant"))
    drawing = keys.entries["graph"].value.data
    assert isinstance(drawing, str), "the drawing of a spec that was read is text"
    header = "" if has_header(drawing) else _NO_DIRECTION
    return f"---\n{keys.without('graph')}---\n{header}{_without_blanks(drawing)}"


def _to_yaml(text: str, body: str) -> str:
    """The YAML with a `graph:` entry, which is a `|` block, or a text in quotes where the keys stand in braces."""
    keys = read_keys(text)
    drawing = re.sub(rf"\A{_NO_DIRECTION}(?=\S)", "", _without_blanks(body))
    above = next((key for key in keys.entries if key in _BELOW_THE_DRAWING), None)
    if keys.is_braced:
        return keys.with_entry(f"graph: {json.dumps(drawing, ensure_ascii=False)}", above=above)
    return keys.with_entry("graph: |\n" + re.sub(r"^(?=.)", "  ", drawing, flags=re.MULTILINE)[:-1], above=above)


def _without_blanks(drawing: str) -> str:
    """A drawing from its first character to the end of its last line. Blanks behind a `%%` make it a comment."""
    return drawing.lstrip().rstrip("\n") + "\n"
