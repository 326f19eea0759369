"""What trains a model is drawn in a frame of its own, in every form; the picture of the model stays as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from rich.console import Console
from tests.training.digits import MANY_LOSSES, SPEC, TRAIN

import stackc
from stackc.frontend import Checked
from stackc.view.forms import DrawnModel
from stackc.view.picture import Box, Cluster
from stackc.view.tree import tree_of


def checked(tmp_path: Path, text: str) -> Checked:
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return stackc.check(path)


def frame_and_arrows(spec: Checked) -> tuple[Cluster, list[tuple[str, str, str]]]:
    picture = DrawnModel(spec.typed, spec.training).picture(1)
    frame = picture.parts[-1]
    assert isinstance(frame, Cluster)
    inside = {part.id for part in frame.parts}
    arrows = [arrow for arrow in picture.arrows if arrow.target in inside]
    assert all(arrow.source in inside for arrow in arrows)
    return frame, [(a.source.removeprefix("train."), a.target.removeprefix("train."), a.port) for a in arrows]


def test_the_model_is_drawn_as_without_training(tmp_path: Path) -> None:
    """Parts and arrows of the frame come after those of the model."""
    with_train, without = checked(tmp_path, SPEC + TRAIN), checked(tmp_path, SPEC)
    picture = DrawnModel(with_train.typed, with_train.training).picture(1)
    model = DrawnModel(without.typed).picture(1)
    assert picture.parts[:-1] == model.parts
    assert picture.arrows[: len(model.arrows)] == model.arrows
    assert (picture.title, picture.subtitle) == (model.title, model.subtitle)


def test_values_inputs_losses_and_metrics(tmp_path: Path) -> None:
    """A value of the model stands under the name of its output, or else under its path."""
    frame, arrows = frame_and_arrows(checked(tmp_path, MANY_LOSSES))
    boxes = {part.title: part for part in frame.parts if isinstance(part, Box)}
    forms = {title: box.form for title, box in boxes.items()}
    assert forms == {
        "logits": "output", "deep.1.act": "output", "deep.0.up": "output", "deep.2": "output", "label": "input",
        "y": "input", "scale": "component", "loss": "component", "inner": "component", "near": "component",
        "acc": "component", "far": "component",
    }  # fmt: skip
    assert boxes["inner"].lines == ("mse", "weight 0.3")
    assert boxes["loss"].lines == ("cross_entropy · label_smoothing 0.1",)
    assert frame.lines == ("sgd, lr 0.1 · batch 4 · 2 epochs",)
    assert set(arrows) == {
        ("logits", "scale", ""), ("scale", "loss", ""), ("label", "loss", "target"), ("deep.1.act", "inner", ""),
        ("y", "inner", "target"), ("deep.0.up", "near", ""), ("y", "near", "target"), ("logits", "acc", ""),
        ("label", "acc", "target"), ("deep.2", "far", ""), ("y", "far", "target"),
    }  # fmt: skip


def test_an_input_of_the_model_may_be_a_target(tmp_path: Path) -> None:
    """As of an autoencoder."""
    text = "stackc: 1\ninputs: {x: {shape: [batch, 4]}}\ngraph: x --> y[linear]\nnodes: {y: {out: 4}}\n"
    text += "train:\n  graph: |\n    y --> loss[mse]\n    x -->|target| loss\n  data: {batch: 2}\n  steps: 3\n"
    frame, arrows = frame_and_arrows(checked(tmp_path, text))
    assert {(part.title, part.form) for part in frame.parts if isinstance(part, Box)} == {
        ("y", "output"), ("x", "input"), ("loss", "component"),
    }  # fmt: skip
    assert set(arrows) == {("y", "loss", ""), ("x", "loss", "target")}
    assert frame.lines == ("adam, lr 0.001 · batch 2 · 3 steps",)


@pytest.mark.parametrize("form", ["svg", "mermaid", "dot"])
def test_every_form_has_it(form: Literal["svg", "mermaid", "dot"], tmp_path: Path) -> None:
    text = stackc.show(checked(tmp_path, MANY_LOSSES), form)
    for words in ("train", "sgd, lr 0.1 · batch 4 · 2 epochs", "deep.1.act", "weight 0.3"):
        assert words in text
    assert "train" not in stackc.show(checked(tmp_path, SPEC), form)


def test_the_tree_names_values_of_the_model(tmp_path: Path) -> None:
    spec = checked(tmp_path, MANY_LOSSES)
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(tree_of(DrawnModel(spec.typed, spec.training).picture(1)))
    lines = capture.get()
    assert "└── ▼ train  sgd, lr 0.1 · batch 4 · 2 epochs" in lines
    assert "inner  mse · weight 0.3  ← deep.1.act, y as target" in lines
    assert "loss  cross_entropy · label_smoothing 0.1  ← scale, label as target" in lines


def test_the_page_has_facts_of_losses(tmp_path: Path) -> None:
    spec = checked(tmp_path, SPEC + TRAIN)
    page = stackc.show(spec, "html")
    _, _, rest = page.partition('<script type="application/json">')
    data = json.loads(rest.partition("</script>")[0])
    boxes = {box["id"]: box for box in data["levels"][0]["boxes"]}
    assert boxes["train.loss"]["facts"]["line"] == "logits --> loss[cross_entropy]"
    assert boxes["train.label"]["facts"]["outputs"] == [["label", "int64[batch]"]]
