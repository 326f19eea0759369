"""Hold the ONNX files of a benchmark to bounds of their speed."""

from __future__ import annotations

from collections.abc import Sequence

from stackc.benchmark.candidates import BenchmarkCandidate
from stackc.benchmark.result import Result
from stackc.core.diagnostics import Collector, SpecError
from stackc.ir.assertions import Asserted, Assertion
from stackc.timing.speed_assertions import CPU_NODES, RATIO, hold_speed, speed_figures
from stackc.view.overlays import point_text


def unmeasured(assertions: Sequence[Assertion], candidates: Sequence[BenchmarkCandidate]) -> str | None:
    """Say why a figure cannot be measured by these candidates; None if all can."""
    names = {assertion.name for assertion in assertions}
    files = [candidate for candidate in candidates if candidate.engine == "onnx"]
    if not files:
        return "--assert holds ONNX Runtime to its figures, which --only leaves out"
    if CPU_NODES in names:
        return f"{CPU_NODES} is a figure of `stackc build --assert`"
    alone = next((candidate for candidate in files if _eager_beside(candidate, candidates) is None), None)
    if RATIO in names and alone is not None:
        return f"{RATIO} needs eager PyTorch beside '{alone.name}': a spec or an artifact, and --only eager,onnx"
    return None


def hold_files(result: Result, assertions: Sequence[Assertion]) -> tuple[Asserted, ...]:
    """Hold every candidate that runs an ONNX file in ONNX Runtime to its bounds.

    Raises SpecError R451 for each figure that is out of them.
    """
    candidates = [entry.candidate for entry in result.entries]
    diagnostics, held = Collector(), list[Asserted]()
    for candidate in candidates:
        if candidate.engine != "onnx":
            continue
        eager, times = _eager_beside(candidate, candidates), result.components.get(candidate.name)
        note = f"of '{candidate.name}' at {point_text(result.sizes)}"
        figures = speed_figures(result.comparison, note, None, {}, times, candidate.name, eager)
        try:
            held += hold_speed(assertions, figures)
        except SpecError as error:
            diagnostics.extend(error)
    diagnostics.raise_if_any()
    return tuple(held)


def _eager_beside(candidate: BenchmarkCandidate, candidates: Sequence[BenchmarkCandidate]) -> str | None:
    """Return the name of the eager module of the same target, with as many threads; None if there is none."""
    beside = (
        other.name
        for other in candidates
        if (other.engine, other.target, other.threads) == ("eager", candidate.target, candidate.threads)
    )
    return next(beside, None)
