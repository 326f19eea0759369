"""Time a model beside its eager module, both with the same number of threads, at one point of its dims."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from stackc.core.torch_threads import torch_threads
from stackc.core.value_range import ValueRange
from stackc.ir.program import Program
from stackc.proof.eager import tensor_of
from stackc.proof.points import MEASURED_FLOPS, Point, draw_feeds, timing_point
from stackc.runtime import open_session
from stackc.timing.candidates import eager_candidate, session_candidate
from stackc.timing.interleave import measure_briefly
from stackc.timing.statistics import Comparison


def measure_beside_eager(
    program: Program,
    ranges: Mapping[str, ValueRange],
    module: nn.Module,
    model: Path,
    provider: str,
    threads: int,
    seed: int,
) -> tuple[Comparison, Point]:
    """Time the module and a session of the file in turns; return the point they were timed at, too."""
    point = timing_point(program, MEASURED_FLOPS)
    feeds = draw_feeds(program, ranges, point, seed=seed)
    inputs = [tensor_of(feeds[name]) for name in program.inputs]
    session = open_session(model, provider, threads=threads)
    candidates = {"eager": eager_candidate(module, inputs), "onnx": session_candidate(session, feeds)}
    with torch_threads(threads):
        return measure_briefly(candidates), point
