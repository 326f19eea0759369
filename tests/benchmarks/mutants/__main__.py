"""Plant faults in linked models, and count which of them the proof finds and blames rightly, beside two peers.

    python -m tests.benchmarks.mutants [--specs ...] [--classes ...] [--limit N] [--seed N]

Every kind of fault (weight_faults.py, wiring_faults.py, value_faults.py) is planted at some of the nodes that it fits,
in the specs of specs/ at small sizes, in several settings of opset, target and form. A mutant that computes what the
original does at all probes is equivalent, and is not counted. Exit status 1 if a fault whose effect is at least four
times what is allowed is missed or blamed wrongly, if less than 90 % of those are found that only rare inputs show, if
the rule of 0.1.0 finds one that today's misses, or if an unchanged model is refused.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.mutants import value_faults, weight_faults, wiring_faults  # noqa: F401  # they fill the table
from tests.benchmarks.mutants.effects import Effect, measure, probes
from tests.benchmarks.mutants.faults import FAULTS, Fault, planted, sites
from tests.benchmarks.mutants.graph import Graph, changed_components
from tests.benchmarks.mutants.peers import ATOLS, Peers
from tests.benchmarks.mutants.settings import FORMS, SMALL, Subject
from tests.benchmarks.mutants.verdicts import Judgement, prove_mutant

from stackc.core.versions import tool_versions

REACH = 4.0  # times what is allowed: the effect from which on every fault has to be found
RARE = 0.9  # the share to be found of faults that only rare inputs show


@dataclass(frozen=True)
class Outcome:
    """A fault at a node of a subject, and what became of it; `paths` are the components that it changes."""

    fault: Fault
    subject: str
    node: str
    paths: frozenset[str]
    effect: Effect
    default: Judgement
    by_component: Judgement
    peers: tuple[bool, ...]

    @property
    def name(self) -> str:
        return f"{self.fault.kind}: {self.fault.name}, {self.subject}, {self.node}, effect {self.effect.output:.3g} at an output, {self.effect.component:.3g} at the component"

    @property
    def rightly_blamed(self) -> bool:
        """Whether the default proof names a changed component, and no other."""
        return bool(self.default.blamed) and self.default.blamed <= self.paths


def main() -> None:
    """Print a table by class, and every fault that was missed; see the module for the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--specs", nargs="*", default=list(SMALL), choices=list(SMALL), help="specs (default: all)")
    parser.add_argument("--classes", nargs="*", help="classes of faults (default: all)")
    parser.add_argument("--each", type=int, default=6, help="mutants of each kind of fault (default: 6)")
    parser.add_argument("--limit", type=int, default=1000, help="mutants at most")
    parser.add_argument("--seed", type=int, default=0, help="determines which nodes are taken (default: 0)")
    parser.add_argument("--verbose", action="store_true", help="a line for each mutant")
    options = parser.parse_args()

    start = time.perf_counter()
    print(f"{os.cpu_count()} cores, {tool_versions()}, seed {options.seed}")
    subjects = _subjects(options.specs)
    plan = _plan(subjects, options)
    print(f"{len(plan)} faults in {len(subjects)} settings, planned in {time.perf_counter() - start:.0f} s", flush=True)
    outcomes, refused = [], 0
    for subject in subjects:
        chosen = [(fault, node) for fault, owner, node in plan if owner is subject]
        if chosen:
            done, sound = _run(subject, chosen, options.verbose)
            outcomes += done
            refused += not sound
    missed = _print_outcomes(outcomes)
    print(f"unchanged models refused: {refused} of {len(subjects)}; {time.perf_counter() - start:.0f} s")
    sys.exit(1 if missed or refused else 0)


def _subjects(specs: list[str]) -> list[Subject]:
    """Link every spec in two of the forms, by turns."""
    subjects = []
    for index, spec in enumerate(specs):
        for turn in (0, 1):
            form = FORMS[(2 * index + turn) % len(FORMS)]
            subjects.append(Subject.of(spec, *form))
    return subjects


def _plan(subjects: list[Subject], options: argparse.Namespace) -> list[tuple[Fault, Subject, str]]:
    """Choose nodes for each kind of fault: one of each subject, in an order that the seed determines."""
    plan: list[tuple[Fault, Subject, str]] = []
    for number, fault in enumerate(FAULTS):
        if options.classes and fault.kind not in options.classes:
            continue
        rng = random.Random(f"{options.seed}:{number}")
        shuffled = rng.sample(subjects, len(subjects))
        taken = 0
        for subject in shuffled:
            names = list(sites(fault, subject.graph))
            for name in rng.sample(names, len(names)):
                if taken < options.each and planted(fault, subject.graph, name) is not None:
                    plan.append((fault, subject, name))
                    taken += 1
                    break
    return plan[: options.limit]


def _run(subject: Subject, chosen: list[tuple[Fault, str]], verbose: bool) -> tuple[list[Outcome], bool]:
    """Prove the unchanged model, and every mutant of it."""
    outcomes = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        original = subject.save(subject.graph.model, folder / "original.onnx")
        sound = [prove_mutant(subject, original, per_component=both) for both in (False, True)]
        for judgement in sound:
            if judgement.refused:
                print(f"refused: {subject.name}: {judgement.message}", flush=True)
        probed = probes(subject, original)
        peers = Peers.of(subject)
        for fault, node in chosen:
            mutant = planted(fault, subject.graph, node)
            assert mutant is not None, "it was planned"
            outcome = _outcome(subject, fault, node, mutant, probed, peers, folder, original)
            outcomes.append(outcome)
            if verbose:
                print(f"{outcome.name}: {'found' if outcome.default.refused else 'MISSED'} {set(outcome.default.blamed)} of {set(outcome.paths)}", flush=True)
    return outcomes, not any(judgement.refused for judgement in sound)


def _outcome(subject, fault, node, mutant: Graph, probed, peers: Peers, folder: Path, original: Path) -> Outcome:
    path = subject.save(mutant.model, folder / "mutant.onnx")
    paths = changed_components(subject.graph.model, mutant.model)
    effect = measure(subject, original, path, paths, probed)
    default = prove_mutant(subject, path)
    by_component = prove_mutant(subject, path, per_component=True)
    judged = (peers.torch_refuses(mutant.model), *(peers.optimum_refuses(path, atol) for atol in ATOLS))
    return Outcome(fault, subject.name, node, paths, effect, default, by_component, judged)


def _print_outcomes(outcomes: list[Outcome]) -> bool:
    """Print the table and the lists; return whether the reach is missed."""
    by_class: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_class[outcome.fault.kind].append(outcome)
        by_class["all"].append(outcome)
    by_class["all"] = by_class.pop("all", [])

    print(f"{'class':12} planted equivalent below | found  by component  blamed  0.1.0 | torch.onnx  optimum at {ATOLS}")
    for kind, group in by_class.items():
        equivalent = [o for o in group if o.effect.equal]
        below = [o for o in group if not o.effect.equal and o.effect.largest <= 1]
        real = [o for o in group if o.effect.largest > 1]
        counts = [
            len(group), len(equivalent), len(below), len(real),
            sum(o.default.refused for o in real), sum(o.by_component.refused for o in real),
            sum(o.rightly_blamed for o in real), sum(o.default.before for o in real),
            *(sum(o.peers[i] for o in real) for i in range(1 + len(ATOLS))),
        ]  # fmt: skip
        print(f"{kind:12} " + " ".join(f"{count:6}" for count in counts))

    strong = [o for o in outcomes if o.effect.largest >= REACH and not o.fault.rare]
    rare = [o for o in outcomes if o.effect.largest >= REACH and o.fault.rare]
    weak = [o for o in outcomes if 1 < o.effect.largest < REACH]
    lists = {
        "missed": [o for o in strong if not o.default.refused],
        "missed by component as well": [o for o in strong if not o.by_component.refused],
        "blamed wrongly": [o for o in strong + rare if o.default.refused and not o.rightly_blamed],
        "missed, shown by rare inputs only": [o for o in rare if not o.default.refused],
        "missed, found by the rule of 0.1.0": [o for o in outcomes if o.default.before and not o.default.refused and not o.effect.equal],
        "weak and missed": [o for o in weak if not o.default.refused],
        "weak and found": [o for o in weak if o.default.refused],
        "equal, but refused": [o for o in outcomes if o.effect.equal and (o.default.refused or o.by_component.refused)],
    }
    for title, group in lists.items():
        print(f"{title}: {len(group)}")
        for o in group:
            blame = f"; blamed {sorted(o.default.blamed)} of {sorted(o.paths)}" if o.default.refused else ""
            print(f"  {o.name}{blame}")
    found = sum(o.default.refused for o in rare)
    print(f"of {len(strong)} strong faults {len(strong) - len(lists['missed'])} found; of {len(rare)} rare ones {found}")
    return bool(lists["missed"] or lists["blamed wrongly"] or found < RARE * len(rare))


if __name__ == "__main__":
    main()
