"""Typed graph → picture: which blocks and stacks are open, and at which box every arrow begins and ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stackc.components.base import Component
from stackc.ir.model import Node, Operand, Region, ValueRef
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.spec.document import Document
from stackc.spec.drawing import Drawing, Group
from stackc.typecheck.cost import Cost, cost_of
from stackc.view.around import mark_around
from stackc.view.captions import arrow_between, cost_lines, cost_of_copies, lines_of, plain_label, title_of
from stackc.view.figures import type_text
from stackc.view.folding import Run, fold_repeats, opens
from stackc.view.picture import Box, Cluster, Part, Picture, PictureArrow

SYMBOLS = {"add": "+", "mul": "×", "concat": "‖", "mean": "mean", "weighted": "Σ"}
"""What stands in the small circle of a merge that no one drew."""

Ends = dict[ValueRef, str]
"""The box at which each value of a region begins."""


def compose(typed: TypedGraph, depth: int = 1) -> Picture:
    """The picture of a checked spec. `depth` 1 leaves all blocks and stacks closed, each further level opens one more.

    A stack of equal members is one level with its member, and drawn as one of them. A stack of equal components
    stays a box.
    """
    document = typed.graph.document
    composer = _Composer(document, cost_of(typed.root))
    parts = composer.whole(typed.root, depth)
    subtitle = " · ".join(cost_lines(composer.costs[typed.root]))
    return Picture(document.name, subtitle, _direction(document), parts, mark_around(composer.arrows))


def compose_inside(document: Document, typed: TypedRegion, costs: Mapping[TypedRegion, Cost]) -> Picture:
    """The picture of a block or stack by itself, between ports, with all that is in it closed; ids are local."""
    composer, region = _Composer(document, costs), typed.region
    ports: dict[str, Part] = {name: Box(name, name, (), "port", "port") for name in region.inputs}
    ends = {ValueRef(name): name for name in region.inputs}
    parts = list(composer.region(typed, fold_repeats(typed), "", 1, ends, ports))
    for name, ref, type_ in zip(region.outputs, region.outputs.values(), typed.outputs, strict=True):
        title = name if len(region.outputs) > 1 else "out"
        parts.append(Box(f"output {name}", title, (), "port", "port"))
        composer.arrows.append(PictureArrow(ends[ref], f"output {name}", type=type_text(type_)))
    return Picture(region.name, "", _direction(document), tuple(parts), mark_around(composer.arrows))


def _direction(document: Document) -> str:
    return (document.body.drawing.direction or "TB").replace("TD", "TB")


@dataclass(frozen=True)
class _Composer:
    """`arrows` gathers what is drawn; `told` has the title of each box that tells the type of what leaves it."""

    document: Document
    costs: Mapping[TypedRegion, Cost]
    arrows: list[PictureArrow] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)

    def whole(self, typed: TypedRegion, depth: int) -> tuple[Part, ...]:
        """The parts of the whole model: its inputs, its nodes, its outputs."""
        region = typed.region
        types = zip(region.inputs, typed.inputs, strict=True)
        boxes: dict[str, Part] = {name: Box(name, name, (str(type_),), "input", "input") for name, type_ in types}
        self.told.update({name: name for name in region.inputs})
        ends = {ValueRef(name): name for name in region.inputs}
        parts = self.region(typed, fold_repeats(typed), "", depth, ends, boxes)
        outputs = []
        for (name, ref), type_ in zip(region.outputs.items(), typed.outputs, strict=True):
            outputs.append(Box(f"output {name}", name, (str(type_),), "output", "output"))
            self.arrows.append(PictureArrow(ends[ref], f"output {name}"))
        return (*parts, *outputs)

    def region(
        self, typed: TypedRegion, runs: Sequence[Run], path: str, depth: int, ends: Ends, placed: dict[str, Part]
    ) -> tuple[Part, ...]:
        """The parts of a region after those `placed` already, in the groups of its drawing. Fills in `ends`."""
        for run in runs:
            placed |= self.run(typed, run, path, depth, ends)
        drawing = self.drawing(typed.region)
        return _grouped(placed, drawing, _merged_into(typed.region), path) if drawing else tuple(placed.values())

    def run(self, typed: TypedRegion, run: Run, path: str, depth: int, ends: Ends) -> dict[str, Part]:
        """One repeat of a run, framed if it has several nodes. What leaves the last repeat leaves this one."""
        first, last = run.repeats[0], run.repeats[-1]
        if run.inner:
            parts = [part for inner in run.inner for part in self.run(typed, inner, path, depth, ends).values()]
            id = f"{first[0].id}…{last[-1].id}"
            drawn: dict[str, Part] = {id: Cluster(path + id, "in turn", (), "stack", tuple(parts), len(run.repeats))}
        else:
            part, made = self.node(typed, [copy for (copy,) in run.repeats], path, depth, ends)
            drawn = {first[0].id: part}
            ends |= {ValueRef(first[0].id, number): end for number, end in enumerate(made)}
        if len(run.repeats) > 1 and not run.beside:
            same = {node.id: copy.id for node, copy in zip(first, last, strict=True)}
            ends |= {ValueRef(same[ref.node], ref.output): end for ref, end in ends.items() if ref.node in same}
        return drawn

    def node(
        self, typed: TypedRegion, copies: Sequence[Node], path: str, depth: int, ends: Ends
    ) -> tuple[Part, Sequence[str]]:
        """Equal nodes as one box, or one cluster where they are opened; and the box that makes each of its outputs."""
        node = copies[0]
        id, body = path + node.id, typed.bodies.get(node.id)
        title = SYMBOLS.get(node.op, node.op) if node.implied else title_of(node, typed.region)
        lines = () if node.implied else lines_of(node, title, cost_of_copies(typed, copies, self.costs))
        if body is not None:
            runs = fold_repeats(body)
            if depth > 1 and opens(body, runs):
                parts, made = self.inside(typed, node, body, runs, id, depth, ends)
                repeat = len(copies) * (len(runs[0].repeats) if len(runs) == 1 else 1)
                return Cluster(id, title, lines, body.region.kind, parts, repeat), made
            box = Box(id, title, lines, "model", body.region.kind, len(copies) * _times(body, runs))
            outputs = len(body.outputs)
        else:
            assert isinstance(node.body, Component)
            box = Box(id, title, lines, "merge" if node.implied else "component", node.body.family, len(copies))
            outputs = len(typed.signatures[node.id].outputs)
        for operand in node.operands:
            if (
                operand.value and operand.value in ends
            ):  # of members folded into one, only that one has an arrow to the merge
                self.arrow(ends[operand.value], id, typed, node, operand)
        return box, [id] * outputs

    def inside(
        self, typed: TypedRegion, node: Node, body: TypedRegion, runs: Sequence[Run], id: str, depth: int, ends: Ends
    ) -> tuple[tuple[Part, ...], Sequence[str]]:
        """What is in an opened block or stack, and the box that makes each of its outputs.

        An arrow that forks inside gets a port to fork at; else it goes right to the box that takes it.
        """
        drawn = [inner for run in runs for inner in run.drawn()]
        takers = Counter(operand.value for inner in drawn for operand in inner.operands)
        inner_ends: Ends = {}
        ports: dict[str, Part] = {}
        for operand in node.operands:
            if operand.value:
                source = inner_ends[ValueRef(operand.port)] = ends[operand.value]
                if takers[ValueRef(operand.port)] > 1:
                    port = f"{id}.{operand.port}"
                    self.arrow(source, port, typed, node, operand)
                    ports[operand.port] = Box(port, operand.port, (), "port", "port")
                    inner_ends[ValueRef(operand.port)], self.told[port] = port, operand.port
        folded = runs[0] if len(runs) == 1 and body.region.kind == "stack" else None
        below = depth if folded and folded.only else depth - 1
        parts = self.region(body, runs, f"{id}.", below, inner_ends, ports)
        if folded and isinstance(parts[-1], Cluster):  # whose frame is that of the stack
            parts = (*parts[:-1], *parts[-1].parts)
        return parts, [inner_ends[ref] for ref in body.region.outputs.values()]

    def arrow(self, source: str, target: str, typed: TypedRegion, node: Node, operand: Operand) -> None:
        """Draw an arrow for what enters a node by an inlet."""
        self.arrows.append(arrow_between(source, target, typed, node, operand, self.told.get(source)))

    def drawing(self, region: Region) -> Drawing | None:
        """What the user drew of a region; nothing of a stack."""
        if region.kind == "spec":
            return self.document.body.drawing
        block = self.document.blocks.get(region.name) if region.kind == "block" else None
        return block.body.drawing if block else None


def _times(body: TypedRegion, runs: Sequence[Run]) -> int:
    """How often a closed stack has what it is of; its members are called by their index."""
    members = {node.op for node in body.region.nodes.values() if node.id.isdecimal()}
    if body.region.kind == "stack" and len(members) == 1:
        return sum(id.isdecimal() for id in body.region.nodes)
    return len(runs[0].repeats) if len(runs) == 1 else 1


def _merged_into(region: Region) -> dict[str, str]:
    """Of each merge that no one drew, the node that takes it: it stands in the group of that node."""
    takes = [
        (operand.value.node, node.id) for node in region.nodes.values() for operand in node.operands if operand.value
    ]
    return {merge: taker for merge, taker in takes if merge in region.nodes and region.nodes[merge].implied}


def _grouped(placed: Mapping[str, Part], drawing: Drawing, merged: Mapping[str, str], path: str) -> tuple[Part, ...]:
    """The parts of a region in the groups that the user drew, each where its first member stands; no empty ones."""
    owner = {member: group.id for group in drawing.groups.values() for member in group.members}
    members: dict[str | None, dict[str, None]] = {}
    for id in placed:
        child, parent = id, owner.get(merged.get(id, id))
        while parent is not None:
            members.setdefault(parent, {})[child] = None
            child, parent = parent, owner.get(parent)
        members.setdefault(None, {})[child] = None

    def gather(parent: str | None) -> tuple[Part, ...]:
        return tuple(placed[child] if child in placed else group(drawing.groups[child]) for child in members[parent])

    def group(drawn: Group) -> Cluster:
        title = plain_label(drawn.label if drawn.label is not None else drawn.id)
        return Cluster(path + drawn.id, title, (), "group", gather(drawn.id))

    return gather(None)
