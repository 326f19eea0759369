"""What is asserted of the speed of a file: times, the ratio to eager PyTorch, and nodes that are left to the CPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stackc.core.diagnostics import Collector, Note, Span
from stackc.core.plurals import counted
from stackc.ir.assertions import SPEED_FIGURES, Asserted, Assertion
from stackc.runtime import Session, placement
from stackc.timing.component_times import ComponentTimes
from stackc.timing.statistics import Comparison

CPU_NODES = "cpu_nodes"
RATIO = "ratio_to_eager"
BLAMED = 5
"""The components that a message names, at most."""
LEAST = 0.01
"""The share of the time below which a component is not named."""


@dataclass(frozen=True)
class SpeedFigures:
    """What was measured, by name, `note` at which sizes; `blame` has the components behind each figure, worst first."""

    values: Mapping[str, float]
    note: str
    blame: Mapping[str, Sequence[Note]]


def speed_figures(
    speed: Comparison | None,
    note: str,
    session: Session | None,
    spans: Mapping[str, Span],
    times: ComponentTimes | None,
    candidate: str = "onnx",
    baseline: str | None = "eager",
) -> SpeedFigures:
    """Return the figures of a candidate of a comparison, and of its session; those of what was left out are missing.

    `spans` has the places of all components, by path.
    """
    values: dict[str, float] = {}
    if speed is not None:
        timing = speed.timings[candidate]
        values |= {f"p{percent}_ms": timing.percentile(percent) * 1e3 for percent in (50, 90, 99)}
        if baseline is not None:
            values[RATIO] = timing.median / speed.timings[baseline].median
        if speed.disturbed:
            note += f", while other programs kept {speed.others:.1f} cores busy"

    slowest = tuple(_slowest(times)) if times else ()
    blame: dict[str, Sequence[Note]] = {name: slowest for name in SPEED_FIGURES if name != CPU_NODES}
    if session is not None:
        nodes = _nodes_on_cpu(session, spans)
        values[CPU_NODES] = sum(nodes.values())
        blame[CPU_NODES] = tuple(_most_nodes(nodes, spans))
    return SpeedFigures(values, note, blame)


def hold_speed(assertions: Iterable[Assertion], figures: SpeedFigures) -> tuple[Asserted, ...]:
    """Hold what was measured to its bounds. Raises SpecError R451 for each figure that is out of them.

    A figure that was not measured is not checked, and says so.
    """
    diagnostics, held = Collector(), []
    for assertion in assertions:
        figure = figures.values.get(assertion.name)
        if figure is None:
            held.append(Asserted(assertion, None, "is not checked: it was not measured"))
            continue
        note = "" if assertion.name == CPU_NODES else figures.note
        held.append(Asserted(assertion, figure, note))
        if not assertion.holds(figure):
            message = f"{assertion.name} is {figure:.4g} {note}".rstrip() + f", but {assertion.bounds} is asserted"
            notes = figures.blame.get(assertion.name, ())
            diagnostics.error("R451", message, assertion.span, _hint(assertion.name), *notes)
    diagnostics.raise_if_any()
    return tuple(held)


def _hint(name: str) -> str:
    if name == CPU_NODES:
        return "build it with `--provider cuda`, or rewrite these components; `--no-assert` builds it all the same"
    return "make these components faster, or change the bound; a build with `--no-assert` does not check it"


def _slowest(times: ComponentTimes) -> Iterator[Note]:
    for row in times.slowest_first()[:BLAMED]:
        if times.share(row) < LEAST:
            return
        yield Note(f"'{row.path}' ({row.op}) takes {row.seconds * 1e3:.3g} ms, {times.share(row):.0%}", row.span)


def _nodes_on_cpu(session: Session, spans: Mapping[str, Span]) -> dict[str, int]:
    """Return how many nodes of each component are on the CPU; those of no component under ""."""
    counts: dict[str, int] = {}
    for node in placement(session):
        if node.provider == "cpu":
            path = node.node.partition("/")[0]
            path = path if path in spans else ""
            counts[path] = counts.get(path, 0) + 1
    return counts


def _most_nodes(nodes: Mapping[str, int], spans: Mapping[str, Span]) -> Iterator[Note]:
    for path, count in sorted(nodes.items(), key=lambda item: -item[1])[:BLAMED]:
        if path in spans:
            yield Note(f"'{path}' has {counted(count, 'node')} on the CPU", spans[path])
