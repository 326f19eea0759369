"""How much a fault changes: the distance from the truth as a multiple of what is allowed, at many inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tests.benchmarks.mutants.settings import Subject

from stackc.core.diagnostics import SpecError
from stackc.ir.program import Call
from stackc.proof.component_subgraph import ComponentSubgraph, ModelUnderTest
from stackc.proof.eager import ForwardPass, run_call, run_eager
from stackc.proof.jitter import call_spread, model_spread
from stackc.proof.points import Point
from stackc.proof.stamped_model import StampedModel
from stackc.proof.tolerance import judge
from stackc.runtime import Array, open_session

LONG = 1024  # positions


@dataclass(frozen=True, eq=False)
class Probe:
    """Inputs, and what the module computes of them in both precisions; `spread` and `original` by output."""

    feeds: dict[str, Array]
    single: ForwardPass
    truth: ForwardPass
    spread: dict[str, Array]
    original: dict[str, Array]


@dataclass(frozen=True)
class Effect:
    """The largest effect at an output, and at a component that the fault is planted in, in units of what is allowed.

    Both are 0 if nothing differs from the original at any probe.
    """

    output: float
    component: float

    @property
    def equal(self) -> bool:
        return self.largest == 0

    @property
    def largest(self) -> float:
        return max(self.output, self.component)


def probes(subject: Subject, original: Path) -> list[Probe]:
    """Run the module at sizes and values that faults may show at, most of which no proof draws."""
    program, reference = subject.checked.program, subject.reference
    session = open_session(original, "cpu", threads=1)
    done = []
    for feeds in _feeds(subject):
        every = frozenset(program.types)
        single = run_eager(reference.single, feeds, program, keep=every)
        truth = run_eager(reference.double, feeds, program, torch.float64)
        spread = _spread(subject, feeds)
        done.append(Probe(feeds, single, truth, spread, session.run(feeds)))
    return done


def _spread(subject: Subject, feeds: dict[str, Array]) -> dict[str, Array]:
    """Return the spread of every output; zeros where inputs are so long that nine passes take minutes."""
    program, double = subject.checked.program, subject.reference.double
    if max(size for x in feeds.values() for size in x.shape) > LONG:
        done = run_eager(double, feeds, program, torch.float64)
        return {name: np.zeros(x.shape) for name, x in done.outputs.items()}
    return model_spread(double, feeds, program, dict(program.outputs), {})


def measure(subject: Subject, original: Path, mutant: Path, paths: frozenset[str], probed: list[Probe]) -> Effect:
    """Run a mutant at every probe, and the changed components by themselves on the module's values."""
    outputs = 0.0
    try:
        session = open_session(mutant, "cpu", threads=1)
        for probe in probed:
            results = session.run(probe.feeds)
            outputs = max(outputs, *(_used(probe, name, results[name]) for name in subject.checked.program.outputs))
    except SpecError:
        return Effect(np.inf, np.inf)

    calls = [call for call in subject.checked.program.calls if call.path in paths]
    before, after = (_shares(subject, path, calls, probed) for path in (original, mutant))
    return Effect(outputs, max((share for old, share in zip(before, after, strict=True) if share != old), default=0.0))


def _used(probe: Probe, name: str, result: Array) -> float:
    """Return the share of the allowance that a result uses; 0 for the original's result itself."""
    if np.array_equal(result, probe.original[name], equal_nan=True):
        return 0.0
    single, truth = probe.single.outputs[name], probe.truth.outputs[name]
    return judge(result, single, truth, frozenset(("nan", "inf", "-inf")), probe.spread[name]).used


def _shares(subject: Subject, path: Path, calls: list[Call], probed: list[Probe]) -> list[float]:
    """Return the share of its allowance that each value of each component uses at each probe."""
    program, double = subject.checked.program, subject.reference.double
    under_test = ModelUnderTest(StampedModel.load(path, program), "cpu", 1)
    shares = []
    for call in calls:
        subgraph = ComponentSubgraph.of(under_test, call)
        for probe in probed:
            values = probe.single.values
            truth = dict(zip(call.outputs, run_call(double, call, values, torch.float64), strict=True))
            verdicts = subgraph.verdicts(values, truth, partial(call_spread, double, call, values))
            shares += [verdict.used for verdict in verdicts.values()]
    return shares


def _feeds(subject: Subject) -> Iterator[dict[str, Array]]:
    """Yield inputs: small and largest sizes, all ids, masks of each kind, floats of several scales and shifts."""
    contract = subject.checked.program.contract
    least = {name: limits.least for name, limits in contract.items()}
    most = {
        name: (limits.maximum or 40) // limits.multiple_of * limits.multiple_of for name, limits in contract.items()
    }
    middle = {name: max(least[name], min(most[name], 5 * limits.multiple_of)) for name, limits in contract.items()}
    seven = {name: max(least[name], min(most[name], 7 * limits.multiple_of)) for name, limits in contract.items()}
    wide = {**most, **{name: least[name] for name in list(contract)[:1] if len(contract) > 1}}

    yield _draw(subject, middle, 1, "random")
    yield _draw(subject, seven, 2, "full")
    yield _draw(subject, wide, 3, "random")
    if max(most.values()) <= LONG:
        yield _draw(subject, most, 4, "all")
    yield _draw(subject, middle, 5, "empty")
    yield _draw(subject, middle, 6, "not first")
    yield _draw(subject, middle, 7, "not last")
    if any(type_.is_float for type_ in subject.checked.program.inputs.values()):
        for scale, shift in ((1e-3, 0.0), (1e2, 0.0), (1.0, 100.0), (1.0, -100.0), (0.0, 0.0)):
            feeds = _draw(subject, middle, 8, "random")
            yield {name: _scaled(x, scale, shift) if x.dtype == np.float32 else x for name, x in feeds.items()}


def _scaled(array: Array, scale: float, shift: float) -> Array:
    return np.asarray(array * np.float32(scale) + np.float32(shift))


def _draw(subject: Subject, sizes: dict[str, int], seed: int, kind: str) -> dict[str, Array]:
    point, random = Point(kind, sizes), np.random.default_rng(seed)
    feeds: dict[str, Array] = {}
    for name, type_ in subject.checked.program.inputs.items():
        shape = tuple(dim.evaluate(point.sizes) for dim in type_.shape)
        if type_.is_float:
            feeds[name] = random.standard_normal(shape).astype(type_.dtype)
            continue
        allowed = subject.checked.ranges[name]
        below = allowed.below or 2
        if allowed.choices or below == 2:
            feeds[name] = _mask(shape, kind, random).astype(type_.dtype)
        elif kind == "all":
            feeds[name] = (np.arange(int(np.prod(shape))).reshape(shape) % below).astype(type_.dtype)
        else:
            feeds[name] = random.integers(0, below, shape).astype(type_.dtype)
    return feeds


def _mask(shape: tuple[int, ...], kind: str, random: np.random.Generator) -> Array:
    mask = random.integers(0, 2, shape)
    if kind in ("full", "all", "empty"):
        mask = np.full(shape, 0 if kind == "empty" else 1)
    if kind.startswith("not"):
        mask = np.ones(shape, int)
        mask[..., 0 if kind == "not first" else -1] = 0
    return mask
