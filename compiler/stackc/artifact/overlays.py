"""What a build has measured of each component, as overlays of its drawing: live, or read back from its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackc.artifact.folder import PARITY, REPORT
from stackc.frontend import Checked
from stackc.view.overlays import Overlay, cost_overlays, point_text

if TYPE_CHECKING:
    from stackc.proof.report import Parity
    from stackc.timing.component_times import ComponentTimes


def measured_overlays(checked: Checked, parity: Parity | None, times: ComponentTimes | None) -> tuple[Overlay, ...]:
    """Return time and error, as far as a build has measured them, and parameters and FLOPs at the same sizes."""
    proof = parity.to_json() if parity else {}
    profile = times.to_json() if times else {}
    sizes = times.sizes if times else None
    return (*_measured(proof, profile), *cost_overlays(checked.typed, sizes))


def stored_overlays(folder: Path) -> tuple[Overlay, ...]:
    """Return time and error as an artifact has them on file; none of what is missing or not as stackc writes it."""
    proof, report = (_read(folder / name) for name in (PARITY, REPORT))
    profile = report.get("profile")
    try:
        return _measured(proof, profile if isinstance(profile, dict) else {})
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()


def _measured(proof: Mapping[str, Any], profile: Mapping[str, Any]) -> tuple[Overlay, ...]:
    overlays = []
    if rows := profile.get("components"):
        times = {row["path"]: float(row["milliseconds"]) for row in rows}
        overlays.append(Overlay("time", "ms", times, note=f"at {point_text(profile['sizes'])}"))
    if errors := _errors(proof.get("components") or ()):
        overlays.append(Overlay("error", "%", errors, "max", "of what is allowed"))
    return tuple(overlays)


def _errors(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the error of each component, in percent of what is allowed, at its worst point."""
    errors: dict[str, float] = {}
    for row in rows:
        error, allowed = row["onnx"], row["allowed"]
        if error is not None and allowed is not None and math.isfinite(error):
            used = 100 * error / allowed if allowed else 0.0
            errors[row["path"]] = max(used, errors.get(row["path"], 0.0))
    return errors


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
