"""All runs of a comparison in one picture, by matplotlib, of which this is the one home."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from stackc.timing.statistics import Comparison, Timing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE = 8.0  # inches
_HIGH = 0.65  # of a candidate
_SPREAD = 12.0  # times from the fastest to the slowest median, from which on only a logarithmic axis shows both


def draw_plot(comparison: Comparison, title: str, suffix: str) -> bytes:
    """A row a candidate: every run a dot, the first at the top of the row and the last at its foot, so that a drift
    shows; a box over the middle half with the median, whiskers from the 1st to the 99th percentile.

    The same comparison gives the same bytes. `suffix` is .svg or .png.
    """
    import matplotlib
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {"svg.hashsalt": "stackc", "svg.fonttype": "none", "font.size": 9}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure = Figure(figsize=(_WIDE, 1.3 + _HIGH * len(comparison.timings)), layout="constrained")
        axes = figure.add_subplot()
        for row, timing in enumerate(comparison.timings.values()):
            _draw_row(axes, row, timing)
        _label(axes, comparison, title)
        drawn = io.BytesIO()
        figure.savefig(drawn, format=suffix.removeprefix("."), dpi=150, metadata=_METADATA[suffix])
    return drawn.getvalue()


_METADATA = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}


def _draw_row(axes: Axes, row: int, timing: Timing) -> None:
    milliseconds = timing.seconds * 1e3
    places = row + np.linspace(-0.36, 0.36, len(milliseconds))
    axes.plot(milliseconds, places, ".", color=f"C{row % 10}", markersize=3, alpha=0.5)
    axes.boxplot(
        [milliseconds], positions=[row], orientation="horizontal", widths=0.3, whis=(1, 99), showfliers=False,
        manage_ticks=False, medianprops={"color": "black", "linewidth": 1.5},
    )  # fmt: skip


def _label(axes: Axes, comparison: Comparison, title: str) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    medians = [timing.median for timing in comparison.timings.values()]
    if max(medians) > _SPREAD * min(medians):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(left=0)
    names = [f"{name}\n{timing.median * 1e3:.3g} ms" for name, timing in comparison.timings.items()]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds a run")
    axes.set_title(title, loc="left", fontsize=9)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
