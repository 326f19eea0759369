"""Write a picture as Graphviz DOT: the input of the layout, and of any Graphviz."""

from __future__ import annotations

import html
from collections.abc import Iterator

from stackc.view.palette import FAINT, LINE, colour_of, frame_of
from stackc.view.picture import Box, Cluster, Part, Picture, heading
from stackc.view.sizes import LABEL, SMALL, TITLE, box_size, header_size, label_size

_POINTS = 72  # per inch, the unit of node sizes in DOT


def write_dot(picture: Picture) -> str:
    """Return the DOT of a picture. Sizes are computed from the texts, so that no layout depends on installed fonts."""
    lines = [
        f"digraph {_quoted(picture.title)} {{",
        f"    graph [rankdir={picture.direction}, nodesep=0.3, ranksep=0.3, fontname=Helvetica]",
        f"    node [shape=box, fixedsize=true, fontname=Helvetica, fontsize={TITLE:g}]",
        f'    edge [color="{LINE}", fontcolor="{FAINT}", fontname=Helvetica, fontsize={LABEL:g}, arrowsize=0.7]',
        *(line for part in picture.parts for line in _part(part, 1)),
    ]

    trunks = _trunks(picture)
    for number, arrow in enumerate(picture.arrows):
        label = f", label={_table(html.escape(arrow.label), label_size(arrow.label))}" if arrow.label else ""
        weight = 8 if number in trunks else 1
        ends = f"{_quoted(arrow.source)} -> {_quoted(arrow.target)}"
        lines.append(f"    {ends} [id={number}, weight={weight}{label}]")

    return "\n".join([*lines, "}"]) + "\n"


def _trunks(picture: Picture) -> set[int]:
    """Return the arrows to draw straight: the first into each box, but none of several that meet in a merge."""
    merges = {box.id for box in picture.boxes() if box.family == "merge"}
    entering: dict[str, list[int]] = {}
    for number, arrow in enumerate(picture.arrows):
        if not arrow.around:
            entering.setdefault(arrow.target, []).append(number)
    return {numbers[0] for target, numbers in entering.items() if target not in merges or len(numbers) == 1}


def _part(part: Part, level: int) -> Iterator[str]:
    indent = "    " * level
    if isinstance(part, Box):
        yield f"{indent}{_quoted(part.id)} [{_box(part)}]"
        return

    frame = frame_of(part.family)
    yield f"{indent}subgraph {_quoted(f'cluster_{part.id}')} {{"
    yield f'{indent}    graph [style="rounded,filled", fillcolor="{frame.fill}", color="{frame.stroke}", margin=14,'
    yield f"{indent}        labeljust=l, label={_table(_rich(part), header_size(part))}]"
    for inner in part.parts:
        yield from _part(inner, level + 1)
    yield f"{indent}}}"


def _box(box: Box) -> str:
    colour, (width, height) = colour_of(box.family), box_size(box)
    shape = "circle" if width == height else "box"
    size = f"width={width / _POINTS:.4f}, height={height / _POINTS:.4f}"
    fill = f'style="rounded,filled", fillcolor="{colour.fill}", color="{colour.stroke}", fontcolor="{colour.text}"'
    return f"shape={shape}, {size}, {fill}, label=<{_rich(box)}>"


def _rich(part: Part) -> str:
    """Return an HTML-like label: the title in bold, the lines below it small."""
    left = '<BR ALIGN="LEFT"/>' if isinstance(part, Cluster) else "<BR/>"
    title = left.join(html.escape(line) for line in heading(part).split("\n"))
    if isinstance(part, Box) and part.form in ("port", "merge"):
        return f'<FONT POINT-SIZE="{SMALL:g}">{title}</FONT>'
    small = "".join(f'{left}<FONT POINT-SIZE="{SMALL:g}">{html.escape(line)}</FONT>' for line in part.lines)
    return f"<B>{title}</B>{small}{left if isinstance(part, Cluster) else ''}"


def _table(rich: str, size: tuple[float, float]) -> str:
    """Return an HTML-like label of at least this size."""
    room = f'WIDTH="{size[0]:.0f}" HEIGHT="{size[1]:.0f}"'
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"><TR><TD {room}>{rich}</TD></TR></TABLE>>'


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
