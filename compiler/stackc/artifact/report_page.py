"""Write report.html: the drawing, proof, speed, size and origin of an artifact, on one self-contained page."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from stackc.artifact.manifest import Manifest
from stackc.artifact.overlays import measured_overlays
from stackc.core.plurals import counted
from stackc.core.types import DimRange
from stackc.core.value_range import ValueRange
from stackc.frontend import Checked
from stackc.ir.assertions import Asserted
from stackc.view.figures import bytes_text, parameters_text, sum_text
from stackc.view.html import page_data, render_page
from stackc.view.pareto import ParetoPoint, draw_pareto

if TYPE_CHECKING:
    from stackc.precision.figures import OutputError
    from stackc.precision.quantize import ReducedPrecision
    from stackc.precision.tuned import Tuned, TunedCandidate
    from stackc.proof.points import Point
    from stackc.proof.report import ComponentRow, Parity, ParityRow, ReferenceRow
    from stackc.proof.tolerance import Verdict
    from stackc.runtime import ValueInfo
    from stackc.timing import Comparison
    from stackc.timing.component_times import ComponentTimes

MOST_ROWS = 1000
"""The most rows of a table; parity.json has all of them."""


@dataclass(frozen=True)
class Findings:
    """The proof, the timing and its point, the time of each component, what the spec asserts, and the precision.

    None stands for what was left out, and for the precision of a file in float32.
    """

    parity: Parity | None = None
    speed: Comparison | None = None
    measured: Point | None = None
    components: ComponentTimes | None = None
    asserted: tuple[Asserted, ...] = ()
    precision: ReducedPrecision | None = None


def write_report(checked: Checked, manifest: Manifest, findings: Findings, folder: Path) -> str:
    """Return the page of an artifact whose other files, except for the manifest, are already in `folder`.

    Raises SpecError (V101, V102).
    """
    overlays = measured_overlays(checked, findings.parity, findings.components)
    view = page_data(checked.typed, checked.sources, 1, overlays=overlays) | {"quiet": True, "scrolls": True}

    return render_page(
        "report.html",
        title=manifest.name,
        view=view,
        proof=_proof_section(findings.parity, random=manifest.weights is None),
        speed=_speed_section(findings.speed, findings.measured),
        times=_time_section(findings.components),
        precision=_precision_section(findings.precision),
        asserted=[_asserted_row(asserted) for asserted in findings.asserted],
        parameters=parameters_text(checked.cost.parameters),
        flops=sum_text(checked.cost.flops),
        files=_files(folder),
        dims=[(name, *_range(limits)) for name, limits in manifest.dims.items()],
        values=[
            ("input", [_value(value, manifest.assumptions.get(value.name, "")) for value in manifest.inputs]),
            ("output", [_value(value) for value in manifest.outputs]),
        ],
        facts=_facts(manifest),
        sources=_sources(manifest),
    )


def _proof_section(parity: Parity | None, *, random: bool) -> dict[str, Any] | None:
    """Return the tables of the proof, worst rows first; None if the build left it out."""
    if parity is None:
        return None
    from stackc.proof.coverage import coverage_text, gap_lines
    from stackc.proof.report import worst_first

    rows, components = worst_first(parity.rows), parity.by_component()
    return {
        "distance": _ratio(max((row.verdict for row in parity.declared), key=lambda v: (v.determined or 0.0, v.ratio))),
        "count": len(rows),
        "random": random,
        "uncompared": ", ".join(parity.uncompared),
        "rows": [_output_row(row) for row in rows[:MOST_ROWS]],
        "components": [_component_row(row) for row in components[:MOST_ROWS]],
        "sizes": coverage_text(parity.coverage),
        "gaps": gap_lines(parity.coverage),
        "probes": [_component_row(row) for row in worst_first(parity.probes)[:MOST_ROWS]],
        "hidden": sum(max(0, len(each) - MOST_ROWS) for each in (rows, components, parity.probes)),
        "tensors": counted(parity.tensors, "tensor"),
        "reference": [_reference_row(row) for row in parity.reference[:MOST_ROWS]],
    }


def _output_row(row: ParityRow) -> dict[str, Any]:
    return {"name": row.output, "point": str(row.point), "line": _file_and_line(row.place), **_distances(row.verdict)}


def _component_row(row: ComponentRow) -> dict[str, Any]:
    inherited = "–" if row.inherited is None else _number(row.inherited)
    origin = {"path": row.path, "op": row.op, "point": str(row.point), "line": _file_and_line(str(row.span))}
    return origin | {"inherited": inherited, **_distances(row.verdict)}


def _reference_row(row: ReferenceRow) -> dict[str, str]:
    distances = {"distance": _number(row.verdict.onnx), "allowed": _number(row.verdict.allowed)}
    return {"name": row.output, "case": row.case, **distances, "numbers": f"{row.verdict.numbers:,}"}


def _distances(verdict: Verdict) -> dict[str, str]:
    from stackc.proof.report import numbers_text

    numbers = {"torch": verdict.torch, "onnx": verdict.onnx, "allowed": verdict.allowed}
    used = f"{100 * min(1.0, verdict.used):.0f}%"
    return {name: _number(number) for name, number in numbers.items()} | {
        "ratio": _ratio(verdict) if verdict.numbers else "–",
        "used": used,
        "numbers": numbers_text(verdict),
    }


def _number(number: float) -> str:
    """Write a distance with two digits, `0` if it is exact."""
    return "–" if math.isnan(number) else f"{number:.1e}" if number else "0"


def _ratio(verdict: Verdict) -> str:
    """Write the ratio to PyTorch's error, `1.2×`, or a phrase.

    There is a phrase if PyTorch has no error to compare with, or float32 does not determine the output.
    """
    from stackc.proof.report import determined_text

    if verdict.determined is not None:
        return determined_text(verdict.determined)
    if verdict.torch == 0.0:
        return "PyTorch is exact" if verdict.onnx else "exact"
    return f"{verdict.ratio:.1f}×"


def _file_and_line(span: str) -> str:
    """Return the file, without its folder, and the line."""
    return Path(span).name


def _speed_section(speed: Comparison | None, point: Point | None) -> dict[str, Any] | None:
    """Return percentiles in milliseconds and the ratio; None if the build left the timing out."""
    if speed is None:
        return None

    rows = [
        (name, *(f"{timing.percentile(p) * 1e3:.3g}" for p in (50, 90, 99)), len(timing.seconds))
        for name, timing in speed.timings.items()
    ]
    ratio = speed.ratios[0]
    return {
        "point": str(point) if point else "",
        "rows": rows,
        "ratio": f"{ratio.value:.2f}×",
        "interval": f"{ratio.low:.2f} to {ratio.high:.2f}",
        "verdict": ratio.verdict,
        "others": None if speed.others is None else f"{speed.others:.1f}",
    }


def _time_section(times: ComponentTimes | None) -> dict[str, Any] | None:
    """Return the table of component times, slowest first; None if they were not measured."""
    if times is None:
        return None
    from stackc.timing.time_table import time_rows, time_summary

    hidden = max(0, len(times.rows) - MOST_ROWS)
    return {"summary": time_summary(times), "rows": time_rows(times, MOST_ROWS), "hidden": hidden}


def _precision_section(precision: ReducedPrecision | None) -> dict[str, Any] | None:
    """Return what the weights have become, and the errors of outputs and components, the largest first."""
    if precision is None:
        return None
    rows = sorted(precision.rows, key=lambda row: -row.error.relative)
    return {
        "summary": precision.describe(),
        "rows": [(row.output, str(row.point), *_error(row.error)) for row in rows[:MOST_ROWS]],
        "tuned": _tuning_section(precision.tuned),
        "components": [
            (each.path, each.op, ", ".join(each.formats), _file_and_line(str(each.span)), *_error(each.error))
            for each in precision.components[:MOST_ROWS]
        ],
    }


def _tuning_section(tuned: Tuned | None) -> dict[str, Any] | None:
    """Return every candidate of a search, the chosen one first, and the picture of speed against error."""
    if tuned is None:
        return None
    points = [
        ParetoPoint(
            each.name, each.speed.ratio if each.speed else 1.0, each.relative, each.within, each is tuned.chosen
        )
        for each in tuned.candidates
        if each.relative is not None and each.engine != "setting"
    ]
    return {
        "summary": tuned.describe(),
        "measured": tuned.measured,
        "picture": Markup(draw_pareto(points)),
        "rows": [_candidate_row(each) for each in tuned.candidates],
    }


def _candidate_row(candidate: TunedCandidate) -> tuple[str, ...]:
    from stackc.precision.figures import cosine_text

    speed, cosine = candidate.speed, candidate.cosine
    return (
        candidate.name,
        f"{speed.milliseconds:.3g}" if speed else "–",
        f"{speed.ratio:.2f}×" if speed else "–",
        "–" if candidate.max_error is None else _number(candidate.max_error),
        "–" if cosine is None else cosine_text(cosine),
        "–" if candidate.bytes is None else bytes_text(candidate.bytes),
        candidate.reason,
    )


def _error(error: OutputError) -> tuple[str, str, str]:
    from stackc.precision.figures import cosine_text

    return _number(error.max_error), cosine_text(error.cosine), f"{error.relative:.2%}"


def _asserted_row(asserted: Asserted) -> tuple[str, str, str, str]:
    figure = "–" if asserted.figure is None else f"{asserted.figure:.6g}"
    return asserted.assertion.name, asserted.assertion.bounds, figure, asserted.note


def _files(folder: Path) -> list[tuple[str, str, int]]:
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    return [(name, bytes_text(size), size) for name, size in sizes.items()]


def _range(limits: DimRange) -> tuple[str, str, str]:
    most = "any" if limits.maximum is None else str(limits.maximum)
    return str(limits.minimum), most, str(limits.multiple_of)


def _value(value: ValueInfo, assumption: str = "") -> tuple[str, str, str, str]:
    allowed = "; ".join(filter(None, [_allowed(value.allowed), assumption]))
    return value.name, value.dtype, f"[{_listed(value.shape)}]", allowed


def _allowed(allowed: ValueRange | None) -> str:
    """Describe the values that an input may hold; empty if it may hold any."""
    if allowed is None:
        return ""
    if allowed.choices:
        return f"one of {_listed(allowed.choices)}"
    if allowed.size is not None:
        return f"0 to {allowed.size} − 1"
    if allowed.minimum is None or allowed.maximum is None:
        return f"at least {allowed.minimum}" if allowed.maximum is None else f"at most {allowed.maximum}"
    return f"{allowed.minimum} to {allowed.maximum}"


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def _sources(manifest: Manifest) -> list[tuple[str, str, str]]:
    """Return kind, name and hash of each file that the artifact was built from; random weights have no file."""
    files = (("spec", manifest.spec), ("code", manifest.code), ("weights", manifest.weights or {}))
    rows = [(kind, name, digest) for kind, hashes in files for name, digest in hashes.items()]
    if manifest.weights is None:
        rows.append(("weights", "random" if manifest.seed is None else f"random, seed {manifest.seed}", ""))
    return rows


def _facts(manifest: Manifest) -> list[tuple[str, str]]:
    return [
        ("opset", str(manifest.opset)),
        ("target", manifest.target),
        ("precision", manifest.format),
        ("provider", manifest.provider or "none"),
        ("reason", manifest.reason),
        *manifest.versions.items(),
    ]
