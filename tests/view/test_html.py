"""The page in a browser: click, fold, search; nothing in a spec can become code, and nothing is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, expect

from stackc.cli.show import command
from stackc.frontend import check_source, check_spec
from stackc.spec.source import Source
from stackc.view.html import write_html

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[2] / "specs"

PLACES = """() => {
  const groups = [...document.querySelectorAll(".canvas [data-path]")];
  return Object.fromEntries(groups.map((group) => {
    const { x, y, width, height } = group.querySelector("rect").getBoundingClientRect();
    return [group.dataset.path, [x, y, x + width, y + height]];
  }));
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test on an error, a console message, a dialog, or a request for anything but the file."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page, troubles = context.new_page(), list[str]()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    page.on("request", lambda request: None if request.url.startswith("file:") else troubles.append(request.url))
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    yield page
    context.close()
    assert not troubles


def shown(page: Page, tmp_path: Path, name: str, depth: int = 1) -> Page:
    checked = check_spec(SPECS / name)
    path = tmp_path / "page.html"
    path.write_text(write_html(checked.typed, {checked.source.file: checked.source.text}, depth), encoding="utf-8")
    page.goto(path.as_uri())
    return page


def paths(page: Page) -> set[str]:
    return {element.get_attribute("data-path") or "" for element in page.locator(".canvas [data-path]").all()}


def test_a_click_tells_the_facts_of_a_node(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, "bert_base.yaml").click("[data-path=word]")
    panel = page.locator("aside")
    expect(panel.locator("h2")).to_have_text("word")
    for text in (
        "embedding",
        "23.4 M parameters",
        "float32[batch, seq, 768]",
        "float32[30522, 768]",
        "bert_base.yaml:1",
    ):
        expect(panel).to_contain_text(text)

    expect(panel.locator("code")).to_contain_text("input_ids --> word[embedding]")
    expect(panel.locator("tr", has_text="vocab")).to_have_class("")
    assert page.url.endswith("#word")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_blocks_unfold_and_fold(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, "bert_base.yaml")
    assert "encoder.0.attn" not in paths(page)
    before = page.locator("[data-path=encoder] > rect").first.bounding_box()
    page.click("[data-path=encoder] .knob")
    assert {"encoder", "encoder.0.attn", "encoder.0.norm2", "pooler"} <= paths(page)
    after = page.locator("[data-path=encoder] > rect").first.bounding_box()
    assert before is not None
    assert after is not None
    assert after["height"] > 5 * before["height"]
    assert abs(after["y"] - before["y"]) < 6  # its upper edge stays where the eye is
    page.click("[data-path='encoder.0.attn']")
    expect(page.locator("aside .path").first).to_have_text("encoder.0.attn")
    page.click("[data-path=encoder] .knob")
    assert "encoder.0.attn" not in paths(page)


def test_the_keyboard_does_all_of_it(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, "bert_base.yaml").locator("[data-path=encoder]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("aside h2")).to_have_text("encoder ×12")
    page.keyboard.press("Space")
    assert "encoder.0.attn" in paths(page)
    page.keyboard.press("Space")
    assert "encoder.0.attn" not in paths(page)
    page.keyboard.press("/")
    expect(page.locator("input")).to_be_focused()


def test_search_unfolds_down_to_what_it_finds(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, "unet.yaml").fill("input", "dec4 conv2d conv1")
    expect(page.locator(".search li")).to_have_text(["dec4.conv.conv1conv2d"])
    page.press("input", "Enter")
    expect(page.locator("aside .path").first).to_have_text("dec4.conv.conv1")
    assert {"dec4.conv.conv1", "dec4.joined"} <= paths(page)
    assert "dec3.joined" not in paths(page)
    box = page.locator("[data-path='dec4.conv.conv1'] > rect").bounding_box()
    assert box is not None
    assert 0 < box["x"] < 1000
    assert 0 < box["y"] < 780
    page.fill("input", "no such thing")
    expect(page.locator(".search li")).to_have_text("no matches")


def test_a_link_leads_to_a_node(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, "seed.mmd")
    page.goto(f"{page.url}#F")
    page.reload()
    expect(page.locator("aside h2")).to_have_text("归一化组件")


def test_it_can_be_moved_and_zoomed(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, "seed.mmd")

    def camera() -> list[float]:
        return [float(n) for n in re.findall(r"[-\d.]+", page.locator(".scene").get_attribute("transform") or "")]

    x, y, zoom = camera()
    page.mouse.move(200, 600)
    page.mouse.down()
    page.mouse.move(260, 570, steps=4)
    page.mouse.up()
    assert camera() == pytest.approx([x + 60, y - 30, zoom])
    page.mouse.wheel(0, -300)
    assert camera()[2] > zoom
    page.click("[data-do=fit]")
    assert camera() == pytest.approx([x, y, zoom])


@pytest.mark.parametrize("name", ["unet.yaml", "detr.yaml", "ensemble.yaml", "two_tower.yaml"])
def test_nothing_lies_on_anything_else_when_all_is_unfolded(name: str, page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, name).click("[data-do=unfold]")
    places = page.evaluate(PLACES)
    assert len(places) > 12
    for (first, a), (second, b) in combinations(places.items(), 2):
        apart = a[2] <= b[0] + 0.1 or b[2] <= a[0] + 0.1 or a[3] <= b[1] + 0.1 or b[3] <= a[1] + 0.1
        within = second.startswith(f"{first}.") or first.startswith(f"{second}.")
        assert apart or within, (first, second)

        if second.startswith(f"{first}."):
            assert a[0] <= b[0] + 0.1
            assert a[1] <= b[1] + 0.1
            assert b[2] <= a[2] + 0.1
            assert b[3] <= a[3] + 0.1


def test_depth_says_what_is_open_at_first(page: Page, tmp_path: Path) -> None:
    assert "encoders.0" in paths(shown(page, tmp_path, "ensemble.yaml", 2))
    assert "encoders.0.attn" not in paths(page)
    assert "encoders.0.attn" in paths(shown(page, tmp_path, "ensemble.yaml", 3))


def test_light_and_dark_follow_the_reader(browser: Browser, tmp_path: Path) -> None:
    def lightness(colour: str) -> float:
        return sum(int(part) for part in re.findall(r"\d+", colour)[:3]) / 765

    for scheme, is_light in (("light", True), ("dark", False)):
        page = browser.new_page(color_scheme=scheme)  # type: ignore[arg-type]  # one of its two words
        shown(page, tmp_path, "bert_base.yaml")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        for family in ("linear", "stack", "norm", "input"):
            fill, ink = page.evaluate(
                "(family) => ['rect', 'text'].map((tag) =>"
                " getComputedStyle(document.querySelector(`.box.${family} ${tag}`)).fill)",
                family,
            )
            assert abs(lightness(fill) - lightness(ink)) > 0.45
            assert (lightness(fill) > 0.5) is is_light
        assert (lightness(ground) > 0.5) is is_light
        page.close()


def test_what_a_spec_says_is_text(page: Page, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=http://x.invalid/y onerror=alert(2)>"
    label = evil.replace("<", "#lt;").replace(">", "#gt;")
    text = f"""\
stackc: 1
name: evil
inputs: {{x: {{shape: [batch, 8]}}}}
graph: |
  x --> a["{label}"] --> b["{{{{ 7 * 7 }}}}"]
nodes: {{a: {{op: tanh}}, b: {{op: tanh}}}}  # </script><script>alert(4)</script>
"""
    checked = check_source(Source("</script>.yaml", text))
    path = tmp_path / "page.html"
    path.write_text(write_html(checked.typed, {checked.source.file: text}), encoding="utf-8")
    page.goto(path.as_uri())

    expect(page.locator("[data-path=a] text").first).to_have_text(evil)
    page.click("[data-path=a]")
    expect(page.locator("aside h2")).to_have_text(evil)
    expect(page.locator("aside code")).to_contain_text("#lt;script#gt;")
    expect(page.locator("[data-path=b] text").first).to_have_text("{{ 7 * 7 }}")
    page.fill("input", "alert")
    assert page.locator("body script:not([type])").count() == 1
    assert page.locator("img").count() == 0


def test_labels_stay_beside_their_arrows_when_boxes_open(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, "ensemble.yaml", depth=2)
    distances = page.evaluate(
        """() => place(JSON.parse(document.querySelector("script[type]").textContent).levels, 0, "",
            new Set(["encoders"])).arrows
          .filter(({at}) => at).map(({at, points}) => Math.min(...points.slice(1).flatMap((end, i) =>
            Array.from({length: 101}, (_, k) => Math.hypot(
              points[i][0] + (end[0] - points[i][0]) * k / 100 - at[0],
              points[i][1] + (end[1] - points[i][1]) * k / 100 - at[1])))))"""
    )
    assert distances
    assert max(distances) < 60  # half a label, and the room that the layout leaves


def test_a_node_of_another_file_has_the_line_of_that_file(page: Page, tmp_path: Path) -> None:
    (tmp_path / "parts.yaml").write_text(
        "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: x --> b\n"
        "blocks:\n  b:\n    inputs: [x]\n    graph: x --> inner[tanh]  # in parts\n",
        encoding="utf-8",
    )
    (tmp_path / "whole.yaml").write_text(
        "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: x --> y\nnodes: {y: {op: parts.yaml#b}}\n",
        encoding="utf-8",
    )
    out = tmp_path / "page.html"
    assert CliRunner().invoke(command, [str(tmp_path / "whole.yaml"), "-o", str(out), "--depth", "2"]).exit_code == 0
    page.goto(out.as_uri())
    page.click("[data-path='y.inner']")
    expect(page.locator("aside code")).to_contain_text("in parts")


def test_1500_nodes_can_be_used(page: Page, tmp_path: Path) -> None:
    arrows = "\n".join(f"  n{i} --> n{i + 1}[tanh]" for i in range(1499))
    text = f"stackc: 1\nname: big\ninputs: {{x: {{shape: [batch, 8]}}}}\ngraph: |\n  x --> n0[tanh]\n{arrows}\n"
    path = tmp_path / "page.html"
    path.write_text(write_html(check_source(Source("big.yaml", text)).typed, {"big.yaml": text}), encoding="utf-8")
    page.goto(path.as_uri())
    assert page.locator(".canvas [data-path]").count() == 1502
    page.fill("input", "n1499")
    page.press("input", "Enter")
    expect(page.locator("aside .path").first).to_have_text("n1499")


def test_equal_blocks_are_in_the_page_once() -> None:
    def size(layers: int) -> int:
        rows = "\n".join(f"  l{i} --> l{i + 1}[b]" for i in range(layers))
        text = f"stackc: 1\nname: t\ninputs: {{x: {{shape: [batch, 8]}}}}\ngraph: |\n  x --> l0[b]\n{rows}\n"
        text += "blocks: {b: {inputs: [x], graph: 'x --> " + " --> ".join(f"n{i}[tanh]" for i in range(40)) + "'}}\n"
        return len(write_html(check_source(Source("t.yaml", text)).typed, {}))

    assert size(20) - size(10) < 10 * 1500  # forty nodes each would be 15 kB


def test_show_writes_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [str(SPECS / "seed.mmd"), "-o", str(tmp_path / "seed.html")])
    assert done.exit_code == 0
    page = (tmp_path / "seed.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert not re.search(r"(?:src|href)=|url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)


@pytest.mark.parametrize("name", ["t5.yaml", "stacked.yaml"])
def test_the_first_view_is_whole_or_readable_from_the_top(name: str, page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, name, 3)
    zoom = float(re.findall(r"scale\(([\d.]+)\)", page.locator(".scene").get_attribute("transform") or "")[0])
    places: dict[str, list[float]] = page.evaluate(PLACES)
    header = page.locator("header").bounding_box()
    assert header
    assert zoom >= 0.7
    first = min(places.values(), key=lambda place: place[1])
    assert header["y"] + header["height"] <= first[1]
    assert 0 <= first[0] < first[2] <= 1280
    if name == "stacked.yaml":
        assert all(left >= 0 and right <= 1280 and bottom <= 800 for left, _, right, bottom in places.values())
    else:
        assert first[1] < 200


def test_what_lies_below_the_header_does_not_show_through(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, "t5.yaml", 3).goto(f"{page.url}#decoder.0.norm1")
    page.reload()
    ground = page.evaluate("() => getComputedStyle(document.querySelector('.view > header')).backgroundImage")
    assert "gradient" in ground
    box = page.locator("[data-path='decoder.0.norm1'] > rect").bounding_box()
    panel = page.locator("aside").bounding_box()
    assert box
    assert panel
    assert box["x"] + box["width"] < panel["x"]


def test_enter_closes_the_list_over_the_drawing_and_leads_on(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, "bert_base.yaml").fill("input", "norm")
    expect(page.locator(".search ol")).to_be_visible()
    page.press("input", "Enter")
    expect(page.locator(".search ol")).to_be_hidden()
    first = page.locator("aside .path").first.inner_text()
    page.press("input", "Enter")
    expect(page.locator("aside .path").first).not_to_have_text(first)
    page.press("input", "ArrowDown")
    expect(page.locator(".search ol")).to_be_visible()
