"""What takes part: every target in every engine, on every provider, with every number of threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackc.benchmark.job import ENGINES, MODULES, Engine
from stackc.runtime import Provider
from stackc.runtime.openvino import INSTALL, has_openvino
from stackc.runtime.providers import choose

OPTIONAL: tuple[Engine, ...] = ("compile", "openvino")
"""Left out, with a word, where they do not work and were not asked for."""


@dataclass(frozen=True, slots=True)
class BenchmarkCandidate:
    """One candidate by the name that tables and ratios have for it; `target` is the number of its target."""

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
    """The targets by the names that messages have for them, and all that takes part, in order."""

    labels: tuple[str, ...]
    candidates: tuple[BenchmarkCandidate, ...]
    left_out: tuple[LeftOut, ...]


def plan_benchmark(
    paths: Sequence[Path], engines: Sequence[Engine], providers: Sequence[str], threads: Sequence[int]
) -> BenchmarkPlan:
    """What takes part. Engines are all that work here where none are named.

    Raises SpecError where a provider does not open (R400 to R404).
    """
    found: dict[Provider, str] = {}
    for name in providers:
        provider, reason = choose(name)
        found.setdefault(provider, reason)
    wanted = list(dict.fromkeys(engines or ENGINES))
    left_out: tuple[LeftOut, ...] = ()
    if not engines and not has_openvino():
        wanted.remove("openvino")
        left_out = (LeftOut("openvino", f"openvino is not installed: {INSTALL}"),)
    labels = _labels(paths)
    rows = [
        (target, engine, provider, count)
        for target, path in enumerate(paths)
        for engine in wanted
        if not (engine in MODULES and is_model_file(path))
        for provider in _providers(engine, list(found))
        for count in (dict.fromkeys(threads) if provider == "cpu" else threads[:1])
    ]
    several = len(paths) > 1, len({row[2] for row in rows}) > 1, len({row[3] for row in rows}) > 1
    candidates = tuple(
        BenchmarkCandidate(
            " ".join(_parts(labels[target], engine, provider, count, several)),
            target, engine, provider, found.get(provider, "it runs nowhere else"), count,
            not engines and engine in OPTIONAL,
        )
        for target, engine, provider, count in rows
    )  # fmt: skip
    return BenchmarkPlan(labels, candidates, left_out)


def is_model_file(path: Path) -> bool:
    """Whether a target is an ONNX file, and not a spec or an artifact."""
    return path.suffix.lower() == ".onnx"


def _labels(paths: Sequence[Path]) -> tuple[str, ...]:
    """The last part of each path, the whole of it where two end alike, with a number where two are the same."""
    ends = Counter(path.name for path in paths)
    names = [path.name if ends[path.name] == 1 else str(path) for path in paths]
    seen: Counter[str] = Counter()
    labels = []
    for name in names:
        seen[name] += 1
        labels.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return tuple(labels)


def _providers(engine: Engine, asked: list[Provider]) -> list[Provider]:
    """Where an engine runs: a module on the devices of the providers, OpenVINO on the CPU."""
    if engine == "openvino":
        return ["cpu"]
    if engine in MODULES:
        return list(dict.fromkeys("cpu" if provider == "cpu" else "cuda" for provider in asked))
    return asked


def _parts(
    label: str, engine: Engine, provider: Provider, threads: int, several: tuple[bool, bool, bool]
) -> Iterator[str]:
    """The words of a name: only those in which candidates differ, and the engine."""
    targets, providers, counts = several
    if targets:
        yield label
    yield engine
    if providers and engine != "openvino":
        yield provider
    if counts:
        yield f"{threads} thread{'s' if threads > 1 else ''}"
