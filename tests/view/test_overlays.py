"""The colours of a page: by time, error, parameters or FLOPs, added up for closed and repeated boxes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.benchmarks.report_page import page_of, specs

from stackc.core.diagnostics import Span
from stackc.core.types import DimRange
from stackc.frontend import Checked, check_source
from stackc.spec.source import Source
from stackc.view.facts import LONGEST_LINE, line_at
from stackc.view.html import write_html
from stackc.view.overlays import Overlay, cost_overlays, usual_sizes

SPEC = """
stackc: 1
name: layers
inputs: {x: {shape: [batch, 8]}}
graph: x --> wide[linear] --> encoder[stack] --> head[linear]
nodes:
  wide: {out: 16}
  encoder: {of: layer, repeat: 3}
  head: {tie: {weight: wide.weight}, out: 16, bias: false}
blocks:
  layer:
    inputs: [x]
    graph: x --> up[linear] --> act[relu] --> down[linear]
    nodes: {up: {out: 32}, down: {out: 16}}
"""


@pytest.fixture(scope="module")
def checked() -> Checked:
    return check_source(Source("layers.yaml", SPEC.replace("tie: {weight: wide.weight}, ", "")))


def test_costs_are_those_of_the_layers_by_hand(checked: Checked) -> None:
    parameters, flops = cost_overlays(checked.typed, {"batch": 3})
    up, down = 16 * 32 + 32, 32 * 16 + 16
    layers = {f"encoder.{i}.{name}": n for i in range(3) for name, n in (("up", up), ("act", 0), ("down", down))}
    assert parameters.values == {"wide": 8 * 16 + 16, **layers, "head": 16 * 16}
    assert flops.values["encoder.1.up"] == 2 * 3 * 16 * 32
    assert flops.note == "at batch=3"
    assert sum(parameters.values.values()) == checked.cost.parameters


def test_a_tied_weight_counts_where_it_is_kept() -> None:
    tied = check_source(Source("tied.yaml", SPEC.replace("[batch, 8]", "[batch, 16]")))
    (parameters, _) = cost_overlays(tied.typed)
    assert parameters.values["head"] == 0
    assert sum(parameters.values.values()) == tied.cost.parameters


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        (DimRange(), 128), (DimRange(1, 64), 64), (DimRange(200, 300), 200), (DimRange(1, None, 96), 96),
        (DimRange(1, 500, 200), 200), (DimRange(0, 0), 0),
    ],
)  # fmt: skip
def test_usual_sizes_are_of_the_contract(limits: DimRange, size: int) -> None:
    assert usual_sizes({"n": limits}) == {"n": size}
    assert limits.allows(size)


# -- in a browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    yield page
    page.close()
    assert not troubles


def heat(page: Page, path: str) -> float | None:
    value = page.locator(f"[data-path='{path}']").evaluate("element => element.style.getPropertyValue('--heat')")
    return float(value) if value else None


def opened(page: Page, checked: Checked, tmp_path: Path, overlays: tuple[Overlay, ...]) -> Page:
    path = tmp_path / "page.html"
    path.write_text(write_html(checked.typed, {}, 1, None, overlays), encoding="utf-8")
    page.goto(path.as_uri())
    return page


@pytest.mark.slow
def test_the_drawing_is_coloured_by_what_is_chosen(page: Page, checked: Checked, tmp_path: Path) -> None:
    times = {f"encoder.{i}.{name}": ms for i in range(3) for name, ms in (("up", 2.0), ("act", 0.5), ("down", 1.0))}
    time = Overlay("time", "ms", {"wide": 5.25, **times, "head": 0.0}, note="at batch=1")
    errors = Overlay("error", "%", {"wide": 10, "encoder.1.down": 60, "encoder.2.down": 90}, "max")
    opened(page, checked, tmp_path, (time, errors))

    choice = page.locator("select")
    expect(choice.locator("option")).to_have_text(["by family", "by time", "by error", "by parameters", "by FLOPs"])
    expect(page.locator(".legend")).to_be_hidden()
    choice.select_option("time")
    expect(page.locator(".legend")).to_have_text("time0 ms10.5 msat batch=1")
    assert (heat(page, "encoder"), heat(page, "wide"), heat(page, "head")) == (0.85, 0.425, 0)  # 3 × 3.5 ms; 5.25 ms
    fill = "element => getComputedStyle(element.querySelector('rect')).fill"
    hot, cold = (page.locator(f"[data-path={path}]").evaluate(fill) for path in ("encoder", "head"))
    assert hot != cold

    page.click("[data-path=encoder] .knob")  # what is drawn of three equal layers stands for all of them
    assert heat(page, "encoder.0.up") == 0.85
    expect(page.locator(".legend span").nth(1)).to_have_text("6 ms")
    page.click("[data-do=fit]")
    page.click("[data-path='encoder.0.down']")
    expect(page.locator("aside")).to_contain_text("time: 3 ms")
    expect(page.locator("aside")).to_contain_text("error: 90 %")

    choice.select_option("error")
    assert heat(page, "encoder.0.down") == 0.85
    assert heat(page, "encoder.0.up") is None  # nothing is known of it
    choice.select_option("family")
    expect(page.locator(".legend")).to_be_hidden()
    assert heat(page, "wide") is None


@pytest.mark.slow
def test_a_model_without_numbers_offers_no_choice(page: Page, tmp_path: Path) -> None:
    plain = check_source(Source("plain.yaml", "stackc: 1\nname: plain\ninputs: {x: {shape: [4]}}\ngraph: x --> relu"))
    expect(opened(page, plain, tmp_path, ()).locator("select")).to_be_hidden()


@pytest.mark.slow
def test_a_report_of_1500_components_opens(page: Page, tmp_path: Path) -> None:
    """In a drawing that is one line of the spec: tests/benchmarks/report_page.py has the times."""
    name, text = next(specs())
    large = check_source(Source("large.yaml", text))
    path = tmp_path / "report.html"
    path.write_text(page_of(large), encoding="utf-8")
    assert path.stat().st_size < 5e6, name

    page.goto(path.as_uri())
    assert page.locator(".canvas [data-path^=n]").count() == 1500
    assert page.locator(".times tr").count() == 1001
    page.locator("select").select_option("time")
    assert heat(page, "n1499") == 0.85
    assert page.locator("text=report.json has 500 more.").count() == 1


def test_of_a_long_line_the_part_around_a_node_is_shown() -> None:
    text = "a" * 1000 + "node" + "b" * 1000
    shown = line_at(Span("f.yaml", 1, 1001, 1005), {"f.yaml": text})
    assert shown.startswith("…aaa")
    assert shown.endswith("bbb…")
    assert "anodeb" in shown
    assert len(shown) == LONGEST_LINE + 2
    assert line_at(Span("f.yaml", 1), {"f.yaml": text}) == "a" * LONGEST_LINE + "…"
    assert line_at(Span("f.yaml", 1, 2004), {"f.yaml": text}) == "…" + "b" * LONGEST_LINE
    assert line_at(Span("f.yaml", 2), {"f.yaml": "x\n  y: z  "}) == "y: z"
