"""How often the proof refuses a sound model: specs that are hard to judge, with many seeds of weights and inputs.

Every spec is linked once in each process; each seed draws other weights and inputs, and is proven whole for each
setting of threads and of ONNX Runtime's optimizations. What the settings have in common is calculated once
(shared_passes.py). None may be refused. `--tuning` takes the specs that the constants of the rule were chosen on.
With `--log FILE` every draw is kept, and the same command goes on where it was interrupted.
Beside the refusals stands how many runs the rule would have refused with other factors of the spread, by the
distances of the same runs; a factor of 0 is the rule of 0.1.0. Last is the weakest relative perturbation of one
weight matrix that is found, by either rule.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

import numpy as np
from tests.benchmarks.conditioned_specs import REPORTED, TUNING
from tests.benchmarks.draw_log import Draw, DrawLog, Outcome
from tests.benchmarks.linked_model import LinkedModel
from tests.benchmarks.shared_passes import shared_passes
from tests.benchmarks.weakest_perturbations import print_perturbations

from stackc.core.diagnostics import SpecError
from stackc.core.versions import tool_versions
from stackc.proof import tolerance
from stackc.proof.components import Reference
from stackc.runtime import Array
from stackc.torch_backend.lower import lower

FACTORS = (0.0, 2.0, 3.0, 4.0)
SETTINGS = tuple(itertools.product((1, 2), (True, False)))
Key = tuple[str, int, bool]
"""A spec, a number of threads, and whether ONNX Runtime optimizes."""


@dataclass
class Counts:
    """Runs, refusals, and refusals by each factor of the spread, by spec and setting."""

    runs: Counter[Key] = field(default_factory=Counter)
    refused: Counter[Key] = field(default_factory=Counter)
    by_factor: dict[float, Counter[Key]] = field(default_factory=lambda: {factor: Counter() for factor in FACTORS})

    def add(self, draw: Draw) -> None:
        """Count the runs of a draw."""
        for outcome in draw.outcomes:
            key = (draw.spec, outcome.threads, outcome.optimize)
            self.runs[key] += 1
            self.refused[key] += outcome.refused
            for factor in outcome.factors:
                self.by_factor[factor][key] += 1

    def print(self, names: Sequence[str]) -> None:
        """Print a table for each setting."""
        for threads, optimize in SETTINGS:
            factors = ", ".join(f"{factor:g}" for factor in FACTORS)
            setting = f"{threads} threads, optimizations {'on' if optimize else 'off'}"
            print(f"{setting}: runs, refused, distances refused by a factor of {factors}")
            counters = [self.runs, self.refused, *self.by_factor.values()]
            for name in names:
                row = " ".join(f"{counter[name, threads, optimize]:5}" for counter in counters)
                print(f"  {name:28} {row}")
            totals = [sum(counter[name, threads, optimize] for name in names) for counter in counters]
            print(f"  {'all':28} " + " ".join(f"{total:5}" for total in totals), flush=True)


def main() -> None:
    """Print a line for each spec and setting; exit status 1 if any sound model is refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=250, help="draws of weights and inputs for a spec (default: 250)")
    parser.add_argument("--first", type=int, default=1000, help="the first seed (default: 1000)")
    parser.add_argument("--specs", nargs="*", help="names of specs (default: all)")
    parser.add_argument("--tuning", action="store_true", help="the specs that constants were chosen on")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after the seed that is running then")
    parser.add_argument("--processes", type=int, default=2, help="processes that share the seeds (default: 2)")
    parser.add_argument("--log", type=Path, help="a file that keeps every draw: a run with the same file goes on there")
    parser.add_argument("--bert", action="store_true", help="perturb matrices of bert_base as well: minutes")
    options = parser.parse_args()

    print(f"{os.cpu_count()} cores, {tool_versions()}, factor of the spread {tolerance.SPREADS:g}", flush=True)
    start = time.time()
    specs = {
        name: text
        for name, text in (TUNING if options.tuning else REPORTED).items()
        if not options.specs or name in options.specs
    }
    wanted = range(options.first, options.first + options.seeds)
    log = DrawLog(options.log, specs)
    kept = [draw for draw in log.draws() if draw.seed in wanted]
    done = {(draw.seed, draw.spec) for draw in kept}
    wanting = [key for key in itertools.product(wanted, specs) if key not in done]

    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        parts = [wanting[number :: options.processes] for number in range(options.processes)]
        prove_part = partial(_prove_draws, specs, log, start + 60 * options.minutes)
        counts = Counts()
        for draw in itertools.chain(kept, *pool.map(prove_part, parts)):
            counts.add(draw)
    counts.print(list(specs))
    before = f", {4 * len(kept)} of them kept from before" if kept else ""
    print(f"{counts.runs.total()} runs{before}, {time.time() - start:.0f} s of wall time", flush=True)
    print_perturbations(options.bert)
    sys.exit(1 if counts.refused.total() else 0)


def _prove_draws(
    specs: Mapping[str, str], log: DrawLog, deadline: float, keys: Sequence[tuple[int, str]]
) -> list[Draw]:
    """Prove specs with seeds in every setting, and add each draw to the log."""
    models = {name: LinkedModel.of(name, f"stackc: 1\nname: model\n{text}") for name, text in specs.items()}
    draws = []
    for seed, name in keys:
        if time.time() > deadline:
            break

        draws.append(_prove_draw(models[name], seed))
        log.add(draws[-1])
    return draws


def _prove_draw(model: LinkedModel, seed: int) -> Draw:
    module = lower(model.checked.typed, seed=seed)
    reference = Reference.of(module)
    outcomes = []
    with tempfile.TemporaryDirectory() as folder, shared_passes(reference):
        path = model.write(module, Path(folder))

        # all settings share the passes of the module
        for threads, optimize in SETTINGS:
            refused = False
            with _refused_by_factor() as refused_by:
                try:
                    model.prove(reference, path, seed, threads, optimize)
                except SpecError as error:
                    refused = True
                    setting = f"{threads} threads, optimizations {'on' if optimize else 'off'}"
                    print(f"refused: {model.name}, {setting}, seed {seed}: {error.diagnostics[0].message}", flush=True)
            outcomes.append(Outcome(threads, optimize, refused, tuple(sorted(refused_by))))
    return Draw(model.name, seed, tuple(outcomes))


@contextmanager
def _refused_by_factor() -> Iterator[set[float]]:
    """Yield the factors of the spread with which a distance of the proofs in this context would have been refused.

    It is complete at the end of the context. Distances that pass without the spread are the same for every factor.
    """
    refused: set[float] = set()
    measure = tolerance._measure

    def watched(output: Array, single: Array, truth: Array, spread: Array, ordinary: float) -> tolerance.Verdict:
        verdict = measure(output, single, truth, spread, ordinary)
        largest = float(np.abs(spread).max(initial=0.0))
        if largest:
            without = verdict.allowed - tolerance.SPREADS * largest
            refused.update(factor for factor in FACTORS if verdict.onnx > without + factor * largest)
        return verdict

    with mock.patch.object(tolerance, "_measure", watched):
        yield refused


if __name__ == "__main__":
    main()
