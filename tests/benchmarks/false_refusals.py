"""How often the proof refuses a sound model: specs that are hard to judge, with many seeds of weights and inputs.

Every spec is linked once; each seed draws other weights and inputs, and is proven whole for each setting of threads
and of ONNX Runtime's optimizations. None may be refused. `--tuning` takes the specs that the constants of the rule were
chosen on. "0.1.0" is how many runs the rule without the spread would have refused: judged by the rows of the same runs.
Last is the weakest relative perturbation of one weight matrix that is found, by either rule.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from tests.benchmarks.conditioned_specs import REPORTED, TUNING
from tests.proof.conftest import SPEC as SMALL
from torch import nn

from stackc.core.diagnostics import SpecError
from stackc.core.versions import tool_versions
from stackc.export import link_program, write_model
from stackc.export.pipeline import LinkedProgram
from stackc.frontend import Checked, check_source
from stackc.proof import tolerance
from stackc.proof.components import Reference
from stackc.proof.parity import prove
from stackc.proof.report import Parity
from stackc.runtime import open_session
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

SETTINGS = tuple(itertools.product((1, 2), (True, False)))
SIZES = [10.0**-power for power in np.arange(2, 7.01, 0.25)]


@dataclass(frozen=True)
class Model:
    """A spec that is checked and linked, to be proven with many weights."""

    name: str
    checked: Checked
    linked: LinkedProgram

    @staticmethod
    def of(name: str, text: str) -> Model:
        """Check and link a spec."""
        checked = check_source(Source(f"{name}.yaml", text))
        return Model(name, checked, link_program(checked.program))

    def write(self, module: nn.Module, folder: Path) -> Path:
        """Write the file with the weights of a module."""
        tensors = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
        return write_model(self.linked, tensors, folder).paths[0]

    def prove(self, module: nn.Module, path: Path, seed: int, threads: int, optimize: bool) -> Parity:
        """Prove the file against the module. Raises SpecError if it is refused."""
        session = open_session(path, "cpu", threads=threads, optimize=optimize)
        torch.set_num_threads(threads)
        program, ranges = self.checked.program, self.checked.ranges
        return prove(program, Reference.of(module), session, path, ranges, seed=seed, threads=threads)


def main() -> None:
    """Print a line for each spec and setting; exit status 1 if any sound model is refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=250, help="draws of weights and inputs for a spec (default: 250)")
    parser.add_argument("--first", type=int, default=1000, help="the first seed (default: 1000)")
    parser.add_argument("--specs", nargs="*", help="names of specs (default: all)")
    parser.add_argument("--tuning", action="store_true", help="the specs that constants were chosen on")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after the seed that is running then")
    options = parser.parse_args()

    print(f"{os.cpu_count()} cores, {tool_versions()}, factor of the spread {tolerance.SPREADS:g}")
    start = time.perf_counter()
    specs = TUNING if options.tuning else REPORTED
    chosen = {name: text for name, text in specs.items() if not options.specs or name in options.specs}
    models = [Model.of(name, f"stackc: 1\nname: model\n{text}") for name, text in chosen.items()]
    seeds = range(options.first, options.first + options.seeds)
    runs, refused = _count(models, seeds, start + 60 * options.minutes)
    _print_perturbations()
    print(f"{runs} runs, {time.perf_counter() - start:.0f} s of wall time")
    sys.exit(1 if refused else 0)


def _count(models: Sequence[Model], seeds: Sequence[int], deadline: float) -> tuple[int, int]:
    """Prove every model with every seed in every setting; return how many runs there were, and how many refusals."""
    runs: Counter[tuple[str, int, bool]] = Counter()
    refused: Counter[tuple[str, int, bool]] = Counter()
    before: Counter[tuple[str, int, bool]] = Counter()
    undetermined: Counter[tuple[str, int, bool]] = Counter()
    for seed, model in itertools.product(seeds, models):
        if time.perf_counter() > deadline:
            break
        module = lower(model.checked.typed, seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            path = model.write(module, Path(folder))
            for threads, optimize in SETTINGS:
                key = (model.name, threads, optimize)
                runs[key] += 1
                try:
                    parity = model.prove(module, path, seed, threads, optimize)
                except SpecError as error:
                    refused[key] += 1
                    before[key] += 1
                    print(f"refused: {key}, seed {seed}: {error.diagnostics[0].message}", flush=True)
                    continue
                before[key] += _refused_without_spread(parity)
                undetermined[key] += any(row.verdict.determined is not None for row in parity.rows)

    for threads, optimize in SETTINGS:
        print(f"{threads} threads, optimizations {'on' if optimize else 'off'}: runs, refused, by 0.1.0, undetermined")
        for name in [model.name for model in models]:
            key = (name, threads, optimize)
            print(f"  {name:28} {runs[key]:5} {refused[key]:5} {before[key]:5} {undetermined[key]:5}")
        totals = [
            sum(counter[name, threads, optimize] for name in {m.name for m in models})
            for counter in (runs, refused, before, undetermined)
        ]
        print(f"  {'all':28} " + " ".join(f"{total:5}" for total in totals))
    return sum(runs.values()), sum(refused.values())


def _refused_without_spread(parity: Parity) -> bool:
    verdicts = [row.verdict for row in parity.rows]
    return any(v.onnx > v.allowed - tolerance.SPREADS * (v.spread or 0.0) for v in verdicts)


def _print_perturbations() -> None:
    """Print the smallest relative perturbation of one weight matrix of `small` that each rule finds."""
    model = Model.of("small", SMALL)
    module = lower(model.checked.typed)
    names = ("encoder.1.mlp.up.weight", "encoder.0.attn.out.weight", "square.weight", "head.weight", "left.weight")
    for name in names:
        weakest = [_weakest(model, module, name, spreads) for spreads in (0.0, tolerance.SPREADS)]
        print(
            f"small, {name}: weakest perturbation found {weakest[0]:.1e} without the spread, {weakest[1]:.1e} with it"
        )


def _weakest(model: Model, module: nn.Module, name: str, spreads: float) -> float:
    """Return the smallest size of a random relative perturbation of a matrix that is refused."""
    noise = np.random.default_rng(0).standard_normal(tuple(module.get_parameter(name).shape)).astype(np.float32)
    weakest = np.inf
    for size in SIZES:
        tensors = {key: tensor.detach().numpy() for key, tensor in module.state_dict().items()}
        tensors[name] = tensors[name] * (1 + np.float32(size) * noise)
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(tolerance, "SPREADS", spreads):
            path = write_model(model.linked, tensors, Path(folder)).paths[0]
            try:
                model.prove(module, path, 0, 1, True)
                return float(weakest)
            except SpecError:
                weakest = size
    return float(weakest)


if __name__ == "__main__":
    main()
