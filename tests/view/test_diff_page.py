"""The page of a difference in a browser: marks in both pictures, and a click on a change shows it in both."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from stackc.analysis.diff.comparison import compare
from stackc.analysis.diff.report import write_page
from stackc.frontend import check_source, check_spec
from stackc.spec.source import Source

SPECS = Path(__file__).parents[2] / "specs"


LINES = """() => [...document.querySelectorAll(".changes td:nth-child(2), .changes td:nth-child(3)")].map((cell) => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  return new Set([...range.getClientRects()].map(({ top }) => top)).size;
})"""


@pytest.mark.slow
def test_changes_are_marked_and_can_be_gone_to(browser: Browser, tmp_path: Path) -> None:
    before = check_spec(SPECS / "gpt2.yaml")
    text = (
        before.source.text.replace("${4*dim}", "${3*dim}")
        .replace("ln_f[layer_norm]", "final[rms_norm]")
        .replace("  ln_f:", "  final:")
    )
    after = check_source(Source("other.yaml", text))
    path = tmp_path / "diff.html"
    sides = (before.typed, before.sources), (after.typed, after.sources)
    path.write_text(write_page(compare(before.typed, after.typed), *sides), encoding="utf-8")

    page, troubles = browser.new_page(), list[str]()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    page.goto(path.as_uri())
    left, right = page.locator(".view").nth(0), page.locator(".view").nth(1)
    expect(left.locator(".removed")).to_have_attribute("data-path", "ln_f")
    expect(right.locator(".added")).to_have_attribute("data-path", "final")
    expect(right.locator(".within")).to_have_attribute("data-path", "h")
    page.locator("tr.changed", has_text="hidden").click()
    for side, hidden in ((left, "3072"), (right, "2304")):
        expect(side.locator("aside .path").first).to_have_text("h.0.mlp")
        expect(side.locator("aside")).to_contain_text(hidden)
        expect(side.locator("[data-path='h.0.mlp']")).to_have_class("box component linear changed selected")
    assert not troubles
    page.close()


@pytest.mark.slow
def test_what_is_gone_to_stands_beside_the_panel_and_below_the_header(browser: Browser, tmp_path: Path) -> None:
    before = check_spec(SPECS / "gpt2.yaml")
    after = check_source(Source("other.yaml", before.source.text.replace("${4*dim}", "${3*dim}")))
    path = tmp_path / "diff.html"
    sides = (before.typed, before.sources), (after.typed, after.sources)
    path.write_text(write_page(compare(before.typed, after.typed), *sides), encoding="utf-8")

    for width in (1280, 420):
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto(path.as_uri())
        page.locator("tr.changed", has_text="hidden").click()

        for side in (page.locator(".view").nth(0), page.locator(".view").nth(1)):
            whole, panel, header, box = (
                side.locator(part).first.bounding_box()
                for part in (".canvas", "aside", "header", "[data-path='h.0.mlp'] > rect")
            )
            assert whole
            assert panel
            assert header
            assert box
            assert panel["width"] < 0.45 * whole["width"]
            assert box["x"] + box["width"] <= panel["x"]
            assert box["y"] >= header["y"] + header["height"]
            assert panel["y"] >= header["y"] + header["height"]

        assert set(page.evaluate(LINES)) == {1}  # no name is broken
        page.close()
