"""Write a picture as a tree for a terminal: one line per box, in running order, the content of a cluster below it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING

from stackc.view.palette import colour_of, frame_of
from stackc.view.picture import Box, Part, Picture, PictureArrow, heading, walk

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree


def tree_of(picture: Picture) -> Tree:
    """Return the tree of a picture, to be printed by rich. A box shows its sources unless that is the line above."""
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text.assemble((picture.title, "bold"), (f"  {picture.subtitle}", "dim")), guide_style="dim")

    entering: dict[str, list[PictureArrow]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.target, []).append(arrow)
    titles = {part.id: heading(part).replace("\n", " ") for part in walk(picture.parts)}
    types = {arrow.source: arrow.type for arrow in reversed(picture.arrows) if arrow.type}
    _add_parts(tree, picture.parts, entering, types, titles)
    return tree


def _add_parts(
    tree: Tree,
    parts: tuple[Part, ...],
    entering: Mapping[str, list[PictureArrow]],
    types: Mapping[str, str],
    titles: Mapping[str, str],
) -> None:
    """Add a line for each part. `entering` has the arrows into each box, `types` the type of its value."""
    above = ""  # the box of the line above
    for part in parts:
        arrows = entering.get(part.id, [])
        follows = len(arrows) == 1 and arrows[0].source == above and not arrows[0].port
        names = [] if follows else [_source_name(arrow, titles) for arrow in arrows]
        branch = tree.add(_line(part, titles[part.id], types.get(part.id, ""), names))

        if isinstance(part, Box):
            above = part.id
        else:
            _add_parts(branch, part.parts, entering, types, titles)
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


def _source_name(arrow: PictureArrow, ids: Container[str]) -> str:
    """Return where an arrow comes from, after its number if it has one, and the port that it enters."""
    name = _relative_name(arrow.source, arrow.target, ids)
    name = f"{arrow.number}: {name}" if arrow.number else name
    return f"{name} as {arrow.port}" if arrow.port else name


def _relative_name(path: str, target: str, ids: Container[str]) -> str:
    """Return the name of a source as seen from the target: its path relative to the target's scope, or a name.

    A name refers to the nearest box with that name, from the inside out; a box farther out is shown with its path, or
    as `outer NAME`.
    """
    scope = "" if target.startswith("output ") else _scope(target)

    if path.startswith(scope):
        return path.removeprefix(scope)

    name = path.removeprefix(_scope(path))
    while scope and f"{scope}{name}" not in ids:
        scope = _scope(scope.removesuffix("."))
    return name if f"{scope}{name}" == path else path if "." in path else f"outer {name}"


def _scope(path: str) -> str:
    """Return the path without its last name, ending in a dot; an index belongs to the name before it."""
    names = path.split(".")
    count = 2 if len(names) > 1 and names[-1][:1].isdecimal() else 1
    return "".join(f"{name}." for name in names[:-count])
