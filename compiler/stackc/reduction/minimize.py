"""`reduce_spec`: every pass of the reduction in order, until none makes the spec smaller."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.plurals import counted
from stackc.core.progress import Progress, no_progress
from stackc.frontend import Checked, check_spec
from stackc.pipeline import Options
from stackc.reduction import sizes, structure
from stackc.reduction.ddmin import ddmin
from stackc.reduction.inline import block_calls, inline, inline_all
from stackc.reduction.oracle import (
    Failure,
    Failures,
    Judge,
    Oracle,
    Trial,
    build_judge,
    command_judge,
    package_judge,
)
from stackc.reduction.raw import reduce_text
from stackc.reduction.tree import SpecTree, spec_tree, with_plain_shapes
from stackc.reduction.weight_source import WEIGHTS, WeightSource
from stackc.reduction.write import write_tree
from stackc.spec.source import load_source
from stackc.weights.files import describe_paths, open_weights
from stackc.weights.match import match_program, weights_path

MOST_SEEDS = 3
"""Seeds, from 0, that are tried in the place of a larger one."""


@dataclass(frozen=True)
class Reduced:
    """The smallest spec that was found. `weights` are the bytes of its weight file, None if random ones fail too.

    `components` and `before` are None for a spec that does not check. `finished` is False if the time was over first.
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


def reduce_spec(
    path: Path,
    options: Options | None = None,
    *,
    command: str | None = None,
    seconds: float = float("inf"),
    progress: Progress = no_progress,
) -> Reduced:
    """Return the smallest spec found that fails like the spec or artifact at `path`, after about `seconds` at most.

    It fails if its build does, at any stage up to the proof or in packaging, or if `command` exits non-zero. Raises
    SpecError P720 if it does not fail. A spec with mistakes raises what `check_spec` does, unless there is a command.
    """
    options, start = options or Options(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stackc-reduce-") as name:
        case = _Case(path, options, command, Path(name), start + seconds, progress)
        checked = case.check()
        reduced = None if checked is None else case.reduce_tree(checked)
        reduced = reduced or case.reduce_text()
    return replace(reduced, seconds=time.monotonic() - start)


@dataclass(frozen=True)
class _Case:
    """What is to be reduced, and how."""

    path: Path
    options: Options
    command: str | None
    folder: Path
    deadline: float
    progress: Progress

    def check(self) -> Checked | None:
        """Check the spec; None if that crashes, or if it has mistakes and there is a command to judge it."""
        try:
            return check_spec(self.path, self.options.overrides)
        except SpecError:
            if self.command is None:
                raise
        except Exception as error:  # the crash is what is to be reduced
            self.progress("check", f"crashes: {type(error).__name__}")
        return None

    def judges(self, options: Options) -> list[Judge]:
        """Return the judges to ask, in order, until the spec fails under one."""
        if self.command is not None:
            return [command_judge(self.command)]
        return [build_judge(options), package_judge(options)]

    # -- specs that check

    def reduce_tree(self, checked: Checked) -> Reduced | None:
        """Reduce a spec that checks; None if its resolved form does not fail, as for faults of what resolves it."""
        original = self.fail(self.path)[1] if self.command is None else None
        tree, bare = spec_tree(checked), replace(self.options.overrides, params={}, dims={})
        source = self.weight_source(checked)

        # Random weights and no blocks first: then the reduced spec needs no file, and every node can be cut out.
        for weights in (None, source) if source else (None,):
            options = replace(self.options, overrides=bare, weights=self.folder / WEIGHTS if weights else None)
            for candidate in (inline_all(tree), tree) if tree.blocks else (tree,):
                search = self.search(candidate, options, weights, original)
                if search is not None:
                    return search.run()
        return None

    def search(
        self, tree: SpecTree, options: Options, weights: WeightSource | None, original: Failures | None
    ) -> _Search | None:
        """Return the search from a resolved spec; None if it does not fail like the original."""
        resolved = self.folder / "reduced.yaml"
        resolved.write_text(write_tree(tree), encoding="utf-8")
        checked = check_spec(resolved, options.overrides)
        if weights is not None and not weights.write(tree, checked, self.folder):
            return None

        for judge in self.judges(options):
            failures = judge(resolved, options.seed)
            target = next((failure for failure in original or failures if failure in failures), None)
            if target is not None:
                oracle = self.oracle(judge, target, failures)
                oracle.remember(write_tree(tree), options.seed, failures, checked)
                return _Search(oracle, weights, self.progress, tree, checked, options.seed, tree.components())
        return None

    def fail(self, path: Path) -> tuple[Judge, Failures]:
        """Return how the spec fails, and the judge that says so. Raises SpecError P720 if it does not."""
        for judge in self.judges(self.options):
            if failures := judge(path, self.options.seed):
                self.progress("fails", f"{failures[0]}: {failures[0].message}")
                return judge, failures
        what = "its build succeeds" if self.command is None else "the command exits with status 0"
        hint = "try another `--seed`, or say what failing means: `--command 'python judge.py {}'`"
        raise SpecError(Diagnostic("P720", f"there is nothing to reduce in {self.path}: {what}", hint=hint))

    def weight_source(self, checked: Checked) -> WeightSource | None:
        """Return the weights of the file that the options name, or else the spec."""
        path, _ = weights_path(checked.document, self.options.weights)
        if path is None:
            return None
        decl, name = checked.document.weights, describe_paths(path)
        weights = match_program(open_weights(path), checked.program, decl, checked.graph.params, name)
        return WeightSource.of(checked, weights)

    # -- specs that do not

    def reduce_text(self) -> Reduced:
        """Reduce the text of a spec, whatever it is."""
        source = load_source(self.path)
        file = "reduced.mmd" if source.syntax == "mermaid" else "reduced.yaml"
        copy = self.folder / file
        copy.write_text(source.text, encoding="utf-8")
        judge, failures = self.fail(copy)
        oracle = replace(self.oracle(judge, failures[0], failures), must_check=False, file=file)

        seed = self.options.seed
        text = reduce_text(source.text, lambda candidate: oracle.fails(candidate, seed) is not None)
        return Reduced(text, source.syntax, seed, failures[0], None, None, None, oracle.tried, 0.0, not oracle.late)

    def oracle(self, judge: Judge, target: Failure, failures: Failures) -> Oracle:
        """Return the oracle for one failure of the spec."""
        trust = self.options.overrides.trust
        return Oracle(judge, target, frozenset(failures), self.folder, trust, deadline=self.deadline)


@dataclass
class _Search:
    """The smallest tree so far, and its spec."""

    oracle: Oracle
    weights: WeightSource | None
    progress: Progress
    tree: SpecTree
    checked: Checked
    seed: int
    before: int

    def run(self) -> Reduced:
        """Run every pass until none makes the spec smaller, and return what is left. Ctrl-C ends the search early."""
        finished = True
        try:
            self.inline()
            self.isolate()
            while self.passes() and not self.oracle.late:
                pass
            self.shorten()
        except KeyboardInterrupt:
            finished = False

        text = write_tree(self.tree)
        trial = self.oracle.answers.get(self.oracle.key(text, self.seed))
        failure = next(each for each in trial.failures if each == self.oracle.target) if trial else self.oracle.target
        return Reduced(
            text, "yaml", self.seed, failure, self.tree.components(), self.before, self.weight_bytes(),
            self.oracle.tried, 0.0, finished and not self.oracle.late,
        )  # fmt: skip

    def passes(self) -> bool:
        """Run each pass once; return whether any made the spec smaller."""
        before = write_tree(self.tree)
        self.cut()
        self.greedy(lambda: sizes.trees_with_fixed_dims(self.tree, self.checked))
        self.greedy(lambda: structure.fewer_outputs(self.tree))
        self.greedy(lambda: structure.bypasses(self.tree))
        self.greedy(lambda: structure.fewer_operands(self.tree))
        self.greedy(lambda: structure.merged_inputs(self.tree))
        self.greedy(lambda: sizes.smaller_numbers(self.tree))
        self.greedy(lambda: sizes.fewer_fields(self.tree))
        self.greedy(lambda: sizes.single_numbers(self.tree))
        self.greedy(lambda: sizes.narrowed_dims(self.tree, self.checked))
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
        if trial is None or trial.checked is None:
            return False
        plain = with_plain_shapes(tree, trial.checked)
        if plain != tree and (again := self.trial(plain)) is not None and again.checked is not None:
            tree, trial = plain, again
        if tree.components() != self.tree.components():
            self.progress("reduce", f"{counted(tree.components(), 'component')}, {self.oracle.tried} tried")
        assert trial.checked is not None, "an accepted tree checks"
        self.tree, self.checked = tree, trial.checked
        return True

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
        blamed = path.partition(".")[0]
        if blamed not in self.tree.body.nodes:
            return
        nodes = self.tree.body.nodes
        before = {operand.source for operand in nodes[blamed].operands} & nodes.keys()
        after = {id for id, node in nodes.items() if any(operand.source == blamed for operand in node.operands)}
        for kept in ({blamed}, {blamed, *before}, {blamed, *after}, {blamed, *before, *after}):
            if self.accept(structure.cut(self.tree, self.checked, kept)):
                return

    def cut(self) -> None:
        """Cut nodes out of the top of the spec by delta debugging."""
        tree, checked = self.tree, self.checked

        def fails(kept: Sequence[str]) -> bool:
            return bool(kept) and self.trial(structure.cut(tree, checked, set(kept))) is not None

        kept = ddmin(list(tree.body.nodes), fails)
        if len(kept) < len(tree.body.nodes):
            self.accept(structure.cut(tree, checked, set(kept)))

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
        self.weights.write(self.tree, self.checked, self.oracle.folder)
        return (self.oracle.folder / WEIGHTS).read_bytes()
