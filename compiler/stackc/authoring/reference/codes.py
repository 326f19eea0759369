"""The page of every diagnostic code: what it means, an example, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_HEADING = re.compile(r"^## ([A-Z]\d{3}) (.+)$", re.MULTILINE)
_EXAMPLE = re.compile(
    r"^```(?P<skin>yaml|mermaid) (?P<verdict>wrong|right)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A whole spec, in YAML or as a Mermaid file."""

    skin: str
    text: str

    @property
    def file(self) -> str:
        """A name for it, from which the reader knows the skin."""
        return "example.mmd" if self.skin == "mermaid" else "example.yaml"


@dataclass(frozen=True, slots=True)
class CodePage:
    """One code. A spec cannot show all of them: `wrong` and `right` are there together or not at all."""

    code: str
    title: str
    text: str
    wrong: Snippet | None
    right: Snippet | None


@cache
def code_pages() -> Mapping[str, CodePage]:
    """All pages by code, in the order of reference/codes.md."""
    text = files("stackc.authoring.reference").joinpath("codes.md").read_text(encoding="utf-8")
    headings = [*_HEADING.finditer(text)]
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    pages = [_page(h[1], h[2], text[h.end() : end]) for h, end in zip(headings, ends, strict=True)]
    return MappingProxyType({page.code: page for page in pages})


def _page(code: str, title: str, body: str) -> CodePage:
    examples = {m["verdict"]: Snippet(m["skin"], m["text"]) for m in _EXAMPLE.finditer(body)}
    prose = " ".join(_EXAMPLE.sub("", body).split())
    return CodePage(code, title, prose, examples.get("wrong"), examples.get("right"))
