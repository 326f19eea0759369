"""Pages on a phone and on a desk, light and dark: nothing that is read or pressed lies beyond the edge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import stackc
from stackc.analysis.diff.comparison import compare_specs
from stackc.analysis.diff.report import write_page
from stackc.frontend import check_spec
from stackc.pipeline import Options, build

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[2] / "specs"

# Elements beyond the right edge, unless they lie in a part that scrolls, or in the picture, which is moved.
BEYOND = """() => {
  const edge = document.documentElement.clientWidth + 1;
  const reached = (element) => {
    for (let each = element.parentElement; each; each = each.parentElement) {
      if (/auto|scroll/.test(getComputedStyle(each).overflowX) || each.matches(".canvas")) return true;
    }
    return false;
  };
  return [...document.querySelectorAll("body *:not(svg, svg *)")]
    .filter((element) => element.getClientRects().length && element.getBoundingClientRect().right > edge)
    .filter((element) => !reached(element))
    .map((element) => element.outerHTML.slice(0, 90));
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page to look at a spec, one to compare two, the report of a build."""
    folder = tmp_path_factory.mktemp("pages")
    before, after = check_spec(SPECS / "seed.mmd"), check_spec(SPECS / "stacked.yaml")
    (folder / "show.html").write_text(stackc.show(after, "html"), encoding="utf-8")
    sides = (before.typed, before.sources), (after.typed, after.sources)
    (folder / "diff.html").write_text(write_page(compare_specs(before, after), *sides, 1), encoding="utf-8")
    built = build(SPECS / "stacked.yaml", Options(out=folder, measure=False))
    return {
        "show": folder / "show.html",
        "diff": folder / "diff.html",
        "report": built.folder / "report.html",
    }


@pytest.fixture(params=[(360, "light"), (360, "dark"), (1440, "light"), (1440, "dark")], ids=str)
def screen(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 740}, color_scheme=scheme)
    yield page
    page.close()


@pytest.mark.parametrize("name", ["show", "diff", "report"])
def test_nothing_lies_beyond_the_edge(name: str, screen: Page, pages: dict[str, Path]) -> None:
    screen.goto(pages[name].as_uri())
    screen.locator(".tools button").first.wait_for()
    assert screen.evaluate(BEYOND) == []
    assert screen.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("name", ["show", "report"])
def test_buttons_have_the_size_of_a_fingertip_on_a_phone(name: str, browser: Browser, pages: dict[str, Path]) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(pages[name].as_uri())
    sizes = page.locator(".tools button:visible").evaluate_all("all => all.map((b) => [b.offsetWidth, b.offsetHeight])")
    page.close()
    assert len(sizes) >= 5
    assert min(side for size in sizes for side in size) >= 44
