"""Choose the candidates: every target in every engine, on every provider, with every number of threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackc.benchmark.job import ENGINES, MODULES, Engine
from stackc.core.plurals import counted
from stackc.runtime import Provider
from stackc.runtime.openvino import INSTALL, has_openvino
from stackc.runtime.providers import choose
from stackc.spec.binary_kinds import is_model_file

OPTIONAL: tuple[Engine, ...] = ("compile", "openvino")
"""Left out, with the reason, if they fail and were not asked for."""

_Row = tuple[int, Engine, Provider, int]
"""Target, engine, provider and threads of a candidate."""


@dataclass(frozen=True, slots=True)
class BenchmarkCandidate:
    """One candidate by its name in tables and ratios; `target` is the index of its target."""

    name: str
    target: int
    engine: Engine
    provider: Provider
    reason: str
    threads: int
    optional: bool


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A candidate that does not take part, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class BenchmarkPlan:
    """The targets by their names in messages, and all candidates in order."""

    labels: tuple[str, ...]
    candidates: tuple[BenchmarkCandidate, ...]
    left_out: tuple[LeftOut, ...]


def plan_benchmark(
    paths: Sequence[Path], engines: Sequence[Engine], providers: Sequence[str], threads: Sequence[int]
) -> BenchmarkPlan:
    """Choose the candidates. If no engine is named, all that are installed take part.

    Raises SpecError (R400 to R404) if a provider does not open.
    """
    reasons: dict[Provider, str] = {}
    for name in providers:
        provider, reason = choose(name)
        reasons.setdefault(provider, reason)

    wanted = list(dict.fromkeys(engines or ENGINES))
    left_out: tuple[LeftOut, ...] = ()
    if not engines and not has_openvino():
        wanted.remove("openvino")
        left_out = (LeftOut("openvino", f"openvino is not installed: {INSTALL}"),)

    labels = _labels(paths)
    rows = _rows(paths, wanted, list(reasons), threads)
    candidates = tuple(
        BenchmarkCandidate(
            name,
            target,
            engine,
            provider,
            reasons.get(provider, "it runs only there"),
            count,
            not engines and engine in OPTIONAL,
        )
        for (target, engine, provider, count), name in zip(rows, _names(rows, labels), strict=True)
    )
    return BenchmarkPlan(labels, candidates, left_out)


def _labels(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return the last part of each path, or all of it if two end alike, with a number if two are the same."""
    ends = Counter(path.name for path in paths)
    names = [path.name if ends[path.name] == 1 else str(path) for path in paths]
    seen: Counter[str] = Counter()
    labels = []
    for name in names:
        seen[name] += 1
        labels.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return tuple(labels)


def _rows(
    paths: Sequence[Path], engines: Sequence[Engine], providers: list[Provider], threads: Sequence[int]
) -> list[_Row]:
    """Combine targets, engines, providers and threads; threads vary on the CPU only."""
    return [
        (target, engine, provider, count)
        for target, path in enumerate(paths)
        for engine in engines
        if not (engine in MODULES and is_model_file(path))
        for provider in _providers(engine, providers)
        for count in (dict.fromkeys(threads) if provider == "cpu" else threads[:1])
    ]


def _providers(engine: Engine, providers: list[Provider]) -> list[Provider]:
    """Return where an engine runs: a module on the devices of the providers, OpenVINO on the CPU."""
    if engine == "openvino":
        return ["cpu"]
    if engine in MODULES:
        return list(dict.fromkeys("cpu" if provider == "cpu" else "cuda" for provider in providers))
    return providers


def _names(rows: Sequence[_Row], labels: Sequence[str]) -> Iterator[str]:
    """Name each candidate by its engine and by everything else in which candidates differ."""
    several_targets = len(labels) > 1
    several_providers = len({provider for _, _, provider, _ in rows}) > 1
    several_counts = len({count for _, _, _, count in rows}) > 1
    for target, engine, provider, count in rows:
        words = [labels[target]] if several_targets else []
        words.append(engine)
        if several_providers and engine != "openvino":
            words.append(provider)
        if several_counts:
            words.append(counted(count, "thread"))
        yield " ".join(words)
