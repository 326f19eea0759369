"""report.html of a run in a browser: the curves, the epochs, the drawing; foreign names are text."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.training.digits import SPEC, TRAIN, write_digits

import stackc
from stackc.training import Trained, TrainOptions

pytestmark = pytest.mark.slow

EVIL = "<img src=http://x.invalid/y onerror=alert(1)>"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("run")
    write_digits(folder)
    spec = folder / "<img src=y onerror=alert(2)>.yaml"
    title = EVIL.replace("<", "#lt;").replace(">", "#gt;")
    spec.write_text(SPEC.replace("head[linear]", f'head["{title}"]').replace("head: {", "head: {op: linear, ") + TRAIN)
    return stackc.train(spec, TrainOptions(out=folder / "run"))


@pytest.fixture(params=[360, 1440])
def page(browser: Browser, trained: Trained, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page; the test fails on an error, a console message, a dialog, or a request for anything but the file."""
    page, troubles = browser.new_page(viewport={"width": request.param, "height": 900}), list[str]()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    page.on("request", lambda request: None if request.url.startswith("file:") else troubles.append(request.url))
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    page.goto((trained.folder / "report.html").as_uri())
    yield page
    page.close()
    assert not troubles


def test_curves_and_epochs_are_those_of_the_history(page: Page, trained: Trained) -> None:
    events = [json.loads(line) for line in (trained.folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    assert page.locator(".curves figcaption").all_inner_texts() == ["loss", "accuracy", "learning rate"]
    lines = page.locator(".curves").first.locator("polyline")
    points = [[float(pair.split(",")[1]) for pair in line.split()] for line in lines.evaluate_all(
        "all => all.map(line => line.getAttribute('points'))")]  # fmt: skip
    losses = [event["loss"] for event in events if "lr" in event]
    assert [len(line) for line in points] == [21, 3]
    assert sorted(range(21), key=lambda i: (-points[0][i], i))[0] == min(range(21), key=losses.__getitem__)

    rows = [row.split() for row in page.locator(".epochs tbody tr, .epochs tr").all_inner_texts() if row[0].isdigit()]
    epochs = [event for event in events if "epoch" in event]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert [float(row[2]) for row in rows] == [pytest.approx(epoch["loss"], rel=1e-4) for epoch in epochs]
    assert [index + 1 for index, row in enumerate(rows) if row[-1] == "best"] == [trained.best_epoch]
    expect(page.locator(".top")).to_contain_text("of 21 steps")


def test_the_drawing_is_there_and_nothing_is_wider_than_the_window(page: Page) -> None:
    expect(page.locator(".canvas [data-path=conv]")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("img").count() == 0
