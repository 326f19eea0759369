"""Search the fastest file within a budget of error: uniform formats, mixed ones, other engines and settings.

prepare    the float32 file, as it is proven, and what PyTorch makes of all inputs
uniform    each format for everything that takes it
tables     by weight and format: the error at the outputs, the time of the product
mixed      assignments of the knapsack: the fastest, then others by bisection of their error
engines    OpenVINO, where it is installed
settings   threads, for the chosen file
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from stackc.cache import Cache
from stackc.core.plurals import counted
from stackc.core.progress import Progress
from stackc.frontend import Checked
from stackc.ir.budget import DEFAULT
from stackc.onnx_format.files import DATA, MODEL
from stackc.precision.assignment import Assignment, assign_format, kept_weights, takers
from stackc.precision.budget_proof import expect_outputs, require_outputs_of
from stackc.precision.formats import FORMATS, Format
from stackc.precision.quantize import ReducibleFile
from stackc.precision.request import Tuning
from stackc.precision.tuned import Tuned, TunedCandidate
from stackc.precision.user_data import read_user_data, user_draws
from stackc.precision.weighted_nodes import WeightedNode
from stackc.proof.components import Draw, Reference
from stackc.proof.points import MEASURED_FLOPS, draw_feeds, draws, timing_point
from stackc.runtime import Feeds, ValueInfo, open_session
from stackc.runtime.openvino import has_openvino, open_request
from stackc.tuning.kept_results import KeptResults, identity_of
from stackc.tuning.knapsack import STEPS, Choice, best_assignment, error_range, require_solver
from stackc.tuning.measure import Measurer
from stackc.tuning.tables import brought_errors, mixable_nodes, product_times, rows_entering
from stackc.tuning.task_budget import figures_of, task_budgets
from stackc.weights.sources import Weights


@dataclass(frozen=True)
class SearchSettings:
    """What files are run on and with: the provider, threads, the seed of drawn inputs, and where results are kept."""

    provider: str
    threads: int | None
    seed: int
    cache: Cache | None
    progress: Progress


def tune_file(
    folder: Path,
    checked: Checked,
    inputs: Sequence[ValueInfo],
    wanted: Tuning,
    reference: Reference,
    weights: Weights | None,
    settings: SearchSettings,
) -> Tuned:
    """Search from the proven float32 file in the folder, which stays as it is.

    Raises SpecError: P733 for names to keep, P737 for a budget that cannot be measured, R461 without a solver, and
    those of the user's data.
    """
    if wanted.mixed:
        require_solver()
    search = _Search.prepare(folder, checked, inputs, wanted, reference, weights, settings)
    found = list(search.told(search.uniform()))
    if wanted.mixed:
        found += search.told(search.mixed())
    found += search.told(search.engines())

    chosen = _fastest(found)
    formats = chosen.formats if chosen else {}
    found += search.told(search.settings_of(formats))
    return Tuned(_in_order(found, chosen, search.plain_bytes), search.measurer.budget, search.measured)


def _fastest(found: Sequence[TunedCandidate]) -> TunedCandidate | None:
    """Return the fastest file within the budget that is faster than float32 beyond noise; None if there is none."""
    faster = [each for each in found if each.formats and each.within and each.speed and each.speed.is_faster]
    return min(faster, key=lambda each: each.speed.ratio if each.speed else 1.0, default=None)


def _in_order(
    found: Sequence[TunedCandidate], chosen: TunedCandidate | None, plain_bytes: int
) -> tuple[TunedCandidate, ...]:
    """Return all candidates with their reasons, the chosen one first."""
    plain = TunedCandidate("float32", {}, cosine=1.0, max_error=0.0, relative=0.0, bytes=plain_bytes, within=True)
    first = replace(chosen, reason="chosen") if chosen else replace(plain, reason="chosen: no candidate is faster")
    rest = [replace(plain, reason="slower")] if chosen else []
    others = (each for each in found if each is not chosen)
    rest += [each if each.reason else replace(each, reason=_why_not(each, chosen)) for each in others]
    return (first, *rest)


def _why_not(candidate: TunedCandidate, chosen: TunedCandidate | None) -> str:
    """Return why a candidate within the budget is not the chosen one."""
    speed = candidate.speed
    assert speed is not None, "a candidate that was not timed has its reason"
    if candidate.engine != "onnx":
        return "another engine, for the float32 file: `stackc bench` times it"
    if not speed.is_faster:
        return "not faster than float32 beyond noise"
    return f"slower than {chosen.name}" if chosen else "not chosen"


Savings = dict[tuple[str, tuple[int, ...]], dict[str, float]]
"""By component and shape of a product, and by format: the seconds that it saves over float32."""


@dataclass(frozen=True, eq=False)
class _Search:
    """A search with everything that candidates are measured with."""

    checked: Checked
    folder: Path
    wanted: Tuning
    file: ReducibleFile
    measurer: Measurer
    settings: SearchSettings
    calibration: tuple[Feeds, ...]
    sizes: dict[str, int]
    kept: dict[str, None]
    measured: str

    @staticmethod
    def prepare(
        folder: Path, checked: Checked, inputs: Sequence[ValueInfo], wanted: Tuning, reference: Reference,
        weights: Weights | None, settings: SearchSettings,
    ) -> _Search:  # fmt: skip
        """Run the module on all inputs, and open the float32 file."""
        program, budget = checked.program, wanted.budget or checked.budget or DEFAULT
        require_outputs_of(budget, program)
        path = wanted.data or budget.data
        batches = read_user_data(path, inputs, program.contract) if path else ()
        tasks = task_budgets(checked, budget, path, inputs, weights)
        file = ReducibleFile.load(folder / MODEL, program, settings.provider, settings.threads)
        kept = kept_weights(file.nodes, wanted.kept)

        data = user_draws(path, batches, program) if path else []
        all_draws = [*draws(program, checked.ranges, seed=settings.seed), *data]
        at = data[0] if data else _drawn(checked, settings.seed)
        plain = open_session(folder / MODEL, settings.provider, threads=settings.threads)
        files = [each for name in (MODEL, DATA) if (each := folder / name).is_file()]
        data_files = [path] if path else []
        facts = (at[0], budget.metric, settings.provider, settings.threads, settings.seed, wanted.seconds)
        results = KeptResults(settings.cache, identity_of([*files, *data_files], *map(str, facts)))
        expected, figures = expect_outputs(reference, program, all_draws), figures_of(tasks, plain)
        measurer = Measurer(file, expected, plain, at[1], budget, tasks, figures, wanted.seconds, results)
        return _Search(
            checked, folder, wanted, file, measurer, settings, tuple(batches), dict(at[0].sizes), kept, str(at[0])
        )

    @property
    def plain_bytes(self) -> int:
        """The size of the float32 file."""
        return sum(each.stat().st_size for name in (MODEL, DATA) if (each := self.folder / name).is_file())

    def told(self, candidates: Iterator[TunedCandidate]) -> Iterator[TunedCandidate]:
        """Report each candidate as soon as it is measured."""
        for candidate in candidates:
            self.settings.progress("tune", _summary(candidate))
            yield candidate

    def uniform(self) -> Iterator[TunedCandidate]:
        """Give every weight that takes it one format."""
        for format in FORMATS:
            if format == "int8-static" and not self.calibration:
                yield TunedCandidate(format, {}, reason="needs data to measure ranges on: `--data FILE.npz`")
            elif not any(node.initializer not in self.kept for node in takers(self.file.nodes, format)):
                yield TunedCandidate(format, {}, reason="no weight takes it")
            else:
                assignment = assign_format(self.file.nodes, format, self.wanted.kept, strict=False)
                yield self.measurer.of_assignment(format, assignment, self.calibration)

    def mixed(self) -> Iterator[TunedCandidate]:
        """Yield assignments of the knapsack: the fastest, then by bisection of the error that they may bring.

        What that error comes to at the outputs is seen only there, so each is made, run and held to the budget.
        """
        choices = self._choices()
        if (ends := error_range(choices)) is None:
            yield TunedCandidate("mixed", {}, reason="no product takes less time in another format")
            return

        low, high = math.log(ends[0]), math.log(ends[1])
        limit, tried = math.inf, dict[frozenset[tuple[str, Format]], bool]()
        for _ in range(STEPS):
            assignment = best_assignment(choices, limit)
            key = frozenset(assignment.items())
            if assignment and key not in tried:
                candidate = self.measurer.of_assignment(f"mixed {len(tried) + 1}", assignment)
                tried[key] = candidate.within
                yield candidate
            if limit == math.inf and tried[key]:
                return
            if limit < math.inf:
                low, high = (math.log(limit), high) if not assignment or tried[key] else (low, math.log(limit))
            limit = math.exp((low + high) / 2.0)

    def _choices(self) -> list[Choice]:
        """Return the tables of errors and times as choices of the knapsack."""
        nodes_of = {format: nodes for format, nodes in mixable_nodes(self.file, self.kept).items() if nodes}
        saved = self._savings(nodes_of)
        choices = []
        for format, nodes in nodes_of.items():
            budget = self.measurer.budget
            compute = partial(brought_errors, self.file, format, nodes, self.measurer.feeds, budget)
            errors, _ = self.measurer.results.get(f"errors {format} {sorted(self.kept)} {budget.outputs}", compute)
            for weight, error in errors.items():
                gain = sum(saved[node.path, node.shape][format] for node in nodes if node.initializer == weight)
                choices.append(Choice(weight, format, gain, error))
        return choices

    def _savings(self, nodes_of: Mapping[Format, Sequence[WeightedNode]]) -> Savings:
        saved: Savings = {}
        for node in dict.fromkeys(node for nodes in nodes_of.values() for node in nodes):
            rows = rows_entering(self.checked.program, node.path, self.sizes)
            settings = self.settings.provider, self.settings.threads, self.wanted.seconds / 4
            compute = partial(product_times, rows, node.shape, tuple(nodes_of), *settings)
            times, _ = self.measurer.results.get(f"product {rows} {node.shape} {sorted(nodes_of)}", compute)
            saved[node.path, node.shape] = {name: times["float32"] - seconds for name, seconds in times.items()}
        return saved

    def engines(self) -> Iterator[TunedCandidate]:
        """Run the float32 file in OpenVINO, in float32 and in bfloat16."""
        if not has_openvino():
            yield TunedCandidate("openvino", {}, "openvino", reason="openvino is not installed: pip install openvino")
            return
        threads = self.settings.threads or os.cpu_count() or 1
        for name, bfloat16 in (("openvino float32", False), ("openvino bfloat16", True)):
            model, feeds = self.folder / MODEL, self.measurer.feeds
            start = partial(open_request, model, feeds, threads, bfloat16=bfloat16)
            yield self.measurer.of_engine(name, "openvino", start)

    def settings_of(self, formats: Assignment) -> Iterator[TunedCandidate]:
        """Open the chosen file with fewer threads. On denormals a process decides once (decision 101)."""
        model = self.file.reduce(formats, self.calibration).SerializeToString() if formats else self.folder / MODEL
        provider, threads = self.settings.provider, self.settings.threads or os.cpu_count() or 1
        plain = open_session(model, provider, threads=self.settings.threads)
        for fewer in sorted({1, threads // 2} - {0, threads}):
            session = open_session(model, provider, threads=fewer)
            candidate = self.measurer.of_setting(f"chosen, {counted(fewer, 'thread')}", formats, session, plain)
            yield _setting(candidate, f"--threads {fewer}")


def _drawn(checked: Checked, seed: int) -> Draw:
    point = timing_point(checked.program, MEASURED_FLOPS)
    return point, draw_feeds(checked.program, checked.ranges, point, seed=seed)


def _setting(candidate: TunedCandidate, option: str) -> TunedCandidate:
    """Say what to do with a setting; it is none of the file's, so it is not chosen."""
    faster = candidate.speed is not None and candidate.speed.is_faster and candidate.within
    reason = f"the chosen file is faster with it: `{option}`" if faster else "no faster than the chosen file without it"
    return replace(candidate, engine="setting", reason=candidate.reason or reason)


def _summary(candidate: TunedCandidate) -> str:
    """Say in a line what was measured of a candidate."""
    if candidate.speed is None:
        return f"{candidate.name}: {candidate.reason}"
    kept = ", kept from an earlier run" if candidate.kept else ""
    ratio = f"{candidate.speed.ratio:.2f} of the time"
    within = "within the budget" if candidate.within else candidate.reason
    return f"{candidate.name}: {ratio}, {within}{kept}"
