"""`stackc bench`: every stage in order.

read        targets → their inputs                        targets.py
draw        sizes → arrays, the same for all              inputs.py
build       specs → ONNX files, without a proof           targets.py
open        a process a candidate, run once               sittings.py
agree       their outputs against each other's            equality.py
time        in turns, until the time is up; and again,
            in new processes                              sittings.py
compare     sittings → percentiles and ratios             bench/timing.py
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stackc.benchmark.agreement import TOLERANCE, OutputDifference
from stackc.benchmark.candidates import BenchmarkCandidate, BenchmarkPlan, LeftOut
from stackc.benchmark.equality import Compared, equality_note, require_equal
from stackc.benchmark.inputs import batch_of, draw_inputs, sizes_of
from stackc.benchmark.job import MODULES, WorkerTask
from stackc.benchmark.repetitions import BenchmarkJob, Open, RepetitionResult, Report, all_open, timed
from stackc.benchmark.result import BenchmarkEntry, Result
from stackc.benchmark.targets import Target, built, read_target
from stackc.core.diagnostics import Collector, SpecError
from stackc.frontend import Overrides
from stackc.runtime import write_npz
from stackc.timing import Comparison, compare_candidates

ROUNDS = (20, 3000)
"""The fewest and the most, over all sittings."""


@dataclass(frozen=True)
class BenchmarkOptions:
    """What is asked for beside the plan: params, trusted code and weights of specs, sizes, the seed of weights and
    inputs, how long to time in how many sittings, which candidate is the baseline (None: the first), and how far
    outputs may differ."""

    overrides: Overrides = field(default_factory=Overrides)
    dims: Mapping[str, int] = field(default_factory=dict)
    weights: Path | None = None
    seed: int = 0
    seconds: float = 6.0
    repetitions: int = 3
    baseline: str | None = None
    tolerance: float = TOLERANCE


def run_benchmark(paths: Sequence[Path], plan: BenchmarkPlan, options: BenchmarkOptions, report: Report) -> Result:
    """Time all candidates of a plan. Raises SpecError where a stage fails; no process and no file is left then."""
    targets = _read(paths, plan, options)
    sizes = sizes_of(targets, options.dims)
    feeds = draw_inputs(targets, sizes, options.seed)
    inputs = {name: f"{array.dtype}{list(array.shape)}" for name, array in feeds.items()}
    report("draw", ", ".join(f"{name} {text}" for name, text in inputs.items()) or "no inputs")
    with tempfile.TemporaryDirectory(prefix="stackc-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_npz(folder / "inputs.npz", feeds)
        targets = _built(paths, targets, options, folder, report)
        wanted = [replace(one, optional=one.optional and one.name != options.baseline) for one in plan.candidates]
        jobs = [_seat(number, one, targets, folder) for number, one in enumerate(wanted)]
        held = _hold(jobs, targets, options, report)
    comparison = compare_candidates(
        held.names, [sat.repetition for sat in held.repetitions], baseline=options.baseline, seed=options.seed
    )
    entries = tuple(_entry(job.candidate, targets, held, comparison) for job in held.jobs)
    left_out = (*plan.left_out, *held.left_out)
    return Result(entries, comparison, left_out, sizes, inputs, batch_of(targets, feeds), options.seed)


def _read(paths: Sequence[Path], plan: BenchmarkPlan, options: BenchmarkOptions) -> list[Target]:
    """All targets, or all that is wrong with them."""
    diagnostics, targets = Collector(), []
    for label, path in zip(plan.labels, paths, strict=True):
        try:
            targets.append(read_target(label, path, options.overrides, options.weights, options.seed))
        except SpecError as error:
            diagnostics.extend(error)
    diagnostics.raise_if_any()
    return targets


def _built(
    paths: Sequence[Path], targets: Sequence[Target], options: BenchmarkOptions, folder: Path, report: Report
) -> list[Target]:
    """The targets with an ONNX file each."""
    made = []
    for number, (path, target) in enumerate(zip(paths, targets, strict=True)):
        made.append(built(target, path, options.overrides, folder / f"target-{number}"))
        if target.module and target.model is None:
            report("build", f"{target.label}: {target.module.told}")
    return made


def _seat(number: int, candidate: BenchmarkCandidate, targets: Sequence[Target], folder: Path) -> BenchmarkJob:
    place, target = folder / f"candidate-{number}", targets[candidate.target]
    place.mkdir()
    module = target.module if candidate.engine in MODULES else None
    source = module.spec if module else target.model
    assert source is not None, "specs are built by now, and a file has no module"
    weights = module.weights.absolute() if module and module.weights else None
    job = WorkerTask(
        candidate.engine, str(source.absolute()), candidate.provider, candidate.threads,
        str(folder / "inputs.npz"), str(place / "outputs.npz"), str(weights) if weights else None,
        module.seed if module else 0, module.trust if module else (), str(module.beside) if module else ".",
    )  # fmt: skip
    return BenchmarkJob(candidate, job, place)


@dataclass(frozen=True)
class _Repetitions:
    """All sittings: who took part, who did not, how their outputs compare, and what was timed."""

    jobs: tuple[BenchmarkJob, ...]
    left_out: tuple[LeftOut, ...]
    compared: Compared
    repetitions: tuple[RepetitionResult, ...]

    @property
    def names(self) -> list[str]:
        """Of the candidates, in order."""
        return [job.candidate.name for job in self.jobs]


def _hold(
    jobs: Sequence[BenchmarkJob], targets: Sequence[Target], options: BenchmarkOptions, report: Report
) -> _Repetitions:
    """Every sitting, in an order that turns about, so that no candidate is always the first to be opened."""
    with all_open(jobs, report) as (opened, left_out):
        compared = require_equal(opened, targets, options.tolerance)
        report("agree", equality_note(compared))
        held = _Repetitions(tuple(one.job for one in opened), tuple(left_out), compared, ())
        held = _with_sitting(held, opened, options, report)
    while len(held.repetitions) < options.repetitions:
        order = held.jobs[::-1] if len(held.repetitions) % 2 else held.jobs
        with all_open(order, lambda stage, found: None) as (opened, _):
            held = _with_sitting(held, opened, options, report)
    return held


def _with_sitting(
    held: _Repetitions, opened: Sequence[Open], options: BenchmarkOptions, report: Report
) -> _Repetitions:
    fewest, most = (math.ceil(rounds / options.repetitions) for rounds in ROUNDS)
    sat = timed(opened, held.names, options.seconds / options.repetitions, (fewest, most))
    report(
        "time", f"sitting {len(held.repetitions) + 1} of {options.repetitions}: {len(sat.repetition.seconds)} rounds"
    )
    return replace(held, repetitions=(*held.repetitions, sat))


def _entry(
    candidate: BenchmarkCandidate, targets: Sequence[Target], held: _Repetitions, comparison: Comparison
) -> BenchmarkEntry:
    name, module = candidate.name, targets[candidate.target].module
    found = held.compared.get(name)
    return BenchmarkEntry(
        candidate=candidate,
        opened=tuple(sat.opened[name] for sat in held.repetitions),
        memory=tuple(sat.memory[name] for sat in held.repetitions),
        timing=comparison.timings[name],
        difference=found if isinstance(found, OutputDifference) else None,
        unequal=found if isinstance(found, str) else None,
        weights=module.told if module and candidate.engine in MODULES else None,
    )
