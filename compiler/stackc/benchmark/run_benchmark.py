"""`stackc bench`: every stage in order.

read        targets → their inputs                        targets.py
draw        sizes → arrays, the same for all              inputs.py
build       specs → ONNX files, without a proof           targets.py
open        a process for each candidate, run once        repetitions.py
agree       their outputs against each other's            equality.py
time        in turns, until the time is up; repeated
            in new processes                              repetitions.py
compare     repetitions → percentiles and ratios          timing/statistics.py
profile     components → their times, if asked for        timing/component_times.py
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
from stackc.benchmark.repetitions import (
    BenchmarkJob,
    OpenCandidate,
    RepetitionResult,
    open_candidates,
    time_repetition,
)
from stackc.benchmark.result import BenchmarkEntry, Result
from stackc.benchmark.targets import Target, build_target, read_target
from stackc.core.diagnostics import Collector, SpecError
from stackc.core.plurals import counted
from stackc.core.progress import Progress, no_progress
from stackc.frontend import Overrides
from stackc.runtime import Feeds, write_npz
from stackc.timing import Comparison, compare_candidates
from stackc.timing.component_times import ComponentTimes, time_components
from stackc.weights.files import Paths

ROUNDS = (20, 3000)
"""The minimum and maximum number of rounds, over all repetitions."""


@dataclass(frozen=True)
class BenchmarkOptions:
    """Options besides the plan: params, trusted code and weights of specs, sizes of dims, the seed of weights and
    inputs, the seconds to time and the number of repetitions to spread them over, whether to profile components and to
    flush denormals in ONNX Runtime, the baseline (None for the first candidate), and how far outputs may differ."""

    overrides: Overrides = field(default_factory=Overrides)
    dims: Mapping[str, int] = field(default_factory=dict)
    weights: Paths | None = None
    seed: int = 0
    seconds: float = 6.0
    repetitions: int = 3
    per_component: bool = False
    flush_denormals: bool = False
    baseline: str | None = None
    tolerance: float = TOLERANCE


def run_benchmark(paths: Sequence[Path], plan: BenchmarkPlan, options: BenchmarkOptions, report: Progress) -> Result:
    """Time all candidates of a plan. Raises SpecError if a stage fails, and then leaves no process or file behind."""
    targets = _read_targets(paths, plan, options)

    sizes = sizes_of(targets, options.dims)
    feeds = draw_inputs(targets, sizes, options.seed)
    inputs = {name: f"{array.dtype}{list(array.shape)}" for name, array in feeds.items()}
    report("draw", ", ".join(f"{name} {text}" for name, text in inputs.items()) or "no inputs")

    with tempfile.TemporaryDirectory(prefix="stackc-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_npz(folder / "inputs.npz", feeds)
        targets = _build_targets(paths, targets, options, folder, report)
        jobs = [
            _job(index, candidate, targets, folder, options)
            for index, candidate in enumerate(_candidates(plan, options))
        ]
        measured = _repeat(jobs, targets, options, report)
        components = _profiled(measured, targets, feeds, sizes, report) if options.per_component else {}

    repetitions = [result.repetition for result in measured.results]
    comparison = compare_candidates(measured.names, repetitions, baseline=options.baseline, seed=options.seed)
    entries = tuple(_entry(job.candidate, targets, measured, comparison) for job in measured.jobs)
    left_out = (*plan.left_out, *measured.left_out)
    return Result(entries, comparison, left_out, sizes, inputs, batch_of(targets, feeds), options.seed, components)


def _read_targets(paths: Sequence[Path], plan: BenchmarkPlan, options: BenchmarkOptions) -> list[Target]:
    """Read all targets. Raises SpecError with the problems of all of them."""
    diagnostics, targets = Collector(), []
    for label, path in zip(plan.labels, paths, strict=True):
        try:
            targets.append(read_target(label, path, options.overrides, options.weights, options.seed))
        except SpecError as error:
            diagnostics.extend(error)
    diagnostics.raise_if_any()
    return targets


def _build_targets(
    paths: Sequence[Path], targets: Sequence[Target], options: BenchmarkOptions, folder: Path, report: Progress
) -> list[Target]:
    """Return the targets, each with an ONNX file."""
    built = []
    for index, (path, target) in enumerate(zip(paths, targets, strict=True)):
        built.append(build_target(target, path, options.overrides, folder / f"target-{index}"))
        if target.module and target.model is None:
            report("build", f"{target.label}: {target.module.weights_note}")
    return built


def _candidates(plan: BenchmarkPlan, options: BenchmarkOptions) -> list[BenchmarkCandidate]:
    """Return the candidates of the plan; the baseline is never optional."""
    return [
        replace(candidate, optional=candidate.optional and candidate.name != options.baseline)
        for candidate in plan.candidates
    ]


def _job(
    index: int, candidate: BenchmarkCandidate, targets: Sequence[Target], folder: Path, options: BenchmarkOptions
) -> BenchmarkJob:
    """Create the folder and the task of a candidate."""
    job_folder, target = folder / f"candidate-{index}", targets[candidate.target]
    job_folder.mkdir()
    module = target.module if candidate.engine in MODULES else None
    source = module.spec if module else target.model
    assert source is not None, "specs are built by now, and a file has no module"

    task = WorkerTask(
        engine=candidate.engine,
        source=str(source.absolute()),
        provider=candidate.provider,
        threads=candidate.threads,
        inputs=str(folder / "inputs.npz"),
        outputs=str(job_folder / "outputs.npz"),
        flush_denormals=options.flush_denormals and candidate.engine == "onnx",
    )
    if module:
        paths = (module.weights,) if isinstance(module.weights, Path) else module.weights or ()
        weights = tuple(str(path.absolute()) for path in paths)
        task = replace(task, weights=weights, seed=module.seed, trust=module.trust, beside=str(module.beside))
    return BenchmarkJob(candidate, task, job_folder)


@dataclass(frozen=True)
class _Repetitions:
    """All repetitions: who took part, who did not, how their outputs compare, and what was measured."""

    jobs: tuple[BenchmarkJob, ...]
    left_out: tuple[LeftOut, ...]
    compared: Compared
    results: tuple[RepetitionResult, ...]

    @property
    def names(self) -> list[str]:
        """The names of the candidates, in order."""
        return [job.candidate.name for job in self.jobs]


def _repeat(
    jobs: Sequence[BenchmarkJob], targets: Sequence[Target], options: BenchmarkOptions, report: Progress
) -> _Repetitions:
    """Measure all repetitions, in alternating order, so that no candidate is always opened first."""
    with open_candidates(jobs, report) as (opened, left_out):
        compared = require_equal(opened, targets, options.tolerance)
        report("agree", equality_note(compared))
        measured = _Repetitions(tuple(candidate.job for candidate in opened), tuple(left_out), compared, ())
        measured = _add_repetition(measured, opened, options, report)

    while len(measured.results) < options.repetitions:
        order = measured.jobs[::-1] if len(measured.results) % 2 else measured.jobs
        with open_candidates(order, no_progress) as (opened, _):
            measured = _add_repetition(measured, opened, options, report)
    return measured


def _add_repetition(
    measured: _Repetitions, opened: Sequence[OpenCandidate], options: BenchmarkOptions, report: Progress
) -> _Repetitions:
    fewest, most = (math.ceil(rounds / options.repetitions) for rounds in ROUNDS)
    result = time_repetition(opened, measured.names, options.seconds / options.repetitions, (fewest, most))

    number, rounds = len(measured.results) + 1, len(result.repetition.seconds)
    report("time", f"repetition {number} of {options.repetitions}: {counted(rounds, 'round')}")
    return replace(measured, results=(*measured.results, result))


def _profiled(
    measured: _Repetitions, targets: Sequence[Target], feeds: Feeds, sizes: Mapping[str, int], report: Progress
) -> dict[str, ComponentTimes]:
    """Return the time of each component, by the candidate: those that run the ONNX file of a spec on the CPU."""
    components: dict[str, ComponentTimes] = {}
    for job in measured.jobs:
        candidate, target = job.candidate, targets[job.candidate.target]
        if (candidate.engine, candidate.provider) == ("onnx", "cpu") and target.module and target.model:
            program = target.module.checked.program
            entering = {name: feeds[name] for name in program.inputs}
            at = {name: sizes[name] for name in program.contract}
            components[candidate.name] = time_components(program, target.model, entering, at, candidate.threads)
            report("profile", f"{candidate.name}: {counted(components[candidate.name].runs, 'run')}")
    return components


def _entry(
    candidate: BenchmarkCandidate, targets: Sequence[Target], measured: _Repetitions, comparison: Comparison
) -> BenchmarkEntry:
    name, module = candidate.name, targets[candidate.target].module
    compared = measured.compared.get(name)
    return BenchmarkEntry(
        candidate=candidate,
        opened=tuple(result.opened[name] for result in measured.results),
        memory=tuple(result.memory[name] for result in measured.results),
        timing=comparison.timings[name],
        difference=compared if isinstance(compared, OutputDifference) else None,
        unequal=compared if isinstance(compared, str) else None,
        weights=module.weights_note if module and candidate.engine in MODULES else None,
    )
