"""The site is built from what is committed: no link leads to nothing, nothing comes from another host, and it fits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from stackc.authoring.reference.codes import code_pages
from stackc.authoring.reference.ops import families
from stackc.hub.zoo import zoo_files

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "compiler" / "handbook" / "pages"
INDEXES = ["components/index", "zoo/index", "diagnostics/index", "decisions/index"]
SHOWN = ["components/attention", "zoo/bert_base", "diagnostics/T202", "language", "python", "benchmarks", "design"]
"""Of the pages that are written by programs: those with the widest tables, and one of each kind."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "site"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "compiler")}
    command = [sys.executable, "-m", "handbook", "-o", str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_there_is_a_page_for_everything(site: Path) -> None:
    wanted = {page.relative_to(PAGES).with_suffix("").as_posix() for page in PAGES.rglob("*.md")}
    wanted |= {f"components/{op}" for ops in families().values() for op in ops}
    wanted |= {f"diagnostics/{code}" for code in code_pages()} | {f"zoo/{name}" for name in zoo_files()}
    wanted |= {*INDEXES, *SHOWN}
    wanted |= {f"decisions/{file.stem}" for file in (ROOT / "compiler" / "decisions").glob("*.md")}
    assert wanted <= {file.relative_to(site).with_suffix("").as_posix() for file in site.rglob("*.html")}


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_pages_fit_the_width(site: Path, browser: Browser, width: int, scheme: Literal["light", "dark"]) -> None:
    """Nothing of a page is wider than a phone or a desk, and the browser asks no other host for anything."""
    names = [page.relative_to(PAGES).with_suffix("").as_posix() for page in PAGES.rglob("*.md")]
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for name in [*names, *INDEXES, *SHOWN]:
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)"), name
    assert [address for address in asked if not address.startswith(("file:", "data:", "blob:"))] == []
    page.close()


def test_the_check_of_links_finds_what_is_wrong(tmp_path: Path) -> None:
    """A page with a link to nothing, one to a place that is not there, and a picture of another host."""
    (tmp_path / "a.html").write_text(
        '<a href="b.html">b</a><a href="a.html#here">here</a><a href="#gone">gone</a><a id="here"></a>'
        '<img src="https://example.org/x.png"><a href="https://example.org">out</a>'
    )
    code = """import sys
from pathlib import Path
from handbook.links import problems
print(*problems(Path(sys.argv[1])), sep="\\n")"""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "compiler")}
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.splitlines() == [
        "a.html loads https://example.org/x.png from another host",
        "a.html links to b.html, which is not there",
        "a.html links to #gone, a place that the page does not have",
    ]
