"""attribution.html in a browser: heat over pixels and waves, attention by layer and head; foreign names are text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from stackc.attribution import AttributionOptions, attribute_examples
from stackc.attribution.attention import attention_probabilities
from stackc.attribution.page import write_attribution_page
from stackc.frontend import check_source
from stackc.runtime import Array
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

pytestmark = pytest.mark.slow

EVIL = "<img src=http://x.invalid/y onerror=alert(1)>"
SPEC = """\
stackc: 1
name: several
inputs:
  ids:   {dtype: int64, shape: [batch, seq], below: 20}
  image: {shape: [batch, 1, 6, 6]}
  wave:  {shape: [batch, 48]}
graph: |
  ids --> embed[embedding] --> first[attention] --> second[attention] --> pool[mean_pool] --> y[add]
  image --> flat[flatten] --> pixels[linear] --> y
  wave --> samples[linear] --> y
nodes: {embed: {vocab: 20, dim: 8}, first: {heads: 2}, second: {heads: 4}, pixels: {out: 8}, samples: {out: 8}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Array]]:
    """The page, and the probabilities of each attention."""
    checked = check_source(Source("spec.yaml", SPEC))
    module = lower(checked.typed, seed=0).eval()
    random = np.random.default_rng(0)
    feeds: dict[str, Array] = {
        "ids": random.integers(0, 20, (2, 5)),
        "image": random.standard_normal((2, 1, 6, 6)).astype(np.float32),
        "wave": random.standard_normal((2, 48)).astype(np.float32),
    }
    feeds = {name: feeds[name] for name in checked.program.inputs}
    found = attribute_examples(checked, module, feeds, AttributionOptions("y:3", steps=8))
    probabilities = attention_probabilities(module, checked.program, feeds)
    path = tmp_path_factory.mktemp("page") / "attribution.html"
    words = {number: EVIL if number == feeds["ids"][0, 0] else f"w{number}" for number in range(20)}
    path.write_text(
        write_attribution_page(checked, found, feeds, tokens=words, attention=probabilities), encoding="utf-8"
    )
    return path, probabilities


@pytest.fixture(params=[360, 1440])
def page(browser: Browser, made: tuple[Path, dict[str, Array]], request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page; the test fails on an error, a console message, a dialog, or a request for anything but the file."""
    page, troubles = browser.new_page(viewport={"width": request.param, "height": 900}), list[str]()
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    page.on("request", lambda request: None if request.url.startswith("file:") else troubles.append(request.url))
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    page.goto(made[0].as_uri())
    yield page
    page.close()
    assert not troubles


def test_attention_is_shown_by_example_layer_and_head(page: Page, made: tuple[Path, dict[str, Array]]) -> None:
    attention = page.locator(".attention")
    assert attention.locator("[name=layer] option").all_inner_texts() == ["first", "second"]
    assert attention.locator("[name=head] option").all_inner_texts() == ["0", "1"]
    attention.locator("[name=layer]").select_option(label="second")
    assert attention.locator("[name=head] option").all_inner_texts() == ["0", "1", "2", "3"]
    attention.locator("[name=head]").select_option(label="2")
    attention.locator("[name=example]").select_option(label="1")

    opacities = attention.locator("canvas").evaluate(
        "canvas => [...canvas.getContext('2d').getImageData(0, 0, 5, 5).data].filter((_, at) => at % 4 == 3)"
    )
    expected = made[1]["second"][1, 2].reshape(-1)
    np.testing.assert_allclose(np.array(opacities) / 255, expected, atol=1 / 255)

    attention.locator("[name=example]").select_option(label="0")
    attention.locator("canvas").hover(position={"x": 2, "y": 2})
    share = made[1]["second"][0, 2, 0, 0]
    expect(attention.locator("output")).to_have_text(f"{EVIL} → {EVIL}: {round(share * 255) / 255:.2f}")


def test_each_input_is_shown_in_the_form_that_fits_it(page: Page) -> None:
    example = page.locator(".example").first
    expect(example.locator(".tokens span")).to_have_count(5)
    expect(example.locator(".tokens span").first).to_have_text(EVIL)
    expect(example.locator(".map canvas")).to_have_count(2)
    assert example.locator(".map canvas").last.evaluate("canvas => [canvas.width, canvas.height]") == [6, 6]
    expect(example.locator(".columns, table").first).to_be_visible()
    expect(page.locator("h1")).to_have_text("several: y:3")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_probabilities_are_those_of_pytorch() -> None:
    """One attention with its own weights: softmax(q kᵀ / √d)."""
    text = (
        "stackc: 1\nname: a\ninputs: {x: {shape: [batch, seq, 8]}}\ngraph: x --> y[attention]\nnodes: {y: {heads: 2}}\n"
    )
    checked = check_source(Source("spec.yaml", text))
    module = lower(checked.typed, seed=0).eval()
    x = np.random.default_rng(0).standard_normal((2, 5, 8)).astype(np.float32)
    (probabilities,) = attention_probabilities(module, checked.program, {"x": x}).values()

    weights = module.state_dict()
    q, k = (torch.tensor(x) @ weights[f"y.{n}.weight"].T + weights[f"y.{n}.bias"] for n in ("q", "k"))
    q, k = (vectors.unflatten(-1, (2, 4)).transpose(1, 2) for vectors in (q, k))
    np.testing.assert_allclose(probabilities, (q @ k.mT / 2).softmax(-1).numpy(), atol=1e-6)
