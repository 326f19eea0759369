"""A figure with everything that is certain about its nodes, or may be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from stackc.authoring.figures.decisions import COLLECTIVE, Decision, OpChoice, candidates, decide
from stackc.authoring.figures.labels import Reading, label_text, read_label, read_repeat
from stackc.authoring.figures.rewrites import insert_nodes, redraw
from stackc.authoring.figures.sizes import branch_nodes, downscaling, image_nodes, sources_of
from stackc.components import REGISTRY
from stackc.resolve.op_guess import TAKES_IMAGES, looks_like_ids, looks_like_images, looks_like_input, meant_by, op_of
from stackc.spec.drawing import Drawing, DrawnNode
from stackc.spec.mermaid.mermaid_reader import read_drawing

GATE = "reshape"
"""The op that gives a vector of channels a height and a width, so that it multiplies an image."""

_OF_IMAGES = TAKES_IMAGES | {"adaptive_avg_pool2d", "global_avg_pool", "global_max_pool", "pixel_shuffle"}
_POSITIONS = {"sinusoidal_position", "learned_position"}
_NAMES_A_SOURCE = re.compile(r"\b(?:outputs?|target|source|previous)\b", re.IGNORECASE)
_RESULT = frozenset("output outputs result prediction predictions probabilities segmentation map maps image".split())  # noqa: SIM905
_VAGUE = frozenset({"output", "outputs", "result"})
_HIDDEN = frozenset({"relu", "gelu", "silu", "tanh", "layer_norm", "batch_norm", "dropout"})


@dataclass(frozen=True)
class Figure:
    """A drawing whose arrows have no labels but ports, and what its nodes are.

    `inputs` are inputs of the model, `ids` those of whole numbers. `decided` is what is certain, `guesses` has the ops
    that other nodes may be. `joined` nodes concatenate their arrows, `gates` were added, `floating` are positions that
    nothing enters, and `repeated` has the last nodes of subgraphs whose title says that they repeat. `images` have a
    height and a width, `kept` have to keep them, `multiple_of` is what has to divide them; `widths` are channels.
    """

    body: str
    drawing: Drawing
    inputs: tuple[str, ...]
    ids: frozenset[str]
    decided: Mapping[str, Decision]
    guesses: Mapping[str, tuple[str, ...]]
    joined: frozenset[str]
    floating: frozenset[str]
    repeated: Mapping[str, str]
    images: frozenset[str]
    kept: frozenset[str] = frozenset()
    gates: frozenset[str] = frozenset()
    widths: Mapping[str, str] = field(default_factory=dict)
    multiple_of: int | None = None


def read_figure(body: str, file: str, line: int) -> Figure:
    """Read a drawing, redraw its arrows, and decide what is certain. Raises SpecError if it cannot be parsed."""
    redrawn = redraw(body, read_drawing(body, file=file, line=line, header=True), line)
    figure = _decided(redrawn.body, file, line, redrawn.joined)

    # a vector of channels multiplies an image at each of its positions
    gates: list[str] = []
    if arrows := _gated(figure):
        text, gates = insert_nodes(redrawn.body, figure.drawing, line, arrows, GATE)
        figure = _decided(text, file, line, redrawn.joined)

    # where something is cropped, sizes need not be kept
    kept = frozenset[str]() if redrawn.cropped else branch_nodes(figure.drawing)
    return replace(
        figure,
        gates=frozenset(gates),
        kept=kept,
        widths=redrawn.widths,
        multiple_of=downscaling(figure.drawing, figure.decided),
    )


def _decided(body: str, file: str, line: int, joined: frozenset[str]) -> Figure:
    """Decide the nodes of a drawing."""
    drawing = read_drawing(body, file=file, line=line, header=True)
    sources = sources_of(drawing)
    readings = {id: read_label(node.label or id) for id, node in drawing.nodes.items()}
    of_images = any(_speaks_of_images(node, readings[id]) for id, node in drawing.nodes.items())
    inputs = tuple(id for id, node in drawing.nodes.items() if not sources[id] and _is_input(node, readings[id]))

    decided: dict[str, Decision] = {}
    guesses: dict[str, tuple[str, ...]] = {}
    for id, node in drawing.nodes.items():
        if id in inputs:
            continue
        entering = 1 if id in joined else _unnamed_arrows(drawing, id)
        decision = _decision(node, readings[id], entering, images=of_images)
        if decision is not None:
            decided[id] = decision
        else:
            guesses[id] = _guesses(node, readings[id], entering, images=of_images)
    decided |= {id: Decision((OpChoice("identity", {}),)) for id in _results(drawing, readings, decided)}

    first = [id for id in drawing.nodes if not sources[id] and id not in inputs]
    return Figure(
        body, drawing, inputs, _id_inputs(drawing, inputs, decided), decided,
        {id: ops for id, ops in guesses.items() if id not in decided}, joined,
        frozenset(id for id in first if guesses.get(id) and _POSITIONS.issuperset(guesses[id])),
        dict(_ends_of_repeated_groups(drawing)),
        image_nodes(drawing, [*inputs, *first], decided, guesses) if of_images else frozenset(),
    )  # fmt: skip


def _decision(node: DrawnNode, reading: Reading, entering: int, *, images: bool) -> Decision | None:
    if (op := op_of(node)) is not None:
        return Decision((OpChoice(op, {}),)) if op in REGISTRY else None
    decision = decide(reading, entering, images=images)

    # of several strided layers it may be the first alone that is strided
    strided = decision and any(step.fields.get("stride", 1) != 1 for step in decision.steps)
    return None if decision and decision.repeat and strided else decision


def _guesses(node: DrawnNode, reading: Reading, entering: int, *, images: bool) -> tuple[str, ...]:
    """Return the ops that an undecided node may be, the likeliest first."""
    fitting = [op for each in reading.operations for op in candidates(each, entering, images=images)]
    if fitting and len(reading.operations) == 1:
        return tuple(fitting)
    return tuple(op for op in meant_by(node) if entering > 1 or op not in COLLECTIVE)


def _unnamed_arrows(drawing: Drawing, id: str) -> int:
    return max(1, sum(arrow.target == id and not arrow.into for arrow in drawing.arrows))


# -- inputs and results


def _is_input(node: DrawnNode, reading: Reading) -> bool:
    """Return whether a node that no arrow enters is an input of the model."""
    if op_of(node):
        return False
    ops = {op for each in reading.operations for op in each.ops}
    names_source = bool(_NAMES_A_SOURCE.search(node.label or node.id)) and ops <= {"linear", "identity"}
    return looks_like_input(node) or names_source or bool(reading.shape)


def _id_inputs(drawing: Drawing, inputs: tuple[str, ...], decided: Mapping[str, Decision]) -> frozenset[str]:
    """Return the inputs of whole numbers, by their names or since an embedding reads them."""
    read = {a.source for a in drawing.arrows if a.target in decided and decided[a.target].steps[0].op == "embedding"}
    return frozenset(id for id in inputs if id in read or looks_like_ids(drawing.nodes[id]))


def _results(drawing: Drawing, readings: Mapping[str, Reading], decided: Mapping[str, Decision]) -> Iterator[str]:
    """Yield the ends of the figure that only name what comes out."""
    sources = sources_of(drawing)
    ends = drawing.nodes.keys() - {arrow.source for arrow in drawing.arrows}
    for id in ends - decided.keys():
        if len(sources[id]) != 1:
            continue
        text = label_text(drawing.nodes[id].label or id)
        words = set(re.findall(r"[^\W\d_]+", text.lower()))
        before = decided.get(sources[id][0])
        vague = words <= _VAGUE and (before is None or before.steps[-1].op in _HIDDEN)
        is_formula = all(len(word) == 1 for word in words)
        if words and (is_formula or (words <= _RESULT and not vague)):
            yield id


# -- images, gates, repeated groups


def _speaks_of_images(node: DrawnNode, reading: Reading) -> bool:
    ops = [each.ops for each in reading.operations]
    shapes = len(reading.shape) == 3
    kernels = any("kernel" in each.numbers for each in reading.operations)
    named = looks_like_images(node, ())
    return (
        named
        or shapes
        or kernels
        or op_of(node) in _OF_IMAGES
        or any(each and _OF_IMAGES.issuperset(each) for each in ops)
    )


def _gated(figure: Figure) -> list[tuple[str, str]]:
    """Return the arrows on which a vector of channels enters an elementwise op beside an image."""
    elementwise = {
        id for id in figure.images & figure.decided.keys()
        if {step.op for step in figure.decided[id].steps[:1]} <= COLLECTIVE - {"concat"}
    }  # fmt: skip
    return [
        (arrow.source, arrow.target)
        for arrow in figure.drawing.arrows
        if arrow.target in elementwise and arrow.source not in figure.images and arrow.source not in figure.inputs
    ]


def _ends_of_repeated_groups(drawing: Drawing) -> Iterator[tuple[str, str]]:
    """Yield the nodes from which arrows leave a subgraph that repeats, and the title of the subgraph."""
    targets: dict[str, set[str]] = {}
    for arrow in drawing.arrows:
        targets.setdefault(arrow.source, set()).add(arrow.target)
    for group in drawing.groups.values():
        title = group.label or group.id
        if read_repeat(title) is None:
            continue
        members = _members(drawing, group.id)
        for id in members & drawing.nodes.keys():
            if id not in targets or not targets[id] <= members:
                yield id, title


def _members(drawing: Drawing, group: str) -> set[str]:
    """Return the nodes and groups inside a group, at any depth."""
    members: set[str] = set()
    waiting = [group]
    while waiting:
        inside = drawing.groups[waiting.pop()].members
        members.update(inside)
        waiting += [id for id in inside if id in drawing.groups]
    return members
