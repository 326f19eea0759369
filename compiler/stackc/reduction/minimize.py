"""`reduce_spec`: find a start that fails like the spec, as small as can be had at once, and search from there."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from stackc.artifact.stored_weights import gather_part_weights, open_all_weights
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.progress import Progress, no_progress
from stackc.frontend import Checked, Overrides, check_spec
from stackc.pipeline import Options
from stackc.reduction import structure
from stackc.reduction.inline import inline_all
from stackc.reduction.oracle import (
    Failure,
    Failures,
    Judge,
    Oracle,
    Trial,
    build_judge,
    check_judge,
    command_judge,
    package_judge,
)
from stackc.reduction.raw import reduce_text
from stackc.reduction.search import Reduced, Search, neighbourhoods
from stackc.reduction.sizes import distinct_sizes, shrunk, with_sizes
from stackc.reduction.tree import Plain, SpecTree, document_tree, resolved_tree
from stackc.reduction.tree_types import TreeTypes
from stackc.reduction.weight_source import WEIGHTS, WeightSource
from stackc.reduction.write import write_tree
from stackc.resolve.resolve import resolve
from stackc.spec.reader import parse
from stackc.spec.source import load_source
from stackc.spec.yaml.yaml_reader import parse_scalar
from stackc.weights.files import describe_paths
from stackc.weights.match import match_program, weights_path

CANDIDATE = "reduced.yaml"
MOST_SHRUNK = 2
"""Starts with smaller numbers that are built before the whole is."""


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
        original = case.original(checked)
        search = case.search_resolved(checked, original) if checked else None
        search = search or case.search_unchecked(original)
        reduced = search.run() if search else case.reduce_text(original)
    return replace(reduced, seconds=time.monotonic() - start)


@dataclass(frozen=True)
class _Original:
    """How a spec fails, first that which has to stay, and the sizes of open dims at which it does.

    `in_check` says that it crashes the checker: then nothing is built.
    """

    failures: Failures
    sizes: dict[str, int]
    in_check: bool = False


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

    def original(self, checked: Checked | None) -> _Original:
        """Judge the spec, at small sizes of its dims first. Raises SpecError P720 if its build succeeds.

        A command is not asked about the spec itself, which may have includes, but about a start that stands alone.
        """
        if self.command is not None:
            return _Original((Failure("command"),), {})

        overrides = self.options.overrides
        at_sizes: list[dict[str, int]] = [{}]
        if checked is not None and (small := distinct_sizes(checked.program.contract)):
            at_sizes.insert(0, small)
        for sizes in at_sizes:
            options = replace(self.options, overrides=replace(overrides, dims={**overrides.dims, **sizes}))
            if sizes and self.try_check(self.path, options.overrides) is None:
                continue
            judge = package_judge(options) if checked is not None else check_judge(options.overrides)
            if failures := judge(self.path, options.seed):
                self.progress("fails", f"{failures[0]}: {failures[0].message}")
                return _Original(failures, sizes, in_check=checked is None)
        raise self.nothing_to_reduce("its build succeeds")

    def nothing_to_reduce(self, why: str) -> SpecError:
        """Return the error about a spec that does not fail."""
        hint = "try another `--seed`, or say what failing means: `--command 'python judge.py {}'`"
        return SpecError(Diagnostic("P720", f"there is nothing to reduce in {self.path}: {why}", hint=hint))

    def try_check(self, path: Path, overrides: Overrides | None = None) -> Checked | None:
        """Check a spec that may be wrong, or crash the checker: then None."""
        try:
            return check_spec(path, overrides or self.alone)
        except Exception:
            return None

    @property
    def alone(self) -> Overrides:
        """The overrides of a spec that has those of the options in its text."""
        return Overrides(trust=self.options.overrides.trust)

    # -- specs that check

    def search_resolved(self, checked: Checked, original: _Original) -> Search | None:
        """Return the search from a start that checks; None if there is none, as for faults of what resolves a spec."""
        tree = with_sizes(resolved_tree(checked.graph, checked.ranges), original.sizes)
        source = self.weight_source(checked)

        # Random weights and no blocks first: then the reduced spec needs no file, and every node can be cut out.
        for weights in (None, source) if source else (None,):
            options = replace(self.options, overrides=self.alone, weights=self.folder / WEIGHTS if weights else None)
            for start in self.starts(tree, original.failures[0]):
                search = self.start(start, options, weights, original.failures)
                if search is not None:
                    return replace(search, before=tree.components())
        return None

    def starts(self, tree: SpecTree, failure: Failure) -> Iterator[SpecTree]:
        """Yield trees to start from, those that are cheap to build first: a part or smaller numbers, then the whole."""
        flat = inline_all(tree)
        blamed = next((id for id, node in flat.body.nodes.items() if node.origin == failure.path), "")
        checked = self.written(flat) if blamed else None
        if checked is not None:
            yield structure.cut(flat, TreeTypes.of(checked.typed), neighbourhoods(flat, blamed)[0])

        whole = (flat, tree) if tree.blocks else (tree,)
        for form in whole:
            small = (smaller for smaller in shrunk(form) if self.written(smaller) is not None)
            yield from islice(small, MOST_SHRUNK)
        yield from whole

    def written(self, tree: SpecTree) -> Checked | None:
        """Write a tree as the candidate, and check it."""
        (self.folder / CANDIDATE).write_text(write_tree(tree), encoding="utf-8")
        return self.try_check(self.folder / CANDIDATE)

    def start(
        self, tree: SpecTree, options: Options, weights: WeightSource | None, original: Failures
    ) -> Search | None:
        """Return the search from a tree; None if it does not fail like the original."""
        checked, seed = self.written(tree), options.seed
        if checked is None or (weights is not None and not weights.write(tree, checked, self.folder)):
            return None

        for judge in self.judges(options, original[0]):
            failures = judge(self.folder / CANDIDATE, seed)
            target = next((failure for failure in original if failure in failures), None)
            if target is not None:
                oracle = self.oracle(judge, target, (*original, *failures))
                oracle.remember(write_tree(tree), seed, failures, checked)
                types = TreeTypes.of(checked.typed)
                return Search(oracle, weights, self.progress, tree, types, seed, tree.components())
        return None

    def judges(self, options: Options, failure: Failure) -> list[Judge]:
        """Return the judges to ask, in order, until a start fails under one: to package takes time."""
        if self.command is not None:
            return [command_judge(self.command)]
        in_packaging = not re.fullmatch(r"[EP]\d+", failure.code)
        return [build_judge(options), package_judge(options)] if in_packaging else [build_judge(options)]

    def weight_source(self, checked: Checked) -> WeightSource | None:
        """Return the weights of the file that the options name, or else the spec."""
        path, _ = weights_path(checked.document, self.options.weights)
        if self.options.weights is None and checked.program.parts:
            path = gather_part_weights(checked, self.options.seed, self.folder)
        if path is None:
            return None
        decl, name = checked.document.weights, describe_paths(path)
        weights = match_program(open_all_weights(path), checked.program, decl, checked.graph.params, name)
        return WeightSource.of(checked, weights)

    # -- specs that do not

    def search_unchecked(self, original: _Original) -> Search | None:
        """Return the search from a tree of a spec that need not check; None if no tree fails like it."""
        options = replace(self.options, overrides=self.alone, weights=None)
        judge, seed = self.unchecked_judge(original, options), options.seed
        for tree in self.unchecked_trees():
            text = write_tree(tree)
            (self.folder / CANDIDATE).write_text(text, encoding="utf-8")
            failures = judge(self.folder / CANDIDATE, seed)
            target = next((failure for failure in original.failures if failure in failures), None)
            if target is not None:
                oracle = replace(self.oracle(judge, target, failures), must_check=False)
                checked = oracle.check(text)
                oracle.remember(text, seed, failures, checked)
                search = Search(oracle, None, self.progress, tree, TreeTypes(), seed, tree.components())
                return replace(search, types=search.types_of(tree, Trial(failures, checked)))
        return None

    def unchecked_judge(self, original: _Original, options: Options) -> Judge:
        """Return the judge of candidates of which none has to check."""
        if self.command is not None:
            return command_judge(self.command)
        return check_judge(options.overrides) if original.in_check else package_judge(options)

    def unchecked_trees(self) -> Iterator[SpecTree]:
        """Yield the trees of the resolved spec, if the checker comes so far, and that of the text, if it parses."""
        overrides = self.options.overrides
        try:
            document = parse(load_source(self.path), recover=True)
        except Exception:  # mistakes of the text, or the crash itself
            return
        written = document_tree(document)
        params = {name: parse_scalar(text) for name, text in overrides.params.items()}
        written = with_sizes(replace(written, params={**written.params, **params}), overrides.dims)

        try:
            graph = resolve(document, overrides.params, overrides.dims, overrides.trust)
            tree = resolved_tree(graph, {})
        except Exception:
            yield written
            return
        # The resolved spec has no ranges yet: those of the text, without its params.
        numbers: dict[str, Plain] = {n: v for n, v in graph.params.items() if isinstance(v, (int, float, str))}
        bound = with_sizes(written, numbers)
        ranges = {name: {k: v for k, v in decl.items() if k != "shape"} for name, decl in bound.inputs.items()}
        tree = replace(tree, inputs={name: {**decl, **ranges[name]} for name, decl in tree.inputs.items()})
        yield from (inline_all(tree), tree) if tree.blocks else (tree,)
        yield written

    def reduce_text(self, original: _Original) -> Reduced:
        """Reduce the text of a spec, whatever it is."""
        source, seed = load_source(self.path), self.options.seed
        file = "reduced.mmd" if source.syntax == "mermaid" else CANDIDATE
        (self.folder / file).write_text(source.text, encoding="utf-8")
        judge = self.unchecked_judge(original, self.options)
        failures = judge(self.folder / file, seed)
        if original.failures[0] not in failures:
            raise self.nothing_to_reduce("the command exits with status 0" if self.command else "alone it builds")
        oracle = replace(self.oracle(judge, failures[0], failures), must_check=False, file=file)

        text, interrupted = source.text, False

        def fails(candidate: str) -> bool:
            nonlocal text
            failed = oracle.fails(candidate, seed) is not None
            text = candidate if failed else text
            return failed

        try:
            reduce_text(source.text, fails)
        except KeyboardInterrupt:
            interrupted = True
        return Reduced(
            text, source.syntax, seed, failures[0], None, None, None, oracle.tried, 0.0,
            not interrupted and not oracle.late, interrupted,
        )  # fmt: skip

    def oracle(self, judge: Judge, target: Failure, failures: Failures) -> Oracle:
        """Return the oracle for one failure of the spec."""
        trust = self.options.overrides.trust
        return Oracle(judge, target, frozenset(failures), self.folder, trust, deadline=self.deadline)
