"""Plant faults in linked models, and count which of them the proof finds and blames rightly, beside two peers.

    python -m tests.benchmarks.mutants [--specs ...] [--classes ...] [--each N] [--limit N] [--seed N]

Every kind of fault (weight_faults.py, wiring_faults.py, value_faults.py) is planted at nodes that it fits, in the specs
of specs/ at small sizes, each in two settings of opset, target and form. Its effect is its largest distance from the
truth, as a multiple of what is allowed, at many inputs (effects.py): 0 if it changes nothing. Exit status 1 if a fault
with an effect of at least four is missed or blamed wrongly, if less than 90 % of those are found that only rare inputs
show, if the rule of 0.1.0 finds one that today's misses, or if a model without a fault is refused.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import torch
from tests.benchmarks.mutants import value_faults, weight_faults, wiring_faults  # noqa: F401  # they fill the table
from tests.benchmarks.mutants.effects import Probe, measure, probes
from tests.benchmarks.mutants.faults import FAULTS, planted, sites
from tests.benchmarks.mutants.graph import changed_components
from tests.benchmarks.mutants.peers import ATOLS, Peers
from tests.benchmarks.mutants.settings import SMALL, Setting, Subject, settings
from tests.benchmarks.mutants.table import Outcome, print_outcomes
from tests.benchmarks.mutants.verdicts import prove_mutant

from stackc.core.versions import tool_versions

Plan = list[tuple[int, str]]  # faults by their number in the table, and the nodes to plant them at


def main() -> None:
    """Print a table by class, and every fault that was missed; see the module for the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = sorted({fault.kind for fault in FAULTS})
    parser.add_argument("--specs", nargs="*", default=list(SMALL), choices=list(SMALL), help="specs (default: all)")
    parser.add_argument("--classes", nargs="*", default=kinds, choices=kinds, help="classes of faults (default: all)")
    parser.add_argument("--each", type=int, default=6, help="mutants of each kind of fault (default: 6)")
    parser.add_argument("--limit", type=int, default=1000, help="mutants at most (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="determines which nodes are taken (default: 0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one for each core)")
    parser.add_argument("--verbose", action="store_true", help="print every mutant as it is done")
    options = parser.parse_args()

    start = time.perf_counter()
    print(f"{os.cpu_count()} cores, {tool_versions()}, seed {options.seed}")
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn"), initializer=_start_worker) as pool:
        chosen = settings(options.specs)
        offered = dict(zip(chosen, pool.map(partial(_offers, options.seed), chosen), strict=True))
        plans = _plans(offered, options)
        planned = sum(len(plan) for plan in plans.values())
        print(f"{planned} faults in {len(plans)} settings, planned in {time.perf_counter() - start:.0f} s", flush=True)

        results = list(pool.map(partial(_run, options.verbose), plans, plans.values()))
    outcomes = [outcome for done, _ in results for outcome in done]
    refused = [message for _, messages in results for message in messages]
    met = print_outcomes(outcomes)
    print(f"models without a fault refused: {len(refused)} of {len(plans)}", *refused, sep="\n  ")
    print(f"{time.perf_counter() - start:.0f} s with {options.jobs} processes")
    sys.exit(0 if met and not refused else 1)


def _start_worker() -> None:
    torch.set_num_threads(1)


def _offers(seed: int, setting: Setting) -> dict[int, str]:
    """Return a node for each fault that fits any, in an order that the seed determines."""
    graph = Subject.of(setting).graph
    offers = {}
    for number, fault in enumerate(FAULTS):
        names = list(sites(fault, graph))
        shuffled = random.Random(f"{seed}:{setting}:{fault.name}").sample(names, len(names))
        name = next((name for name in shuffled if planted(fault, graph, name)), None)
        if name is not None:
            offers[number] = name
    return offers


def _plans(offered: dict[Setting, dict[int, str]], options: argparse.Namespace) -> dict[Setting, Plan]:
    """Choose settings for each kind of fault."""
    plans: dict[Setting, Plan] = {setting: [] for setting in offered}
    count = 0
    for number, fault in enumerate(FAULTS):
        fitting = [setting for setting, offers in offered.items() if number in offers]
        shuffled = random.Random(f"{options.seed}:{fault.name}").sample(fitting, len(fitting))
        for setting in shuffled[: options.each] if fault.kind in options.classes else ():
            if count < options.limit:
                plans[setting].append((number, offered[setting][number]))
                count += 1
    return plans


def _run(verbose: bool, setting: Setting, plan: Plan) -> tuple[list[Outcome], list[str]]:
    """Prove a model and every mutant of it that is planned; return the mutants, and what is said against the model."""
    subject = Subject.of(setting)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        original = subject.save(subject.graph.model, folder / "original.onnx")
        proofs = [prove_mutant(subject, original, per_component=both) for both in (False, True)]
        refusals = [f"{setting}: {proof.message}" for proof in proofs if proof.refused]

        outcomes = list(_outcomes(subject, plan, original, folder / "mutant.onnx")) if plan else []
    if verbose:
        print("\n".join(str(outcome) for outcome in outcomes), flush=True)
    return outcomes, refusals


def _outcomes(subject: Subject, plan: Plan, original: Path, path: Path) -> Iterator[Outcome]:
    """Yield what becomes of each planned mutant; its file is at `path` meanwhile."""
    probed: list[Probe] = probes(subject, original)
    peers = Peers.of(subject)
    for number, node in plan:
        fault = FAULTS[number]
        mutant = planted(fault, subject.graph, node)
        assert mutant is not None, "it was offered"
        subject.save(mutant.model, path)
        paths = changed_components(subject.graph.model, mutant.model)

        yield Outcome(
            *(fault.kind, fault.name, fault.rare, str(subject.setting), node, paths),
            effect=measure(subject, original, path, paths, probed),
            default=prove_mutant(subject, path),
            by_component=prove_mutant(subject, path, per_component=True),
            peers=(peers.torch_refuses(mutant.model), *(peers.optimum_refuses(path, atol) for atol in ATOLS)),
        )


if __name__ == "__main__":
    main()
