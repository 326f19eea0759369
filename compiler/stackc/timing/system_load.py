"""How many cores other programs kept busy, by the counters of Linux."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds since some moment: on the wall clock, processor time of the machine, and of the measuring processes."""

    wall: float
    machine: float
    own: float


def usage(processes: Iterable[int] = ()) -> Usage | None:
    """Read the counters of the machine, and of this process together with `processes`; None outside Linux."""
    if sys.platform != "linux":
        return None
    columns = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, columns)
    ticks = user + nice + system + irq + softirq + steal
    own = sum(os.times()[:4]) + sum(map(_seconds_of, processes))
    return Usage(time.perf_counter(), ticks / os.sysconf("SC_CLK_TCK"), own)


def _seconds_of(process: int) -> float:
    """Return the processor time of another process; 0 if it has ended, which its next request will report."""
    try:
        after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, after_name[11:15])) / os.sysconf("SC_CLK_TCK")


def busy_cores(before: Usage | None, after: Usage | None) -> float | None:
    """Return how many cores all processes that do not measure kept busy between two readings."""
    if before is None or after is None:
        return None
    others = (after.machine - before.machine) - (after.own - before.own)
    return max(0.0, others / (after.wall - before.wall))
