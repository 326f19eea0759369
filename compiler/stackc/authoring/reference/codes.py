"""The page of every diagnostic code: its meaning, an example, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_HEADING = re.compile(r"^## ([A-Z]\d{3}) (.+)$", re.MULTILINE)
_EXAMPLE = re.compile(
    r"^```(?P<syntax>yaml|mermaid) (?P<verdict>wrong|right)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A complete spec, in YAML or as a Mermaid file. `skin`, its syntax, is a JSON key of `stackc explain --json`."""

    skin: str
    text: str

    @property
    def file(self) -> str:
        """A file name from which the reader recognizes the syntax."""
        return "example.mmd" if self.skin == "mermaid" else "example.yaml"


@dataclass(frozen=True, slots=True)
class CodePage:
    """One code. `wrong` and `right` are both None if no spec can demonstrate it."""

    code: str
    title: str
    text: str
    wrong: Snippet | None
    right: Snippet | None


@cache
def code_pages() -> Mapping[str, CodePage]:
    """Return all pages by code, in the order of codes.md."""
    text = files("stackc.authoring.reference").joinpath("codes.md").read_text(encoding="utf-8")

    headings = [*_HEADING.finditer(text)]
    ends = [*(heading.start() for heading in headings[1:]), len(text)]

    pages = [_page(h[1], h[2], text[h.end() : end]) for h, end in zip(headings, ends, strict=True)]
    return MappingProxyType({page.code: page for page in pages})


def _page(code: str, title: str, body: str) -> CodePage:
    examples = {m["verdict"]: Snippet(m["syntax"], m["text"]) for m in _EXAMPLE.finditer(body)}
    prose = " ".join(_EXAMPLE.sub("", body).split())
    return CodePage(code, title, prose, examples.get("wrong"), examples.get("right"))
