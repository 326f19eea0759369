"""How often the proof refuses a sound model: specs that are hard to judge, with many seeds of weights and inputs.

Every spec is linked once in each process; each seed draws other weights and inputs, and is proven whole for each
setting of threads and of ONNX Runtime's optimizations. What the settings have in common is calculated once
(shared_passes.py). None may be refused. `--tuning` takes the specs that the constants of the rule were chosen on.
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
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from tests.benchmarks.conditioned_specs import REPORTED, TUNING
from tests.benchmarks.shared_passes import shared_passes
from tests.proof.conftest import SPEC as SMALL
from torch import nn

from stackc.core.diagnostics import SpecError
from stackc.core.versions import tool_versions
from stackc.export import link_program, write_model
from stackc.export.pipeline import LinkedProgram
from stackc.frontend import Checked, Overrides, check_source, check_spec
from stackc.proof import tolerance
from stackc.proof.components import Reference
from stackc.proof.parity import prove
from stackc.runtime import Array, open_session
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

BERT = Path(__file__).parents[2] / "specs" / "bert_base.yaml"
FACTORS = (0.0, 2.0, 3.0, 4.0)
SETTINGS = tuple(itertools.product((1, 2), (True, False)))
SIZES = [10.0**-power for power in np.arange(2, 7.01, 0.25)]
Key = tuple[str, int, bool]
"""A spec, a number of threads, and whether ONNX Runtime optimizes."""


@dataclass(frozen=True)
class Model:
    """A spec that is checked and linked, to be proven with many weights."""

    name: str
    checked: Checked
    linked: LinkedProgram

    @staticmethod
    def of(name: str, text: str) -> Model:
        """Check and link a spec."""
        return Model.linked_from(name, check_source(Source(f"{name}.yaml", text)))

    @staticmethod
    def linked_from(name: str, checked: Checked) -> Model:
        """Link a checked spec."""
        return Model(name, checked, link_program(checked.program))

    def write(self, module: nn.Module, folder: Path) -> Path:
        """Write the file with the weights of a module."""
        tensors = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
        return write_model(self.linked, tensors, folder).paths[0]

    def prove(self, reference: Reference, path: Path, seed: int, threads: int, optimize: bool) -> None:
        """Prove the file against a module. Raises SpecError if it is refused."""
        session = open_session(path, "cpu", threads=threads, optimize=optimize)
        torch.set_num_threads(threads)
        program, ranges = self.checked.program, self.checked.ranges
        prove(program, reference, session, path, ranges, linked=self.linked.graph, seed=seed, threads=threads)


@dataclass
class Counts:
    """Runs, refusals, and refusals by each factor of the spread, by spec and setting."""

    runs: Counter[Key] = field(default_factory=Counter)
    refused: Counter[Key] = field(default_factory=Counter)
    by_factor: dict[float, Counter[Key]] = field(default_factory=lambda: {factor: Counter() for factor in FACTORS})

    def add(self, other: Counts) -> None:
        """Add the counts of another process."""
        self.runs += other.runs
        self.refused += other.refused
        for factor in FACTORS:
            self.by_factor[factor] += other.by_factor[factor]

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
    parser.add_argument("--bert", action="store_true", help="perturb matrices of bert_base as well: minutes")
    options = parser.parse_args()

    print(f"{os.cpu_count()} cores, {tool_versions()}, factor of the spread {tolerance.SPREADS:g}", flush=True)
    start = time.time()
    specs = TUNING if options.tuning else REPORTED
    names = [name for name in specs if not options.specs or name in options.specs]
    parts = [
        range(options.first + n, options.first + options.seeds, options.processes) for n in range(options.processes)
    ]

    counts = Counts()
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        texts = {name: specs[name] for name in names}
        for part in pool.map(
            _count, *zip(*((texts, seeds, start + 60 * options.minutes) for seeds in parts), strict=True)
        ):
            counts.add(part)
    counts.print(names)
    print(f"{counts.runs.total()} runs, {time.time() - start:.0f} s of wall time", flush=True)
    _print_perturbations(options.bert)
    sys.exit(1 if counts.refused else 0)


def _count(specs: Mapping[str, str], seeds: Sequence[int], deadline: float) -> Counts:
    """Prove every spec with every seed in every setting."""
    models = [Model.of(name, f"stackc: 1\nname: model\n{text}") for name, text in specs.items()]
    counts = Counts()
    for seed, model in itertools.product(seeds, models):
        if time.time() > deadline:
            break
        module = lower(model.checked.typed, seed=seed)
        reference = Reference.of(module)
        with tempfile.TemporaryDirectory() as folder, shared_passes(reference):
            path = model.write(module, Path(folder))
            for threads, optimize in SETTINGS:
                key = (model.name, threads, optimize)
                counts.runs[key] += 1
                with _refused_by_factor() as refused_by:
                    try:
                        model.prove(reference, path, seed, threads, optimize)
                    except SpecError as error:
                        counts.refused[key] += 1
                        print(f"refused: {key}, seed {seed}: {error.diagnostics[0].message}", flush=True)
                for factor in refused_by:
                    counts.by_factor[factor][key] += 1
    return counts


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


def _print_perturbations(bert: bool) -> None:
    """Print the smallest relative perturbation of one weight matrix that each rule finds, in `small` and bert_base."""
    small = Model.of("small", SMALL)
    names = ("encoder.1.mlp.up.weight", "encoder.0.attn.out.weight", "square.weight", "head.weight", "left.weight")
    _print_weakest(small, names)
    if bert:
        model = Model.linked_from("bert_base", check_spec(BERT, Overrides(dims={"batch": 1, "seq": 5})))
        _print_weakest(model, ("encoder.0.attn.q.weight", "encoder.11.mlp.down.weight", "pooler.weight"))


def _print_weakest(model: Model, names: Sequence[str]) -> None:
    module = lower(model.checked.typed)
    with tempfile.TemporaryDirectory() as folder:
        path = model.write(module, Path(folder))
        for name in names:
            without, now = (_weakest(model, module, name, spreads, path) for spreads in (0.0, tolerance.SPREADS))
            found = f"weakest perturbation found {without:.1e} without the spread, {now:.1e} with it"
            print(f"{model.name}, {name}: {found}", flush=True)


def _weakest(model: Model, module: nn.Module, name: str, spreads: float, path: Path) -> float:
    """Return the smallest size of a random relative perturbation of a matrix, the file's against the module's, that is
    refused although nobody compares the tensors of the file."""
    parameter = module.get_parameter(name)
    before = parameter.detach().clone()
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal(tuple(before.shape)).astype(np.float32))
    program, ranges = model.checked.program, model.checked.ranges

    def is_found(size: float) -> bool:
        with torch.no_grad():
            parameter.copy_(before * (1 + size * noise))
        session = open_session(path, "cpu", threads=1)
        with mock.patch.object(tolerance, "SPREADS", spreads):
            try:
                prove(program, Reference.of(module), session, path, ranges, threads=1)
            except SpecError:
                return True
        return False

    found, missed = -1, len(SIZES)  # SIZES fall: a perturbation is found up to some index
    while missed - found > 1:
        middle = (found + missed) // 2
        found, missed = (middle, missed) if is_found(SIZES[middle]) else (found, middle)
    with torch.no_grad():
        parameter.copy_(before)
    return SIZES[found] if found >= 0 else float("inf")


if __name__ == "__main__":
    main()
