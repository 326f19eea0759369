"""report.html in a browser: every section is there, a component leads to the drawing, and what a spec says is text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from stackc.artifact.folder import load_artifact
from stackc.artifact.report_page import Findings, write_report
from stackc.pipeline import Built, Options, build
from stackc.timing import Comparison, Ratio, Timing
from stackc.timing.component_times import ComponentTime, ComponentTimes

pytestmark = pytest.mark.slow

EVIL = "<img src=http://x.invalid/y onerror=alert(1)>"
SPEC = f"""\
stackc: 1
name: tiny
dims: {{batch: {{max: 4}}}}
inputs: {{x: {{shape: [batch, 8]}}, ids: {{dtype: int64, shape: [batch], below: 7}}}}
graph: |
  x --> a["{EVIL.replace("<", "#lt;").replace(">", "#gt;")}"] --> sum[add]
  ids --> e[embedding] --> sum
nodes: {{a: {{op: linear, out: 8}}, e: {{vocab: 7, dim: 8}}}}
outputs: {{y: sum}}
"""
FILE = "<img src=y onerror=alert(2)>.yaml"


def built(folder: Path, options: Options) -> Built:
    (folder / FILE).write_text(SPEC, encoding="utf-8")
    return build(folder / FILE, options, lambda stage, summary: None)


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("report")
    return built(folder, Options(out=folder, measure=False, per_component=True))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test on an error, a console message, a dialog, or a request for anything but the file."""
    page, troubles = browser.new_page(), list[str]()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    page.on("request", lambda request: None if request.url.startswith("file:") else troubles.append(request.url))
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    yield page
    page.close()
    assert not troubles


def section(page: Page, heading: str) -> Locator:
    return page.locator("section", has=page.get_by_role("heading", name=heading, exact=True))


def test_it_says_what_the_proof_found(page: Page, proven: Built) -> None:
    page.goto((proven.folder / "report.html").as_uri())
    expect(page.locator(".top")).to_contain_text("proven")

    parity = json.loads((proven.folder / "parity.json").read_text(encoding="utf-8"))
    rows = section(page, "Proof").locator("tr").all_inner_texts()[1:]
    assert len(rows) == len(parity["outputs"])
    used = [
        float(style.rstrip("%")) for style in page.locator(".parity i").evaluate_all("all => all.map(i => i.title)")
    ]
    assert used == sorted(used, reverse=True)

    components = section(page, "Components").locator("[data-go]")
    assert {row.get_attribute("data-go") for row in components.all()} == {"a", "e", "sum"}
    worst = next(row for row in parity["components"] if row["path"] == "a")
    texts = components.and_(page.locator("[data-go=a]")).locator("td").all_inner_texts()
    for number in (worst["torch"], worst["onnx"], worst["inherited"], worst["allowed"]):
        assert (f"{number:.1e}" if number else "0") in texts


def test_it_says_what_the_manifest_says(page: Page, proven: Built) -> None:
    page.goto((proven.folder / "report.html").as_uri())
    manifest = load_artifact(proven.folder).manifest
    with_ = section(page, "Built with")
    for text in (manifest.reason, "cpu", "23", "portable", *manifest.versions, *manifest.versions.values()):
        expect(with_).to_contain_text(text)
    expect(section(page, "Dims").locator("tr").nth(1)).to_have_text(re.compile(r"batch\s*1\s*4\s*1"))
    expect(section(page, "Inputs and outputs")).to_contain_text("0 to 6")
    expect(section(page, "Built from")).to_contain_text(next(iter(manifest.spec.values())))
    expect(section(page, "Size")).to_contain_text(f"{(proven.folder / 'model.onnx').stat().st_size:,}")
    expect(section(page, "Size")).to_contain_text("128 parameters")  # 8·8 + 8 of the linear layer, 7·8 of the table
    expect(section(page, "Speed")).to_contain_text("Not measured.")


def test_a_component_leads_to_the_drawing(page: Page, proven: Built) -> None:
    page.goto((proven.folder / "report.html").as_uri())
    page.click("[data-go=e]")
    expect(page.locator("aside .path").first).to_have_text("e")
    expect(page.locator(".canvas [data-path=e]")).to_be_in_viewport()


def test_the_wheel_scrolls_the_page_and_not_the_drawing(page: Page, proven: Built) -> None:
    page.goto((proven.folder / "report.html").as_uri())
    before = page.locator(".scene").get_attribute("transform")
    page.mouse.move(300, 300)
    page.mouse.wheel(0, 200)
    page.wait_for_function("window.scrollY > 0")
    assert page.locator(".scene").get_attribute("transform") == before


def test_timings_and_their_verdict(page: Page, proven: Built, tmp_path: Path) -> None:
    timings = {name: Timing(np.full(9, seconds)) for name, seconds in (("eager", 0.004), ("onnx", 0.001))}
    speed = Comparison(timings, (Ratio("onnx", "eager", 0.25, 0.24, 0.26),), 0.1)
    assert proven.parity is not None
    findings = Findings(proven.parity, speed, proven.parity.rows[0].point)
    manifest = load_artifact(proven.folder).manifest
    (tmp_path / "page.html").write_text(write_report(proven.checked, manifest, findings, proven.folder), "utf-8")
    page.goto((tmp_path / "page.html").as_uri())
    expect(page.locator(".top")).to_contain_text("0.25×")
    expect(section(page, "Speed")).to_contain_text("0.24 to 0.26")
    expect(section(page, "Speed")).to_contain_text("faster")
    assert [row.split() for row in section(page, "Speed").locator("tr").all_inner_texts()[1:]] == [
        ["eager", "4", "4", "4", "9"],
        ["onnx", "1", "1", "1", "9"],
    ]


def test_where_the_time_goes(page: Page, proven: Built, tmp_path: Path) -> None:
    spans = {call.path: call.span for call in proven.checked.program.calls}
    seconds = {"a": 0.002, "e": 0.0005, "sum": 0.0015}
    rows = [ComponentTime(path, "op", spans[path], each, 10**6, 2048) for path, each in seconds.items()]
    rows[2] = replace(rows[2], shared_with=("a",))
    times = ComponentTimes(tuple(rows), {"batch": 4}, 7, 1, 0.005, 0.0, 1e9)
    assert proven.parity is not None
    findings = Findings(proven.parity, components=times)
    manifest = load_artifact(proven.folder).manifest
    (tmp_path / "page.html").write_text(write_report(proven.checked, manifest, findings, proven.folder), "utf-8")
    page.goto((tmp_path / "page.html").as_uri())

    there = section(page, "Where the time goes")
    expect(there).to_contain_text("A run takes 5 ms under the profile, 4 ms in components")
    lines = [row.split("\t") for row in there.locator("tr").all_inner_texts()[1:]]
    assert [line[0] for line in lines] == ["a", "sum", "e"]
    assert [text.strip() for text in lines[1][3:]] == ["1.5", "", "1 M", "667 MFLOP/s", "67%", "2.05 kB", "a"]

    choice = page.locator("select")
    assert choice.locator("option").all_inner_texts() == [
        "by family",
        "by time",
        "by error",
        "by parameters",
        "by FLOPs",
    ]
    choice.select_option("time")
    expect(page.locator(".legend")).to_have_text("time0 ms2 msat batch=4")
    there.locator("[data-go=e]").click()
    expect(page.locator("aside")).to_contain_text("time: 0.5 ms")


def test_what_a_spec_says_is_text(page: Page, proven: Built) -> None:
    page.goto((proven.folder / "report.html").as_uri())
    expect(section(page, "Proof").locator("td").last).to_contain_text(FILE)
    expect(section(page, "Built from")).to_contain_text(FILE)
    expect(page.locator(".canvas [data-path=a] text").first).to_have_text(EVIL)
    assert page.locator("img").count() == 0


def test_without_a_proof_it_says_so_and_is_the_same_each_time(page: Page, tmp_path: Path) -> None:
    first, second = (built(tmp_path, Options(out=tmp_path / out, verify=False)) for out in ("first", "second"))
    text = (first.folder / "report.html").read_text(encoding="utf-8")
    assert text == (second.folder / "report.html").read_text(encoding="utf-8")
    page.goto((first.folder / "report.html").as_uri())
    expect(page.locator(".top")).to_contain_text("not proven")
    expect(section(page, "Proof")).to_contain_text("Not proven")
    expect(section(page, "Components")).to_have_count(0)
