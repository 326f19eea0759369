"""Make the levels of a page: a laid-out picture of every distinct block and stack, to be opened inside one another.

Equal blocks are one level, however often they occur: the size of a page grows with the distinct regions of a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stackc.ir.model import Node
from stackc.ir.training import Training
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.spec.document import Document
from stackc.typecheck.cost import Cost, cost_of
from stackc.view.captions import cost_of_copies
from stackc.view.compose import compose, compose_inside
from stackc.view.facts import Facts, facts_of, facts_of_input
from stackc.view.folding import Run, fold_repeats, opens
from stackc.view.layout import Layout, lay_out
from stackc.view.picture import Picture
from stackc.view.training import training_facts, with_training


@dataclass(frozen=True, slots=True)
class Inside:
    """The content of a box: the number of a level, and the path from the box to the nodes in it (`0.` in a stack).

    `copies` are the paths to all that the content stands for, the drawn one first: `0.`, `1.`, …
    """

    level: int
    path: str
    copies: tuple[str, ...]


@dataclass(frozen=True)
class Level:
    """One picture with everything in it closed. The keys of `inside`, `facts` and `copies` are ids of its boxes.

    `copies` has the ids of the nodes that a box stands for, its own first, if they are several.
    """

    picture: Picture
    layout: Layout
    inside: Mapping[str, Inside]
    facts: Mapping[str, Facts]
    copies: Mapping[str, tuple[str, ...]]


def levels_of(typed: TypedGraph, sources: Mapping[str, str], training: Training | None = None) -> tuple[Level, ...]:
    """Return the whole model as the first level, with its training beside it, then every distinct region inside.

    Raises SpecError (V101, V102).
    """
    builder = _LevelBuilder(typed.graph.document, cost_of(typed.root), sources)
    facts = {
        name: facts_of_input(name, type_, typed.root.region.places.get(name), sources)
        for name, type_ in zip(typed.root.region.inputs, typed.root.inputs, strict=True)
    }
    picture = compose(typed)
    if training is not None:
        picture = with_training(picture, typed, training)
        facts |= training_facts(typed, training, sources)
    builder.add(typed.root, picture, facts)
    return tuple(builder.levels[number] for number in range(len(builder.levels)))


@dataclass
class _LevelBuilder:
    """Adds each distinct region once; `numbers` has their numbers, in the order in which they were reached."""

    document: Document
    costs: Mapping[TypedRegion, Cost]
    sources: Mapping[str, str]
    levels: dict[int, Level] = field(default_factory=dict)
    numbers: dict[TypedRegion, int] = field(default_factory=dict)

    def add(self, typed: TypedRegion, picture: Picture, facts: Mapping[str, Facts]) -> None:
        """Add the level of a region, and those inside it. `facts` are those of its inputs."""
        number = self.numbers[typed] = len(self.numbers)
        inside: dict[str, Inside] = {}
        all_facts, all_copies = dict(facts), dict[str, tuple[str, ...]]()

        for copies in (each for run in fold_repeats(typed) for each in _copies(run)):
            node = copies[0]
            cost = cost_of_copies(typed, copies, self.costs)
            if len(copies) > 1:
                all_copies[node.id] = tuple(copy.id for copy in copies)
            all_facts[node.id] = facts_of(typed, node, cost, self.sources)
            if (body := typed.bodies.get(node.id)) and opens(body, fold_repeats(body)):
                inside[node.id] = self.into(body)
        self.levels[number] = Level(picture, lay_out(picture), inside, all_facts, all_copies)

    def into(self, body: TypedRegion, path: str = "", copies: tuple[str, ...] = ("",)) -> Inside:
        """Return the level of a body, adding it if it is new; for a stack of equal members, the level of the member."""
        runs = fold_repeats(body)
        if body.region.kind == "stack" and len(runs) == 1 and (only := runs[0].only):
            members = [node.id for (node,) in runs[0].repeats]
            inner = tuple(f"{copy}{member}." for copy in copies for member in members)
            return self.into(body.bodies[only.id], f"{path}{only.id}.", inner)
        if body not in self.numbers:
            self.add(body, compose_inside(self.document, body, self.costs), {})
        return Inside(self.numbers[body], path, copies)


def _copies(run: Run) -> list[tuple[Node, ...]]:
    """Return the nodes that are drawn, each with all of its copies."""
    if run.inner:
        return [copies for inner in run.inner for copies in _copies(inner)]
    return [tuple(node for (node,) in run.repeats)]
