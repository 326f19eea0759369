"""Compare what two artifacts have measured: latency, its ratio to eager PyTorch, and the error of the outputs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackc.artifact.folder import REPORT, Artifact, load_artifact
from stackc.core.diagnostics import SpecError


@dataclass(frozen=True, slots=True)
class MeasuredFigure:
    """A figure of both artifacts; None for one that has not measured it."""

    name: str
    before: float | None
    after: float | None

    def __str__(self) -> str:
        if self.before is None or self.after is None:
            return f"{self.name}: {_text(self.before)} → {_text(self.after)}"
        change = f" ({100 * (self.after / self.before - 1):+.1f} %)" if self.before else ""
        return f"{self.name}: {_text(self.before)} → {_text(self.after)}{change}"


def measured_figures(before: Path, after: Path) -> tuple[MeasuredFigure, ...]:
    """Return the figures of two artifacts that at least one has measured; none unless both are artifacts."""
    try:
        artifacts = load_artifact(before), load_artifact(after)
    except SpecError:
        return ()
    sides = [_figures(artifact) for artifact in artifacts]
    names = dict.fromkeys((*sides[0], *sides[1]))
    return tuple(MeasuredFigure(name, *(side.get(name) for side in sides)) for name in names)


def _figures(artifact: Artifact) -> dict[str, float]:
    """Return the figures of an artifact; none of what is missing, or not as stackc writes it."""
    figures: dict[str, float] = {}
    try:
        report = json.loads((artifact.folder / REPORT).read_text(encoding="utf-8"))
        figures["latency, p50 in ms"] = float(report["milliseconds"]["onnx"]["p50"])
        figures["ratio to eager PyTorch"] = float(report["ratios"][0]["ratio"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        pass  # built without a timing
    return figures | _errors(artifact.manifest.parity)


def _errors(parity: Any) -> dict[str, float]:
    """Return the largest error of each output, in percent of what the proof allows."""
    errors: dict[str, float] = {}
    rows = parity.get("rows", ()) if isinstance(parity, dict) else ()
    for row in rows if isinstance(rows, list) else ():
        error, allowed = row.get("onnx"), row.get("allowed")
        if isinstance(error, int | float) and isinstance(allowed, int | float) and allowed:
            name = f"error of {row.get('output')}, % of what is allowed"
            errors[name] = max(100 * error / allowed, errors.get(name, 0.0))
    return errors


def _text(figure: float | None) -> str:
    return "not measured" if figure is None else f"{figure:.3g}"
