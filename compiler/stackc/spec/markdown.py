"""Specs in Markdown, fenced blocks of Mermaid and YAML that have `stackc:` among their keys; and bare drawings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stackc.core.diagnostics import Diagnostic, Note, Span, SpecError, did_you_mean

Syntax: TypeAlias = Literal["yaml", "mermaid"]

_SKINS: dict[str, Syntax] = {"mermaid": "mermaid", "yaml": "yaml", "yml": "yaml"}
_FRONT_MATTER = re.compile(r"\s*+---[ \t]*\n")
_ABOVE_KEYS = re.compile(r"(?:[ \t]*+(?:#.*|---[ \t]*)?\n)*+")
_STACKC = re.compile(r"^[ \t{\"']*+stackc[\"']?[ \t]*:", re.MULTILINE)
_NAME = re.compile(r"^name[ \t]*:[ \t]+([\"']?)(?P<name>[\w-][\w.-]*)\1[ \t]*(?:#.*)?$", re.MULTILINE)

_TITLE = re.compile(r"^title[ \t]*:[ \t]*([\"']?)(?P<title>.+?)\1[ \t]*$", re.MULTILINE)
_FLOWCHART = re.compile(
    r"\s*+(?:---\n.*?^---[ \t]*\n)?(?:\s*+%%[^\n]*\n)*+\s*+(?:graph|flowchart)\b", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Fenced:
    """A spec in a fenced block whose text begins at `line`; `name` is None where it says none on a line of its own.

    `text` is the whole file with everything around the spec blanked, so that each place in it is one in the file.
    """

    name: str | None
    line: int
    skin: Syntax
    text: str


def find_spec(file: str, text: str, name: str | None) -> Fenced:
    """The spec called `name` in the Markdown `text` of `file`, or the only one. SpecError S009 where there is none."""
    hint = "a spec in Markdown is a ```mermaid block with `stackc: 1` in its front matter, or a ```yaml block"
    return _chosen(list(fenced_specs(text)), file, name, "spec", hint)


def find_drawing(file: str, text: str, name: str | None) -> Fenced:
    """The bare Mermaid flowchart called `name` in a Markdown text, or the only one. SpecError S009 where there is none.

    Its name is its title, or else the heading above it, as GitHub makes an anchor of it.
    """
    hint = "a drawing in Markdown is a ```mermaid block that begins with `graph` or `flowchart`"
    return _chosen(list(_fenced_drawings(text)), file, name and _anchor(name), "drawing", hint)


def _chosen(known: list[Fenced], file: str, name: str | None, what: str, hint: str) -> Fenced:
    if not known:
        raise SpecError(Diagnostic("S009", f"{file} has no {what} in it", hint=hint))
    if name is None and len(known) > 1:
        hint = f"write {file}#NAME; its {what}s are {_list(known)}"
        raise SpecError(Diagnostic("S009", f"{file} has {len(known)} {what}s: which one is meant?", hint=hint))
    found = known if name is None else [each for each in known if each.name == name]
    if not found:
        guess = did_you_mean(name or "", [each.name for each in known if each.name])
        close = guess if guess and guess.startswith("did you mean") else None
        message = f"{file} has no {what} called '{name}'"
        raise SpecError(Diagnostic("S009", message, hint=close or f"it has {_list(known)}"))
    if len(found) > 1:
        second, first = Span(file, found[1].line), Note("the first", Span(file, found[0].line))
        raise SpecError(Diagnostic("S009", f"{file} has two {what}s called '{name}'", second, None, (first,)))
    return found[0]


def _list(specs: list[Fenced]) -> str:
    return ", ".join(f"{spec.name or 'one without a name'} (line {spec.line})" for spec in specs)


def fenced_specs(text: str) -> Iterator[Fenced]:
    """The specs of a Markdown text, in order: in what CommonMark takes for a fenced block, in lists and quotes too."""
    for block in _fenced(text):
        if is_spec(block.content, block.skin):
            name = _NAME.search(block.content)
            yield Fenced(name and name["name"], block.line, block.skin, block.text)


def _fenced_drawings(text: str) -> Iterator[Fenced]:
    for block in _fenced(text):
        if block.skin == "mermaid" and _FLOWCHART.match(block.content) and not is_spec(block.content, "mermaid"):
            title = _TITLE.search(block.content) if _FRONT_MATTER.match(block.content) else None
            name = _anchor(title["title"] if title else block.heading)
            yield Fenced(name or None, block.line, block.skin, block.text)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w-]", "", heading.strip().lower().replace(" ", "-"))


@dataclass(frozen=True)
class _Block:
    """A fenced block of a language that specs may have: its content, and `text` as that of `Fenced`."""

    skin: Syntax
    line: int
    content: str
    text: str
    heading: str


def _fenced(text: str) -> Iterator[_Block]:
    from markdown_it import MarkdownIt  # importing it takes longer than checking a spec

    text = re.sub(r"\r\n?", "\n", text)
    lines, heading, is_heading = text.split("\n"), "", False
    for token in MarkdownIt("commonmark").disable("inline").parse(text):
        heading = token.content if is_heading and token.type == "inline" else heading
        is_heading = token.type == "heading_open"
        skin = _SKINS.get(next(iter(token.info.split()), "").lower()) if token.type == "fence" else None
        if skin and token.map:
            first = token.map[0] + 1
            indented = _indented(token.content, lines[token.map[0]].index(token.markup))
            yield _Block(skin, first + 1, token.content, "\n" * first + indented, heading)


def is_spec(text: str, skin: Syntax) -> bool:
    """Whether a mermaid block has `stackc:` below the `---` that opens it, or a yaml block as its first key."""
    if skin == "mermaid":
        return bool(_FRONT_MATTER.match(text) and _STACKC.search(text))
    above = _ABOVE_KEYS.match(text)
    return bool(above and _STACKC.match(text, above.end()))


def _indented(text: str, indent: int) -> str:
    return re.sub(r"^(?=[^\n])", " " * indent, text, flags=re.MULTILINE)
