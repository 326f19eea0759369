"""Draw all runs of a benchmark in one picture: the only home of matplotlib."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from stackc.timing.statistics import Comparison, Timing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 8.0  # inches
_ROW_HEIGHT = 0.65  # inches
_SPREAD = 12.0  # ratio of the slowest to the fastest median from which on the axis is logarithmic


def draw_plot(comparison: Comparison, title: str, suffix: str) -> bytes:
    """Draw a row for each candidate, as a picture in .svg or .png, by `suffix`.

    Every run is a dot, from the first at the top of the row to the last at its foot, so that a drift shows. A box spans
    the middle half, with the median; whiskers reach from the 1st to the 99th percentile. The same comparison gives the
    same bytes.
    """
    import matplotlib
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {"svg.hashsalt": "stackc", "svg.fonttype": "none", "font.size": 9}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure = Figure(figsize=(_WIDTH, 1.3 + _ROW_HEIGHT * len(comparison.timings)), layout="constrained")
        axes = figure.add_subplot()
        for row, timing in enumerate(comparison.timings.values()):
            _draw_row(axes, row, timing)
        _label(axes, comparison, title)

        file = io.BytesIO()
        figure.savefig(file, format=suffix.removeprefix("."), dpi=150, metadata=_METADATA[suffix])
    return file.getvalue()


_METADATA = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}


def _draw_row(axes: Axes, row: int, timing: Timing) -> None:
    milliseconds = timing.seconds * 1e3
    heights = row + np.linspace(-0.36, 0.36, len(milliseconds))
    axes.plot(milliseconds, heights, ".", color=f"C{row % 10}", markersize=3, alpha=0.5)
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

    axes.set_xlabel("ms per run")
    axes.set_title(title, loc="left", fontsize=9)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
