"""The YAML between `---` lines at the top of a Mermaid file: keys of stackc, and keys that are Mermaid's own."""

from __future__ import annotations

import re
from typing import NoReturn

from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.spec.mermaid.mermaid_source import DRAWN
from stackc.spec.source import Source

# Mermaid requires that the line that closes the front matter has the indent of the line that opens it.
FRONT_MATTER = re.compile(
    r"\s*?^(?P<indent>[ \t]*)---[ \t]*\n(?P<keys>.*?)^(?P=indent)---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)

_KEY = re.compile(r"^([ \t]*)([^\s#][^:\n]*?)[ \t]*:", re.MULTILINE)
MERMAID_KEYS = ("title", "config", "displayMode")
"""Keys that Mermaid itself defines in the front matter of a diagram: for its picture, and nothing to stackc."""


def top_keys(front_matter: str) -> set[str]:
    """Return the keys of front matter that may be broken YAML: those that are indented as the first one."""
    keys: list[tuple[str, str]] = _KEY.findall(front_matter)
    return {key for indent, key in keys if indent == keys[0][0]}


def fail_without_front_matter(source: Source, match: re.Match[str] | None) -> NoReturn:
    """Raise SpecError S010: a picture by `stackc show`, front matter without end, without stackc's keys, or none."""
    if match and DRAWN in match["keys"]:
        span = Span(source.file, source.text[: match.start("keys")].count("\n") + 1)
        hint = "use the spec that it was drawn from; `stackc show SPEC --as mermaid` writes a spec as Mermaid"
        raise SpecError(Diagnostic("S010", "this is a drawing that `stackc show` wrote, not a spec", span, hint))

    opened = re.match(r"\s*---[ \t]*$", source.text, re.MULTILINE)
    span = Span(source.file, source.text[: opened.end()].count("\n") + 1 if opened else 1, 1, 4 if opened else 0)
    if opened and match is None:
        hint = "write `---` on its own line above the diagram"
        raise SpecError(Diagnostic("S010", "the front matter is never closed", span, hint))

    message = "the front matter has no keys of stackc" if match else "a Mermaid spec must begin with front matter"
    hint = f"`stackc init {source.file}` writes it into a new file and suggests an op for each node"
    raise SpecError(Diagnostic("S010", message, span, hint))
