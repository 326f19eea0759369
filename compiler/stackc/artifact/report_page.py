"""report.html: what an artifact is, whether it is proven, how fast it is and what it takes, on one page by itself."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackc.artifact.manifest import Manifest
from stackc.core.types import DimRange, ValueRange
from stackc.frontend import Checked
from stackc.view.figures import bytes_text, parameters_text, sum_text
from stackc.view.html import page_data, render_page

if TYPE_CHECKING:
    from stackc.proof.points import Point
    from stackc.proof.report import ComponentRow, Parity, ParityRow
    from stackc.proof.tolerance import Verdict
    from stackc.runtime import ValueInfo
    from stackc.timing import Comparison

MOST_ROWS = 1000
"""Rows of a table; parity.json has all of them."""


@dataclass(frozen=True)
class Findings:
    """What was found of a model; None where it was not asked: the proof, the timing and the sizes it was taken at."""

    parity: Parity | None = None
    speed: Comparison | None = None
    measured: Point | None = None


def write_report(checked: Checked, manifest: Manifest, findings: Findings, folder: Path) -> str:
    """The page of an artifact whose other files, but for the manifest, are in `folder` already.

    Raises SpecError (V101, V102).
    """
    view = page_data(checked.typed, checked.sources, depth=1) | {"quiet": True, "scrolls": True}
    return render_page(
        "report.html",
        title=manifest.name,
        view=view,
        proof=_proof(findings.parity, random=manifest.weights is None),
        speed=_speed(findings.speed, findings.measured),
        parameters=parameters_text(checked.cost.parameters),
        flops=sum_text(checked.cost.flops),
        files=_files(folder),
        dims=[(name, *_range(limits)) for name, limits in manifest.dims.items()],
        values=[("input", list(map(_value, manifest.inputs))), ("output", list(map(_value, manifest.outputs)))],
        facts=_facts(manifest),
        hashes=[("spec", manifest.spec), ("code", manifest.code), ("weights", manifest.weights or {})],
    )


def _proof(parity: Parity | None, *, random: bool) -> dict[str, Any] | None:
    if parity is None:
        return None
    from stackc.proof.report import worst_first

    rows, components = worst_first(parity.rows), parity.by_component()
    return {
        "distance": _ratio(max((row.verdict for row in rows), key=lambda v: (v.determined or 0.0, v.ratio))),
        "count": len(rows),
        "random": random,
        "uncompared": ", ".join(parity.uncompared),
        "rows": [_row(row) for row in rows[:MOST_ROWS]],
        "components": [_component(row) for row in components[:MOST_ROWS]],
        "hidden": max(0, len(rows) - MOST_ROWS) + max(0, len(components) - MOST_ROWS),
    }


def _row(row: ParityRow) -> dict[str, Any]:
    return {"name": row.output, "point": str(row.point), "place": _line(row.place), **_distances(row.verdict)}


def _component(row: ComponentRow) -> dict[str, Any]:
    inherited = "–" if row.inherited is None else _number(row.inherited)
    named = {"path": row.path, "op": row.op, "point": str(row.point), "place": _line(str(row.span))}
    return named | {"inherited": inherited, **_distances(row.verdict)}


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
    """`0` where it is exact, else two digits."""
    return "–" if math.isnan(number) else f"{number:.1e}" if number else "0"


def _ratio(verdict: Verdict) -> str:
    """`1.2×`; in words where PyTorch has no error to compare with, or float32 does not determine the output."""
    from stackc.proof.report import determined_text

    if verdict.determined is not None:
        return determined_text(verdict.determined)
    if verdict.torch == 0.0:
        return "PyTorch is exact" if verdict.onnx else "exact"
    return f"{verdict.ratio:.1f}×"


def _line(place: str) -> str:
    """The file without its folder, and the line."""
    return Path(place).name


def _speed(speed: Comparison | None, point: Point | None) -> dict[str, Any] | None:
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


def _files(folder: Path) -> list[tuple[str, str, int]]:
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    return [(name, bytes_text(size), size) for name, size in sizes.items()]


def _range(limits: DimRange) -> tuple[str, str, str]:
    most = "any" if limits.maximum is None else str(limits.maximum)
    return str(limits.minimum), most, str(limits.multiple_of)


def _value(value: ValueInfo) -> tuple[str, str, str, str]:
    return value.name, value.dtype, f"[{_listed(value.shape)}]", _allowed(value.allowed)


def _allowed(allowed: ValueRange | None) -> str:
    if allowed is None:
        return ""
    return f"one of {_listed(allowed.choices)}" if allowed.choices else f"0 to {allowed.below - 1}"


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def _facts(manifest: Manifest) -> list[tuple[str, str]]:
    return [
        ("opset", str(manifest.opset)),
        ("target", manifest.target),
        ("provider", manifest.provider or "none"),
        ("because", manifest.reason),
        *manifest.versions.items(),
    ]
