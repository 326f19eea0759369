"""Plant faults in linked models, and count which of them the proof finds and blames rightly, beside two peers.

    python -m tests.benchmarks.mutants [--specs ...] [--classes ...] [--each N] [--limit N] [--seed N] [--settings N]

Every kind of fault (weight_faults.py, wiring_faults.py, value_faults.py) is planted at nodes that it fits, in the specs
of specs/ at small sizes, each in two settings of opset, target, form and weights. Its effect is its largest distance
from the truth, as a multiple of what is allowed, at many inputs (effects.py): 0 if it changes nothing. Exit status 1 if
a fault with an effect of at least four is missed or blamed wrongly, if less than 90 % of those are found that only rare
inputs show, if the rule of 0.1.0 finds one that today's misses, or if a model without a fault is refused.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import torch
from tests.benchmarks.mutants.planting import FAULTS, Plan, offers, run_plan
from tests.benchmarks.mutants.settings import SMALL, Setting, settings
from tests.benchmarks.mutants.table import print_outcomes

from stackc.core.versions import tool_versions


def main() -> None:
    """Print a table by class, and every fault that was missed; see the module for the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = sorted({fault.kind for fault in FAULTS})
    parser.add_argument("--specs", nargs="*", default=list(SMALL), choices=list(SMALL), help="specs (default: all)")
    parser.add_argument("--classes", nargs="*", default=kinds, choices=kinds, help="classes of faults (default: all)")
    parser.add_argument("--each", type=int, default=6, help="mutants of each kind of fault (default: 6)")
    parser.add_argument("--limit", type=int, default=1000, help="mutants at most (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="determines which nodes are taken (default: 0)")
    parser.add_argument("--settings", type=int, default=2, help="settings of each spec (default: 2)")
    parser.add_argument("--minutes", type=float, default=1e6, help="prove no further mutant after that time")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one for each core)")
    parser.add_argument("--verbose", action="store_true", help="print every mutant as it is done")
    options = parser.parse_args()

    start, deadline = time.perf_counter(), time.time() + 60 * options.minutes
    print(f"{os.cpu_count()} cores, {tool_versions()}, seed {options.seed}")
    with ProcessPoolExecutor(
        options.jobs, multiprocessing.get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        chosen = settings(options.specs, options.settings)
        offered = dict(zip(chosen, pool.map(partial(offers, options.seed), chosen), strict=True))
        plans = _plans(offered, options)
        planned = sum(len(plan) for plan in plans.values())
        print(f"{planned} faults in {len(plans)} settings, planned in {time.perf_counter() - start:.0f} s", flush=True)

        results = list(pool.map(partial(run_plan, options.verbose, deadline), plans, plans.values()))
    outcomes = [outcome for done, _ in results for outcome in done]
    refused = [message for _, messages in results for message in messages]
    met = print_outcomes(outcomes)
    print(f"models without a fault refused: {len(refused)} of {len(plans)}", *refused, sep="\n  ")
    print(f"{time.perf_counter() - start:.0f} s with {options.jobs} processes")
    sys.exit(0 if met and not refused else 1)


def _plans(offered: dict[Setting, dict[int, str]], options: argparse.Namespace) -> dict[Setting, Plan]:
    """Choose settings for each kind of fault."""
    plans: dict[Setting, Plan] = {setting: [] for setting in offered}
    count = 0
    for number, fault in enumerate(FAULTS):
        fitting = [setting for setting, nodes in offered.items() if number in nodes]
        shuffled = random.Random(f"{options.seed}:{fault.name}").sample(fitting, len(fitting))
        for setting in shuffled[: options.each] if fault.kind in options.classes else ():
            if count < options.limit:
                plans[setting].append((number, offered[setting][number]))
                count += 1
    return plans


if __name__ == "__main__":
    main()
