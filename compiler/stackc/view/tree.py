"""A picture as a tree for a terminal: a line a box, in running order, what is opened below it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING

from stackc.view.palette import colour_of, frame_of
from stackc.view.picture import Box, Part, Picture, heading, walk

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree


def tree_of(picture: Picture) -> Tree:
    """The tree of a picture, to be printed by rich. Where a value comes from is told unless it is the line above."""
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text.assemble((picture.title, "bold"), (f"  {picture.subtitle}", "dim")), guide_style="dim")
    entering: dict[str, list[str]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.target, []).append(arrow.source + (f" as {arrow.port}" if arrow.port else ""))
    titles = {part.id: heading(part).replace("\n", " ") for part in walk(picture.parts)}
    leaving = {arrow.source: arrow.type for arrow in reversed(picture.arrows) if arrow.type}
    _grow(tree, picture.parts, entering, leaving, titles)
    return tree


def _grow(
    tree: Tree,
    parts: tuple[Part, ...],
    entering: Mapping[str, list[str]],
    leaving: Mapping[str, str],
    titles: Mapping[str, str],
) -> None:
    above = ""
    for part in parts:
        sources = entering.get(part.id, [])
        told = [_name(source, part.id, titles) for source in sources] if sources != [above] else []
        branch = tree.add(_line(part, titles[part.id], leaving.get(part.id, ""), told))
        if isinstance(part, Box):
            above = part.id
        else:
            _grow(branch, part.parts, entering, leaving, titles)
            above = next((box.id for box in reversed(list(walk(part.parts))) if isinstance(box, Box)), "")


def _line(part: Part, title: str, type_: str, sources: list[str]) -> Text:
    from rich.text import Text

    colour = colour_of(part.family).stroke if isinstance(part, Box) else frame_of(part.family).stroke
    line = Text.assemble(("● " if isinstance(part, Box) else "▼ ", colour), (title, "bold"))
    line.append("".join(f"  {text}" for text in (" · ".join(part.lines),) if text))
    if type_:
        line.append(f"  → {type_}", "cyan")
    if sources:
        line.append(f"  ← {', '.join(sources)}", "dim")
    return line


def _name(source: str, target: str, known: Container[str]) -> str:
    """A source as it reads at the target: its path from there on, or the name that means it there.

    A name means the nearest box that is called so, from the inside out; one farther out is told by its path, or as the
    outer one.
    """
    path, _, port = source.partition(" as ")
    scope = "" if target.startswith("output ") else _scope(target)
    if path.startswith(scope):
        short = path.removeprefix(scope)
    else:
        name = path.removeprefix(_scope(path))
        while scope and f"{scope}{name}" not in known:
            scope = _scope(scope.removesuffix("."))
        short = name if f"{scope}{name}" == path else path if "." in path else f"outer {name}"
    return f"{short} as {port}" if port else short


def _scope(path: str) -> str:
    """What stands before the last name of a path, its dot included; an index goes with the name before it."""
    names = path.split(".")
    count = 2 if len(names) > 1 and names[-1][:1].isdecimal() else 1
    return "".join(f"{name}." for name in names[:-count])
