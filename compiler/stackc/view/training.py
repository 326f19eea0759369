"""Draw what trains a model as a frame of its own beside the picture of the model, which it leaves as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from stackc.ir.model import Node, Region, ValueRef
from stackc.ir.optimizers import OPTIMIZERS
from stackc.ir.training import Training
from stackc.ir.typed import TypedGraph
from stackc.typecheck.cost import cost_of, cost_of_node
from stackc.view.around import mark_around
from stackc.view.compose import Composer
from stackc.view.facts import Facts, facts_of, facts_of_input
from stackc.view.folding import fold_repeats
from stackc.view.picture import Box, Cluster, Part, Picture, PictureArrow

PATH = "train."
"""What the ids of the boxes begin with."""


def with_training(picture: Picture, model: TypedGraph, training: Training, depth: int = 1) -> Picture:
    """Return the picture of a model with that of its training: values of the model, inputs, losses and metrics."""
    typed = training.typed.root
    composer = Composer(training.typed.graph.document, cost_of(typed))
    names = {node.id: node for node in own_nodes(model, training)}

    entering: dict[str, Part] = {}
    ends = dict[ValueRef, str]()
    for ref in dict.fromkeys(each.value for node in names.values() for each in node.operands if each.value):
        if ref.node not in names:
            box = _value_box(model, training, ref)
            entering[box.id], ends[ref] = box, box.id
            composer.typed_boxes[box.id] = box.title

    runs = [run for run in fold_repeats(typed) if run.repeats[0][0].id in names]
    parts = composer.run_parts(typed, runs, PATH, depth, ends)
    weighted = [_with_weight(part, training) for part in parts.values()]
    frame = Cluster("train", "train", (_summary(training),), "group", (*entering.values(), *weighted))
    firsts = {PATH + name: _first_port(node) for name, node in names.items()}
    arrows = (*picture.arrows, *mark_around([_to_port(arrow, firsts.get(arrow.target)) for arrow in composer.arrows]))
    return replace(picture, parts=(*picture.parts, frame), arrows=arrows)


def training_facts(model: TypedGraph, training: Training, sources: Mapping[str, str]) -> dict[str, Facts]:
    """Return the facts of what is drawn beside the model, by the ids of its boxes."""
    typed = training.typed.root
    costs = cost_of(typed)
    facts = {
        f"{PATH}{name}": facts_of_input(name, type_, typed.region.places.get(name), sources)
        for name, type_ in zip(typed.region.inputs, typed.inputs, strict=True)
    }
    for node in own_nodes(model, training):
        facts[f"{PATH}{node.id}"] = facts_of(typed, node, cost_of_node(typed, node, costs), sources)
    return facts


def own_nodes(model: TypedGraph, training: Training) -> list[Node]:
    """Return the nodes of the train graph that are no part of the model."""
    nodes = training.typed.root.region.nodes
    return [node for name, node in nodes.items() if name not in model.root.region.nodes]


def _value_box(model: TypedGraph, training: Training, ref: ValueRef) -> Box:
    """Return the box of an input or of a value of the model: under the name of its output, if it has one."""
    typed = training.typed.root
    if ref.node in typed.region.inputs:
        return Box(f"{PATH}{ref.node}", ref.node, (str(typed.type_of(ref)),), "input", "input")

    path = ref.node
    if ref.output:
        path += f".{list(typed.region.nodes[ref.node].body.outputs)[ref.output]}"
    names = {typed.region.outputs[name]: name for name in reversed([*model.root.region.outputs])}
    title = names.get(ref, path)
    id = PATH + (path if title in typed.region.inputs else title)
    return Box(id, title, (str(typed.type_of(ref)),), "output", "output")


def _to_port(arrow: PictureArrow, first: str | None) -> PictureArrow:
    """Return an arrow without the name of the output that its own box shows already."""
    before, arrow_sign, port = arrow.port.partition(" → ")
    return replace(arrow, port="" if port == first else port) if before and arrow_sign else arrow


def _first_port(node: Node) -> str:
    return node.body.inputs[0] if isinstance(node.body, Region) else node.body.ports[0].name


def _with_weight(part: Part, training: Training) -> Part:
    """Return a loss with its weight below its name, if that is not 1."""
    weight = training.settings.loss_weights.get(part.id.removeprefix(PATH), 1)
    return part if weight == 1 else replace(part, lines=(*part.lines, f"weight {weight:g}"))


def _summary(training: Training) -> str:
    """Return the settings in a line."""
    return " · ".join(_settings(training))


def _settings(training: Training) -> Iterator[str]:
    settings = training.settings
    (op,) = (op for op, make in OPTIMIZERS.items() if make is type(settings.optimizer))
    yield f"{op}, lr {settings.optimizer.lr:g}"
    yield f"batch {settings.data.batch:,}"
    yield f"{settings.epochs:,} epochs" if settings.epochs else f"{settings.steps:,} steps"
