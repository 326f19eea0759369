"""Convert a spec between its two equivalent syntaxes, YAML ⇄ Mermaid, without loss.

Both syntaxes are the same YAML text except for the drawing, which is either its `graph:` entry or the body below it. So
a spec is not rewritten from its `Document`: the text of the drawing moves, and every other character stays where it is,
with the comments and the order of the keys. Two things have no equivalent in the other syntax, and neither carries
meaning: the position of `graph:` among the keys (converted back, it stands where people write it, above `nodes`), and
the absence of a header, which Mermaid requires (it gets `flowchart`, which sets no direction).
"""

from __future__ import annotations

import json
import re

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.spec.document import Document
from stackc.spec.front_matter import FRONT_MATTER, MERMAID_KEYS
from stackc.spec.markdown import Syntax
from stackc.spec.mermaid.mermaid_reader import has_header
from stackc.spec.reader import parse
from stackc.spec.source import Source, checked_source
from stackc.spec.yaml.keys import read_keys
from stackc.spec.yaml.yaml_reader import parse_scalar

_BELOW_THE_DRAWING = ("nodes", "blocks", "outputs", "weights")
_NO_DIRECTION = "flowchart\n"


def convert_syntax(source: Source, syntax: Syntax) -> str:
    """Return the text of a spec in the given syntax, with a `name:` key, since the file's name may change.

    Parsing the result gives an equal `Document`. Raises SpecError as `parse` does, and S013 if the drawing is shared by
    a YAML anchor.
    """
    source = checked_source(source)
    document = parse(source)
    text = without_indent(source.text)

    if source.syntax == "yaml":
        converted = _with_name(text, document.name)
        converted = _to_mermaid(converted, document) if syntax == "mermaid" else converted
    else:
        front = FRONT_MATTER.match(text)
        assert front is not None, "a Mermaid spec that was parsed has front matter"
        keys, body = _with_name(front["keys"], document.name), text[front.end() :]
        converted = f"---\n{keys}---\n{body}" if syntax == "mermaid" else _to_yaml(keys, body)

    assert parse(Source(source.file, converted, syntax)) == document, "the converted spec means something else"
    return converted


def without_indent(text: str) -> str:
    """Remove the indent that a spec has inside of a list in Markdown: that of its first line besides comments."""
    text = text.lstrip("\n")
    first = re.search(r"^( *)(?![ #\n])", text, re.MULTILINE)
    indent = len(first[1]) if first else 0
    return re.sub(rf"^ {{1,{indent}}}", "", text, flags=re.MULTILINE) if indent else text


def _with_name(text: str, name: str) -> str:
    """Add a `name:` key to the YAML of a spec unless it has one."""
    keys = read_keys(text)
    if "name" in keys.entries:
        return text
    written = name if re.fullmatch(r"[^\W\d_][\w.-]*", name) and parse_scalar(name) == name else json.dumps(name)
    return keys.with_entry(f"name: {written}", below="stackc")


def _to_mermaid(text: str, document: Document) -> str:
    keys = read_keys(text)
    if keys.is_shared("graph"):
        first = next(iter(document.body.drawing.nodes.values()))
        message = "the drawing is shared by a YAML anchor, which a Mermaid spec cannot express"
        raise SpecError(Diagnostic("S013", message, first.span, "write the drawing out wherever it is used"))

    drawing = keys.entries["graph"].value.data
    assert isinstance(drawing, str), "the drawing of a spec that was parsed is text"
    header = "" if has_header(drawing) else _NO_DIRECTION
    return f"---\n{keys.without('graph')}---\n{header}{_without_blanks(drawing)}"


def _to_yaml(text: str, body: str) -> str:
    """Add the drawing to the YAML as a `graph: |` block, or as a quoted text if the keys are in braces."""
    keys = read_keys(_without_mermaid_keys(text))
    drawing = re.sub(rf"\A{_NO_DIRECTION}(?=\S)", "", _without_blanks(body))
    above = next((key for key in keys.entries if key in _BELOW_THE_DRAWING), None)
    if keys.is_braced:
        return keys.with_entry(f"graph: {json.dumps(drawing, ensure_ascii=False)}", above=above)
    return keys.with_entry("graph: |\n" + re.sub(r"^(?=.)", "  ", drawing, flags=re.MULTILINE)[:-1], above=above)


def _without_mermaid_keys(text: str) -> str:
    """Turn the keys that are Mermaid's own into comments. Raises SpecError S013 where they are not whole lines."""
    keys = read_keys(text)
    for key in keys.entries.keys() & set(MERMAID_KEYS):
        if keys.is_braced or "&" in (lines := keys.lines_of(key)):
            message = f"`{key}` is for Mermaid's picture, and cannot be taken out of this front matter"
            raise SpecError(Diagnostic("S013", message, keys.entries[key].key, "remove it"))
        keys = read_keys(keys.text.replace(lines, re.sub(r"^(?=.)", "# ", lines, flags=re.MULTILINE), 1))
    return keys.text


def _without_blanks(drawing: str) -> str:
    """Strip blank lines around a drawing. Spaces at the end stay, since those after a `%%` make it a comment."""
    return drawing.lstrip().rstrip("\n") + "\n"
