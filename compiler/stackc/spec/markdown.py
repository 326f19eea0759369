"""Find specs and bare drawings in Markdown: a fenced block of YAML or Mermaid is a spec if it has a `stackc:` key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stackc.core.diagnostics import Diagnostic, Note, Span, SpecError, did_you_mean
from stackc.core.plurals import counted

Syntax: TypeAlias = Literal["yaml", "mermaid"]

_SYNTAXES: dict[str, Syntax] = {"mermaid": "mermaid", "yaml": "yaml", "yml": "yaml"}
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
    """A spec in a fenced block whose text begins at `line`; `name` is None if it has no line with its name.

    `text` is the whole file with everything around the spec blanked, so that locations in it are those in the file.
    """

    name: str | None
    line: int
    syntax: Syntax
    text: str


def find_spec(file: str, text: str, name: str | None) -> Fenced:
    """Return the spec called `name` in a Markdown text, or the only one. Raises SpecError S009 if there is none."""
    hint = "a spec in Markdown is a ```mermaid block with `stackc: 1` in its front matter, or a ```yaml block"
    return _choose(list(fenced_specs(text)), file, name, "spec", hint)


def find_drawing(file: str, text: str, name: str | None) -> Fenced:
    """Return the bare Mermaid flowchart called `name` in a Markdown text, or the only one.

    Its name is its title, or else the heading above it, turned into an anchor as GitHub does. Raises SpecError S009 if
    there is none.
    """
    hint = "a drawing in Markdown is a ```mermaid block that begins with `graph` or `flowchart`"
    return _choose(list(_fenced_drawings(text)), file, name and _anchor(name), "drawing", hint)


def _choose(blocks: list[Fenced], file: str, name: str | None, what: str, hint: str) -> Fenced:
    """Return the only block of this name. Raises SpecError S009 if there is none or several."""
    if not blocks:
        raise SpecError(Diagnostic("S009", f"{file} contains no {what}", hint=hint))
    if name is None and len(blocks) > 1:
        message = f"{file} contains {counted(len(blocks), what)}: choose one"
        raise SpecError(Diagnostic("S009", message, hint=f"write {file}#NAME; its {what}s are {_list(blocks)}"))

    matches = blocks if name is None else [block for block in blocks if block.name == name]
    if not matches:
        guess = did_you_mean(name or "", [block.name for block in blocks if block.name])
        close = guess if guess and guess.startswith("did you mean") else None
        message = f"{file} contains no {what} called '{name}'"
        raise SpecError(Diagnostic("S009", message, hint=close or f"it contains {_list(blocks)}"))
    if len(matches) > 1:
        second, first = Span(file, matches[1].line), Note("the first", Span(file, matches[0].line))
        raise SpecError(Diagnostic("S009", f"{file} contains two {what}s called '{name}'", second, None, (first,)))
    return matches[0]


def _list(blocks: list[Fenced]) -> str:
    return ", ".join(f"{block.name or 'one without a name'} (line {block.line})" for block in blocks)


def fenced_specs(text: str) -> Iterator[Fenced]:
    """Yield the specs of a Markdown text in order. A fenced block is one by CommonMark, in lists and quotes too."""
    for block in _fenced(text):
        if is_spec(block.content, block.syntax):
            name = _NAME.search(block.content)
            yield Fenced(name and name["name"], block.line, block.syntax, block.text)


def _fenced_drawings(text: str) -> Iterator[Fenced]:
    for block in _fenced(text):
        if block.syntax == "mermaid" and _FLOWCHART.match(block.content) and not is_spec(block.content, "mermaid"):
            title = _TITLE.search(block.content) if _FRONT_MATTER.match(block.content) else None
            name = _anchor(title["title"] if title else block.heading)
            yield Fenced(name or None, block.line, block.syntax, block.text)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w-]", "", heading.strip().lower().replace(" ", "-"))


@dataclass(frozen=True)
class _Block:
    """A fenced block of YAML or Mermaid; `text` is blanked around it, as in `Fenced`."""

    syntax: Syntax
    line: int
    content: str
    text: str
    heading: str


def _fenced(text: str) -> Iterator[_Block]:
    from markdown_it import MarkdownIt  # importing it takes longer than checking a spec

    text = re.sub(r"\r\n?", "\n", text)
    lines = text.split("\n")
    heading, is_heading = "", False
    for token in MarkdownIt("commonmark").disable("inline").parse(text):
        heading = token.content if is_heading and token.type == "inline" else heading
        is_heading = token.type == "heading_open"

        syntax = _SYNTAXES.get(next(iter(token.info.split()), "").lower()) if token.type == "fence" else None
        if syntax and token.map:
            first = token.map[0] + 1  # the line below the fence, counted from 0
            content = _indented(token.content, lines[token.map[0]].index(token.markup))
            yield _Block(syntax, first + 1, token.content, "\n" * first + content, heading)


def is_spec(text: str, syntax: Syntax) -> bool:
    """Return whether a Mermaid block has `stackc:` in its front matter, or a YAML block has it as its first key."""
    if syntax == "mermaid":
        return bool(_FRONT_MATTER.match(text) and _STACKC.search(text))
    above = _ABOVE_KEYS.match(text)
    return bool(above and _STACKC.match(text, above.end()))


def _indented(text: str, indent: int) -> str:
    return re.sub(r"^(?=[^\n])", " " * indent, text, flags=re.MULTILINE)
