"""How long report.html of a model with 1,500 components takes to open in headless Chromium.

    python -m tests.benchmarks.report_page

Three models: 1,500 different components in a row, 1,500 equal ones, and 150 layers of ten in a stack. Every table of
the page is full and the drawing can be coloured by four overlays. Times are medians of five openings, from the start of
the navigation until the page is drawn; the same with everything unfolded and coloured.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from stackc.frontend import Checked, check_source
from stackc.spec.source import Source
from stackc.timing.component_times import ComponentTime, ComponentTimes
from stackc.timing.time_table import time_overlay, time_rows, time_summary
from stackc.view.html import page_data, render_page
from stackc.view.overlays import Overlay, cost_overlays

COMPONENTS, OPENINGS = 1500, 5
TARGET = 2.0  # seconds


def specs() -> Iterator[tuple[str, str]]:
    """Yield what a model is like, and its text."""
    chain = " --> ".join(f"n{i}[linear]" for i in range(COMPONENTS))
    sizes = "".join(f"\n  n{i}: {{out: {{out}}}}" for i in range(COMPONENTS))
    different = "".join(f"\n  n{i}: {{out: {i + 1}}}" for i in range(COMPONENTS))
    head = "stackc: 1\nname: large\ninputs: {x: {shape: [batch, 8]}}\n"
    yield "different components in a row", f"{head}graph: x --> {chain}\nnodes:{different}\n"
    yield "equal components in a row", f"{head}graph: x --> {chain}\nnodes:{sizes.replace('{out}', '8')}\n"

    layer = " --> ".join(f"l{i}[linear]" for i in range(10))
    outs = "".join(f"\n      l{i}: {{out: 8}}" for i in range(10))
    stack = f"graph: x --> encoder[stack]\nnodes: {{encoder: {{of: layer, repeat: {COMPONENTS // 10}}}}}\n"
    block = f"blocks:\n  layer:\n    inputs: [x]\n    graph: x --> {layer}\n    nodes:{outs}\n"
    yield "layers of ten in a stack", head + stack + block


def page_of(checked: Checked) -> str:
    """Return a page with full tables and four overlays; figures are made up, as many as a build would have."""
    calls = checked.program.calls
    rows = tuple(ComponentTime(c.path, c.component.op, c.span, 1e-6 * i, 10**6, 4096) for i, c in enumerate(calls))
    times = ComponentTimes(rows, {"batch": 1}, 5, 1, 0.1, 0.0, 1e11)
    errors = Overlay("error", "%", {row.path: i % 100 for i, row in enumerate(rows)}, "max")
    overlays = (time_overlay(times), errors, *cost_overlays(checked.typed))
    view = page_data(checked.typed, checked.sources, 1, overlays=overlays) | {"quiet": True, "scrolls": True}

    component = {"op": "linear", "line": "large.yaml:4", "point": "batch=1 (random)", "used": "12%"}
    component |= dict.fromkeys(("torch", "onnx", "inherited", "ratio", "allowed"), "1.0e-06")
    components = [component | {"path": row.path} for row in rows[:1000]]
    proof = {"distance": "1.0×", "random": True, "uncompared": "", "rows": [], "components": components, "sizes": ""}
    proof |= {"gaps": [], "probes": components, "hidden": 0, "tensors": "3,000 tensors", "reference": []}
    section = {"summary": time_summary(times), "rows": time_rows(times, 1000), "hidden": 500}
    empty = dict.fromkeys(("asserted", "files", "dims", "values", "facts", "sources"), ())
    return render_page(
        "report.html",
        title="large",
        view=view,
        proof=proof,
        speed=None,
        times=section,
        precision=None,
        parameters="",
        flops="",
        **empty,
    )


def seconds_to_open(browser: Browser, path: Path) -> tuple[float, float]:
    """Return the median seconds until the page is drawn, and those until all is unfolded and coloured by time."""
    opened, coloured = [], []
    for _ in range(OPENINGS):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(path.as_uri())
        opened.append(page.evaluate("new Promise(r => requestAnimationFrame(() => r(performance.now())))"))
        start = page.evaluate("performance.now()")
        page.click("[data-do=unfold]")
        page.locator("select").select_option("time")
        coloured.append(page.evaluate("new Promise(r => requestAnimationFrame(() => r(performance.now())))") - start)
        page.close()
    return statistics.median(opened) / 1e3, statistics.median(coloured) / 1e3


def main() -> int:
    """Print a line for each model; return 1 if one takes longer than TARGET to open."""
    slow = False
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"]
        )
        for name, text in specs():
            path = Path(folder) / "report.html"
            path.write_text(page_of(check_source(Source("large.yaml", text))), encoding="utf-8")
            opened, coloured = seconds_to_open(browser, path)
            size = path.stat().st_size / 1e6
            print(f"{name}: {size:.1f} MB, opens in {opened:.2f} s, unfolded and coloured in {coloured:.2f} s more")
            slow |= opened > TARGET
        browser.close()
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
