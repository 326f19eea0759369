"""Search: the smallest tree that still fails, by every pass of the reduction until none makes it smaller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stackc.core.plurals import counted
from stackc.core.progress import Progress
from stackc.frontend import Checked
from stackc.reduction import sizes, structure
from stackc.reduction.ddmin import ddmin
from stackc.reduction.inline import block_calls, inline
from stackc.reduction.oracle import Failure, Oracle, Trial
from stackc.reduction.tree import SpecTree, with_plain_shapes
from stackc.reduction.tree_types import TreeTypes, partial_types
from stackc.reduction.weight_source import WEIGHTS, WeightSource
from stackc.reduction.write import write_tree

MOST_SEEDS = 3
"""Seeds, from 0, that are tried in the place of a larger one."""


@dataclass(frozen=True)
class Reduced:
    """The smallest spec that was found. `weights` are the bytes of its weight file, None if random ones fail too.

    `components` and `before` are None for a spec that was reduced as text. `finished` is False if the time was over
    first, or the search was interrupted.
    """

    text: str
    syntax: str
    seed: int
    failure: Failure
    components: int | None
    before: int | None
    weights: bytes | None
    tried: int
    seconds: float
    finished: bool
    interrupted: bool = False


@dataclass
class Search:
    """The smallest tree so far, what is known of its types, and the seed under which it fails.

    `before` is how many components the whole spec has.
    """

    oracle: Oracle
    weights: WeightSource | None
    progress: Progress
    tree: SpecTree
    types: TreeTypes
    seed: int
    before: int

    def run(self) -> Reduced:
        """Run every pass until none makes the spec smaller, and return what is left. Ctrl-C ends the search early."""
        interrupted = False
        try:
            self.greedy(lambda: sizes.shrunk(self.tree))
            self.inline()
            self.isolate()
            while self.passes() and not self.oracle.late:
                pass
            self.shorten()
        except KeyboardInterrupt:
            interrupted = True

        text = write_tree(self.tree)
        trial = self.oracle.answers.get(self.oracle.key(text, self.seed))
        failure = next(each for each in trial.failures if each == self.oracle.target) if trial else self.oracle.target
        return Reduced(
            text, "yaml", self.seed, failure, self.tree.components(), self.before, self.weight_bytes(),
            self.oracle.tried, 0.0, not interrupted and not self.oracle.late, interrupted,
        )  # fmt: skip

    def passes(self) -> bool:
        """Run each pass once; return whether any made the spec smaller."""
        before = write_tree(self.tree)
        self.cut()
        self.greedy(lambda: sizes.trees_with_fixed_dims(self.tree, self.types.contract))
        self.greedy(lambda: sizes.trees_with_bound_params(self.tree))
        self.greedy(lambda: structure.fewer_outputs(self.tree))
        self.greedy(lambda: structure.bypasses(self.tree))
        self.greedy(lambda: structure.fewer_operands(self.tree))
        self.greedy(lambda: structure.merged_inputs(self.tree))
        self.greedy(lambda: sizes.smaller_numbers(self.tree))
        self.greedy(lambda: sizes.fewer_fields(self.tree))
        self.greedy(lambda: sizes.single_numbers(self.tree))
        self.greedy(lambda: sizes.narrowed_dims(self.tree, self.types.contract))
        return write_tree(self.tree) != before

    # -- trying

    def trial(self, tree: SpecTree, seed: int | None = None) -> Trial | None:
        """Return the trial of a tree if it fails in the same way, under the seed of the search or another."""
        prepare = None
        if self.weights is not None:
            weights = self.weights

            def prepare(checked: Checked, folder: Path) -> bool:
                return weights.write(tree, checked, folder)

        return self.oracle.fails(write_tree(tree), self.seed if seed is None else seed, prepare)

    def accept(self, tree: SpecTree) -> bool:
        """Go on from a tree if it fails in the same way."""
        trial = self.trial(tree)
        if trial is None:
            return False
        if tree.components() != self.tree.components():
            self.progress("reduce", f"{counted(tree.components(), 'component')}, {self.oracle.tried} tried")
        self.tree, self.types = tree, self.types_of(tree, trial)

        if trial.checked is not None:
            plain = with_plain_shapes(tree, self.types.inputs)
            self.tree = plain if plain != tree and self.trial(plain) is not None else tree
        return True

    def types_of(self, tree: SpecTree, trial: Trial) -> TreeTypes:
        """Return the types of a tree: all, or as many as the checker finds before it fails."""
        if trial.checked is not None:
            return TreeTypes.of(trial.checked.typed)
        return partial_types(tree, self.oracle.trust)

    def greedy(self, candidates: Callable[[], Iterable[SpecTree]]) -> None:
        """Accept candidates, and propose anew after each, until none is accepted."""
        while any(tree != self.tree and self.accept(tree) for tree in candidates()):
            pass

    # -- passes

    def inline(self) -> None:
        """Inline the blocks that can be inlined; all of them together have been tried."""
        self.greedy(lambda: (inline(self.tree, {id: block}) for id, block in block_calls(self.tree).items()))

    def isolate(self) -> None:
        """Try the component that is blamed alone, then with those before it, then with those after it."""
        trial = self.trial(self.tree)
        path = next((each.path for each in trial.failures if each == self.oracle.target), "") if trial else ""
        for kept in neighbourhoods(self.tree, path.partition(".")[0]):
            if self.accept(structure.cut(self.tree, self.types, kept)):
                return

    def cut(self) -> None:
        """Cut nodes out of the top of the spec by delta debugging."""
        tree, types = self.tree, self.types

        def fails(kept: Sequence[str]) -> bool:
            return bool(kept) and self.accept(structure.cut(tree, types, set(kept)))

        ddmin(list(tree.body.nodes), fails)

    def shorten(self) -> None:
        """Try smaller seeds and shorter names."""
        for seed in range(min(self.seed, MOST_SEEDS)):
            if self.trial(self.tree, seed):
                self.seed = seed
                break
        self.accept(replace(self.tree, name="reduced"))
        for tree in sizes.short_names(self.tree):
            self.accept(tree)

    def weight_bytes(self) -> bytes | None:
        """Return the weight file of the smallest spec."""
        if self.weights is None:
            return None
        checked = self.oracle.check(write_tree(self.tree))
        assert checked is not None, "a spec with weights was built"
        self.weights.write(self.tree, checked, self.oracle.folder)
        return (self.oracle.folder / WEIGHTS).read_bytes()


def neighbourhoods(tree: SpecTree, id: str) -> list[set[str]]:
    """Return a node alone, with those that it reads, with those that read it, and with both; nothing for no node."""
    nodes = tree.body.nodes
    if id not in nodes:
        return []
    before = {operand.source for operand in nodes[id].operands} & nodes.keys()
    after = {other for other, node in nodes.items() if any(operand.source == id for operand in node.operands)}
    return [{id}, {id, *before}, {id, *after}, {id, *before, *after}]
