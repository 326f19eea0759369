"""Compose the picture of a typed graph: which blocks and stacks are open, and the boxes that each arrow connects."""

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
"""The symbol in the small circle of a merge that was inserted rather than drawn."""

Ends = dict[ValueRef, str]
"""The box at which the arrows of each value of a region begin."""


def compose(typed: TypedGraph, depth: int = 1) -> Picture:
    """Return the picture of a checked spec. `depth` 1 leaves blocks and stacks closed, 2 opens the outermost ones.

    A stack of equal members opens together with its member, and shows one of them. A stack of equal components stays a
    box.
    """
    document = typed.graph.document
    composer = Composer(document, cost_of(typed.root))
    parts = composer.model(typed.root, depth)
    subtitle = " · ".join(cost_lines(composer.costs[typed.root]))
    return Picture(document.name, subtitle, _direction(document), parts, mark_around(composer.arrows))


def compose_inside(document: Document, typed: TypedRegion, costs: Mapping[TypedRegion, Cost]) -> Picture:
    """Return the picture of a block or stack alone, between ports, with everything in it closed; ids are local."""
    composer, region = Composer(document, costs), typed.region

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


@dataclass
class Composer:
    """Collects `arrows`; `typed_boxes` has the titles of boxes that show the type of their value: inputs and ports."""

    document: Document
    costs: Mapping[TypedRegion, Cost]
    arrows: list[PictureArrow] = field(default_factory=list)
    typed_boxes: dict[str, str] = field(default_factory=dict)

    def model(self, typed: TypedRegion, depth: int) -> tuple[Part, ...]:
        """Return the parts of the whole model: its inputs, its nodes, its outputs."""
        region = typed.region
        types = zip(region.inputs, typed.inputs, strict=True)
        inputs: dict[str, Part] = {name: Box(name, name, (str(type_),), "input", "input") for name, type_ in types}
        self.typed_boxes.update({name: name for name in region.inputs})

        ends = {ValueRef(name): name for name in region.inputs}
        parts = self.region(typed, fold_repeats(typed), "", depth, ends, inputs)

        outputs = []
        for (name, ref), type_ in zip(region.outputs.items(), typed.outputs, strict=True):
            outputs.append(Box(f"output {name}", name, (str(type_),), "output", "output"))
            self.arrows.append(PictureArrow(ends[ref], f"output {name}"))
        return (*parts, *outputs)

    def region(
        self, typed: TypedRegion, runs: Sequence[Run], path: str, depth: int, ends: Ends, first: dict[str, Part]
    ) -> tuple[Part, ...]:
        """Return the parts of a region, those in `first` before them, in the groups of its drawing. Adds to `ends`."""
        parts = {**first, **self.run_parts(typed, runs, path, depth, ends)}
        drawing = self.drawing(typed.region)
        return _group_parts(parts, drawing, _merge_targets(typed.region), path) if drawing else tuple(parts.values())

    def run_parts(self, typed: TypedRegion, runs: Sequence[Run], path: str, depth: int, ends: Ends) -> dict[str, Part]:
        """Return the parts of these runs, by the names of their nodes. Adds to `ends`."""
        parts: dict[str, Part] = {}
        for run in runs:
            parts |= self.run(typed, run, path, depth, ends)
        return parts

    def run(self, typed: TypedRegion, run: Run, path: str, depth: int, ends: Ends) -> dict[str, Part]:
        """Return one repeat of a run, framed if it has several nodes. The outputs of the last repeat leave this one."""
        first, last = run.repeats[0], run.repeats[-1]
        if run.inner:
            parts = [part for inner in run.inner for part in self.run(typed, inner, path, depth, ends).values()]
            id = f"{first[0].id}…{last[-1].id}"
            drawn: dict[str, Part] = {id: Cluster(path + id, "sequence", (), "stack", tuple(parts), len(run.repeats))}
        else:
            part, output_boxes = self.node(typed, [copy for (copy,) in run.repeats], path, depth, ends)
            drawn = {first[0].id: part}
            ends |= {ValueRef(first[0].id, number): end for number, end in enumerate(output_boxes)}

        if len(run.repeats) > 1 and not run.beside:
            same = {node.id: copy.id for node, copy in zip(first, last, strict=True)}
            ends |= {ValueRef(same[ref.node], ref.output): end for ref, end in ends.items() if ref.node in same}
        return drawn

    def node(
        self, typed: TypedRegion, copies: Sequence[Node], path: str, depth: int, ends: Ends
    ) -> tuple[Part, Sequence[str]]:
        """Return equal nodes as one box, or one cluster if they are opened; and the box that each output comes from."""
        node = copies[0]
        id, body = path + node.id, typed.bodies.get(node.id)
        title = SYMBOLS.get(node.op, node.op) if node.implied else title_of(node, typed.region)
        lines = () if node.implied else lines_of(node, title, cost_of_copies(typed, copies, self.costs))

        if body is not None:
            runs = fold_repeats(body)
            if depth > 1 and opens(body, runs):
                parts, output_boxes = self.inside(typed, node, body, runs, id, depth, ends)
                repeat = len(copies) * (len(runs[0].repeats) if len(runs) == 1 else 1)
                return Cluster(id, title, lines, body.region.kind, parts, repeat), output_boxes
            box = Box(id, title, lines, "model", body.region.kind, len(copies) * _closed_repeat(body, runs))
            outputs = len(body.outputs)
        else:
            assert isinstance(node.body, Component)
            box = Box(id, title, lines, "merge" if node.implied else "component", node.body.family, len(copies))
            outputs = len(typed.signatures[node.id].outputs)

        for operand in node.operands:
            # If members are folded into one, only that one has an arrow to the merge: the others are not in `ends`.
            if operand.value and operand.value in ends:
                self.arrow(ends[operand.value], id, typed, node, operand)
        return box, [id] * outputs

    def inside(
        self, typed: TypedRegion, node: Node, body: TypedRegion, runs: Sequence[Run], id: str, depth: int, ends: Ends
    ) -> tuple[tuple[Part, ...], Sequence[str]]:
        """Return the parts in an opened block or stack, and the box that each of its outputs comes from.

        An arrow that forks inside gets a port to fork at; otherwise it leads directly to the box that takes it.
        """
        drawn = [inner for run in runs for inner in run.drawn()]
        uses = Counter(operand.value for inner in drawn for operand in inner.operands)
        inner_ends: Ends = {}
        ports: dict[str, Part] = {}
        for operand in node.operands:
            if operand.value:
                source = inner_ends[ValueRef(operand.port)] = ends[operand.value]
                if uses[ValueRef(operand.port)] > 1:
                    port = f"{id}.{operand.port}"
                    self.arrow(source, port, typed, node, operand)
                    ports[operand.port] = Box(port, operand.port, (), "port", "port")
                    inner_ends[ValueRef(operand.port)], self.typed_boxes[port] = port, operand.port

        # The members of a stack of equal ones open with it, at the same depth, inside its own frame.
        folded = runs[0] if len(runs) == 1 and body.region.kind == "stack" else None
        below = depth if folded and folded.only else depth - 1
        parts = self.region(body, runs, f"{id}.", below, inner_ends, ports)
        if folded and isinstance(parts[-1], Cluster):
            parts = (*parts[:-1], *parts[-1].parts)
        return parts, [inner_ends[ref] for ref in body.region.outputs.values()]

    def arrow(self, source: str, target: str, typed: TypedRegion, node: Node, operand: Operand) -> None:
        """Add the arrow for an operand of a node."""
        self.arrows.append(arrow_between(source, target, typed, node, operand, self.typed_boxes.get(source)))

    def drawing(self, region: Region) -> Drawing | None:
        """Return the user's drawing of a region; None for a stack."""
        if region.kind == "spec":
            return self.document.body.drawing
        block = self.document.blocks.get(region.name) if region.kind == "block" else None
        return block.body.drawing if block else None


def _closed_repeat(body: TypedRegion, runs: Sequence[Run]) -> int:
    """Return how many equal members a closed stack has, the norms between them not counted; 1 for anything else."""
    members = {node.op for node in body.region.nodes.values() if node.id.isdecimal()}
    if body.region.kind == "stack" and len(members) == 1:
        return sum(id.isdecimal() for id in body.region.nodes)
    return len(runs[0].repeats) if len(runs) == 1 else 1


def _merge_targets(region: Region) -> dict[str, str]:
    """Return the node that each inserted merge feeds: the merge stands in the group of that node."""
    arrows = [
        (operand.value.node, node.id) for node in region.nodes.values() for operand in node.operands if operand.value
    ]
    return {source: target for source, target in arrows if source in region.nodes and region.nodes[source].implied}


def _group_parts(
    parts: Mapping[str, Part], drawing: Drawing, merge_targets: Mapping[str, str], path: str
) -> tuple[Part, ...]:
    """Return the parts of a region in the groups of its drawing, each at its first member, without empty groups."""
    owner = {member: group.id for group in drawing.groups.values() for member in group.members}
    members: dict[str | None, dict[str, None]] = {}  # children of each group in order; None is the region itself
    for id in parts:
        child, parent = id, owner.get(merge_targets.get(id, id))
        while parent is not None:
            members.setdefault(parent, {})[child] = None
            child, parent = parent, owner.get(parent)
        members.setdefault(None, {})[child] = None

    def gather(parent: str | None) -> tuple[Part, ...]:
        return tuple(parts[child] if child in parts else group(drawing.groups[child]) for child in members[parent])

    def group(drawn: Group) -> Cluster:
        title = plain_label(drawn.label if drawn.label is not None else drawn.id)
        return Cluster(path + drawn.id, title, (), "group", gather(drawn.id))

    return gather(None)
