"""The profile of a session: the time and the memory traffic of each node that ONNX Runtime runs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KERNEL = "_kernel_time"
"""What ONNX Runtime appends to the name of a node, in the event of its kernel."""


@dataclass(frozen=True, slots=True)
class NodeTime:
    """The median seconds of a node over all runs, and the bytes of values, no weights, that it reads and writes."""

    op_type: str
    seconds: float
    value_bytes: int


@dataclass(frozen=True, slots=True)
class Profile:
    """The nodes by name, those inside of loops and branches too, and the median seconds of a run."""

    nodes: Mapping[str, NodeTime]
    run_seconds: float
    runs: int


def read_profile(path: Path, warm: int) -> Profile:
    """Read the profile of a session, without its first `warm` runs."""
    events: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    runs = [event for event in events if event["name"] == "model_run"][warm:]
    begin = min(event["ts"] for event in runs)

    durations: dict[str, list[int]] = {}
    details: dict[str, dict[str, str]] = {}
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith(_KERNEL) and event["ts"] >= begin:
            name = event["name"].removesuffix(_KERNEL)
            durations.setdefault(name, []).append(event["dur"])
            details[name] = event["args"]

    # A node inside of a loop runs several times in a run: its time in the run is what counts.
    nodes = {name: _node_time(times, len(runs), details[name]) for name, times in durations.items()}
    return Profile(nodes, statistics.median(event["dur"] for event in runs) / 1e6, len(runs))


def _node_time(microseconds: list[int], runs: int, details: Mapping[str, str]) -> NodeTime:
    repeats = max(1, len(microseconds) // runs)
    sums = [sum(microseconds[i : i + repeats]) for i in range(0, len(microseconds), repeats)]
    value_bytes = int(details.get("activation_size", 0)) + int(details.get("output_size", 0))
    return NodeTime(details["op_name"], statistics.median(sums) / 1e6, value_bytes)
