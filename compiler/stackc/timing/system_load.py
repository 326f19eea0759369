"""How many cores other programs kept busy, as Linux counts it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds since some moment: on the wall, of all processors at work, of them for the processes that measure."""

    wall: float
    machine: float
    own: float


def usage(processes: Iterable[int] = ()) -> Usage | None:
    """What Linux has counted so far for the machine, and for this process with those others; None on other systems."""
    if sys.platform != "linux":
        return None
    columns = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, columns)
    ticks = user + nice + system + irq + softirq + steal
    own = sum(os.times()[:4]) + sum(map(_seconds_of, processes))
    return Usage(time.perf_counter(), ticks / os.sysconf("SC_CLK_TCK"), own)


def _seconds_of(process: int) -> float:
    """The processor time of another process; 0 where it has ended, which whoever asks it next will find out."""
    try:
        after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, after_name[11:15])) / os.sysconf("SC_CLK_TCK")


def busy_cores(before: Usage | None, after: Usage | None) -> float | None:
    """How many cores the processes that do not measure kept busy in between."""
    if before is None or after is None:
        return None
    others = (after.machine - before.machine) - (after.own - before.own)
    return max(0.0, others / (after.wall - before.wall))
