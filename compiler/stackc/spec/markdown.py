"""Specs in Markdown: fenced blocks of Mermaid and YAML that have `stackc:` among their keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stackc.diagnostics import Diagnostic, Note, Span, SpecError, near

Skin: TypeAlias = Literal["yaml", "mermaid"]

_SKINS: dict[str, Skin] = {"mermaid": "mermaid", "yaml": "yaml", "yml": "yaml"}
_FRONT_MATTER = re.compile(r"\s*+---[ \t]*\n")
_ABOVE_KEYS = re.compile(r"(?:[ \t]*+(?:#.*|---[ \t]*)?\n)*+")
_STACKC = re.compile(r"^[ \t{\"']*+stackc[\"']?[ \t]*:", re.MULTILINE)
_NAME = re.compile(r"^name[ \t]*:[ \t]+([\"']?)(?P<name>[\w-][\w.-]*)\1[ \t]*(?:#.*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Fenced:
    """A spec in a fenced block whose text begins at `line`; `name` is None where it says none on a line of its own.

    `text` is the whole file with everything around the spec blanked, so that each place in it is one in the file.
    """

    name: str | None
    line: int
    skin: Skin
    text: str


def find_spec(file: str, text: str, name: str | None) -> Fenced:
    """The spec called `name` in the Markdown `text` of `file`, or the only one. SpecError S009 where there is none."""
    specs = list(fenced_specs(text))
    if not specs:
        hint = "a spec in Markdown is a ```mermaid block with `stackc: 1` in its front matter, or a ```yaml block"
        raise SpecError(Diagnostic("S009", f"{file} has no spec in it", hint=hint))
    if name is None and len(specs) > 1:
        hint = f"write {file}#NAME; its specs are {_list(specs)}"
        raise SpecError(Diagnostic("S009", f"{file} has {len(specs)} specs: which one is meant?", hint=hint))
    found = specs if name is None else [spec for spec in specs if spec.name == name]
    if not found:
        guess = near(name or "", [spec.name for spec in specs if spec.name])
        close = guess if guess and guess.startswith("did you mean") else None
        raise SpecError(
            Diagnostic("S009", f"{file} has no spec called '{name}'", hint=close or f"it has {_list(specs)}")
        )
    if len(found) > 1:
        second, first = Span(file, found[1].line), Note("the first", Span(file, found[0].line))
        raise SpecError(Diagnostic("S009", f"{file} has two specs called '{name}'", second, None, (first,)))
    return found[0]


def _list(specs: list[Fenced]) -> str:
    return ", ".join(f"{spec.name or 'one without a name'} (line {spec.line})" for spec in specs)


def fenced_specs(text: str) -> Iterator[Fenced]:
    """The specs of a Markdown text, in order: in what CommonMark takes for a fenced block, in lists and quotes too."""
    from markdown_it import MarkdownIt  # importing it takes longer than checking a spec

    text = re.sub(r"\r\n?", "\n", text)
    lines = text.split("\n")
    for token in MarkdownIt("commonmark").disable("inline").parse(text):
        skin = _SKINS.get(next(iter(token.info.split()), "").lower()) if token.type == "fence" else None
        if skin and token.map and is_spec(token.content, skin):
            first = token.map[0] + 1
            indent = lines[token.map[0]].index(token.markup)
            name = _NAME.search(token.content)
            yield Fenced(name and name["name"], first + 1, skin, "\n" * first + _indented(token.content, indent))


def is_spec(text: str, skin: Skin) -> bool:
    """Whether a mermaid block has `stackc:` below the `---` that opens it, or a yaml block as its first key."""
    if skin == "mermaid":
        return bool(_FRONT_MATTER.match(text) and _STACKC.search(text))
    above = _ABOVE_KEYS.match(text)
    return bool(above and _STACKC.match(text, above.end()))


def _indented(text: str, indent: int) -> str:
    return re.sub(r"^(?=[^\n])", " " * indent, text, flags=re.MULTILINE)
