"""Component times as text, for the table of a command and for that of a report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from stackc.core.plurals import counted
from stackc.timing.component_times import ComponentTime, ComponentTimes
from stackc.view.figures import bytes_text, scaled
from stackc.view.overlays import Overlay, point_text

_SHOWN = 3
"""Components that share a node, by name; more are counted."""


@dataclass(frozen=True, slots=True)
class TimeRow:
    """The figures of a component as text; `product` is its rate as a share of a matrix product's."""

    path: str
    op: str
    line: str
    milliseconds: str
    share: str
    flops: str
    rate: str
    product: str
    moved: str
    fused: str


def time_rows(times: ComponentTimes, most: int) -> list[TimeRow]:
    """Return the rows of the slowest components, slowest first."""
    return [_row(times, row) for row in times.slowest_first()[:most]]


def time_summary(times: ComponentTimes) -> str:
    """Say what was measured: the run, the sizes, and the matrix product beside it."""
    run = f"a run takes {times.run_seconds * 1e3:.3g} ms under the profile, {times.seconds * 1e3:.3g} ms in components"
    product = f"a matrix product reaches {scaled(times.product_flops)}FLOP/s"
    return f"{run}; {product} ({point_text(times.sizes)}, {counted(times.threads, 'thread')}, medians of {times.runs})"


def time_overlay(times: ComponentTimes) -> Overlay:
    """Return the milliseconds of every component, to colour a drawing by."""
    return Overlay(
        "time", "ms", {row.path: row.seconds * 1e3 for row in times.rows}, note=f"at {point_text(times.sizes)}"
    )


def _row(times: ComponentTimes, row: ComponentTime) -> TimeRow:
    rate = row.flops_per_second
    return TimeRow(
        path=row.path,
        op=row.op,
        line=Path(str(row.span)).name,
        milliseconds=f"{row.seconds * 1e3:.3g}",
        share=f"{times.share(row):.1%}",
        flops=scaled(row.flops) if row.flops else "–",
        rate="–" if math.isnan(rate) else f"{scaled(rate)}FLOP/s",
        product="–" if math.isnan(rate) else f"{rate / times.product_flops:.0%}",
        moved=bytes_text(row.bytes),
        fused=_fused(row),
    )


def _fused(row: ComponentTime) -> str:
    """Name the components that a node is shared with; those inside of the same block by their own names."""
    block = row.path.rpartition(".")[0] + "."
    names = [path.removeprefix(block) for path in row.shared_with]
    hidden = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {hidden} more" if hidden > 0 else "")
